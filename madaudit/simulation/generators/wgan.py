"""A Wasserstein GAN with gradient penalty, on small square images.

The critic maximises E D(x) − E D(G(z)) − 10 (‖∇D(x̂)‖ − 1)², x̂ on lines between real images and
generated ones (Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1). The paper on MAD runs it
without sampling bias only (arXiv:2307.01850, appendix B.1).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from madaudit.simulation.generators.base import (
    Generator,
    Progress,
    Samples,
    State,
    require_unbiased,
)
from madaudit.simulation.generators.torch_training import (
    Batches,
    Device,
    MovingAverage,
    from_state,
    generator_of,
    image_shape,
    require_finite,
    seeded_weights,
    to_state,
)

# Images that are drawn at once.
_DRAWN_TOGETHER = 1024
_PENALTY = 10.0


def _halvings(side: int) -> int:
    """Times a side is halved, rounded up, until it is 4 or less."""
    return max(1, math.ceil(math.log2(side / 4)))


class Maker(nn.Module):
    """Latent (n, latent) to images in [−1, 1]."""

    def __init__(self, latent: int, width: int, channels: int, side: int) -> None:
        super().__init__()
        n = _halvings(side)
        self.sides = [math.ceil(side / 2**level) for level in reversed(range(n + 1))]
        widths = [width * 2 ** min(level, 2) for level in reversed(range(n + 1))]
        self.first = nn.Linear(latent, widths[0] * self.sides[0] ** 2)
        self.grow = nn.ModuleList(
            [
                nn.Sequential(nn.GroupNorm(4, a), nn.ReLU(), nn.Conv2d(a, b, 3, padding=1))
                for a, b in itertools.pairwise(widths)
            ]
        )
        self.last = nn.Sequential(
            nn.GroupNorm(4, widths[-1]), nn.ReLU(), nn.Conv2d(widths[-1], channels, 3, padding=1)
        )

    def forward(self, z: Tensor) -> Tensor:
        x = self.first(z).reshape(len(z), -1, self.sides[0], self.sides[0])
        for block, side in zip(self.grow, self.sides[1:], strict=True):
            x = block(nn.functional.interpolate(x, size=(side, side), mode="nearest"))
        return torch.tanh(self.last(x))


class Critic(nn.Module):
    """Images to one number each; no normalisation over the batch, which the penalty forbids."""

    def __init__(self, width: int, channels: int, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        at = channels
        for level in range(_halvings(side)):
            wide = width * 2 ** min(level, 2)
            layers += [nn.Conv2d(at, wide, 3, stride=2, padding=1), nn.LeakyReLU(0.2)]
            at, side = wide, math.ceil(side / 2)
        layers += [nn.Conv2d(at, 2 * at, 3, padding=1), nn.LeakyReLU(0.2), nn.Flatten()]
        self.layers = nn.Sequential(*layers, nn.Linear(2 * at * side**2, 1))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(x)[:, 0]
        return result


@dataclass(frozen=True)
class WganGp(Generator):
    """A WGAN-GP.

    Attributes:
        steps: of the maker; each follows `n_critic` of the critic.
        batch: images a step.
        learning_rate: of both, by Adam with β = (0, .9).
        latent, width: numbers that an image is made from, and channels of the finest level.
        decay: of the maker's moving average.
        device: "auto", "cpu", "cuda".
    """

    name: ClassVar[str] = "wgan"
    knob: ClassVar[str] = "none: λ = 1 only"
    version: ClassVar[int] = 1

    steps: int = 1500
    n_critic: int = 5
    batch: int = 64
    learning_rate: float = 5e-4
    latent: int = 64
    width: int = 32
    decay: float = 0.995
    device: str = "auto"

    def fit(
        self,
        samples: Samples,
        *,
        seed: int,
        weights: npt.NDArray[np.float64] | None = None,
        progress: Progress | None = None,
    ) -> FittedWganGp:
        channels, side = image_shape(samples, self.name, least_side=4)
        device = Device(self.device).torch
        with seeded_weights(seed):
            maker = self._maker(channels, side).to(device)
            critic = Critic(self.width, channels, side).to(device)
        random = generator_of(seed)
        batches = Batches(samples, weights, device, random)
        average = MovingAverage(maker, self.decay)
        rate = {"lr": self.learning_rate, "betas": (0.0, 0.9)}
        ours = torch.optim.Adam(maker.parameters(), **rate)  # type: ignore[arg-type]
        theirs = torch.optim.Adam(critic.parameters(), **rate)  # type: ignore[arg-type]
        for step in range(self.steps):
            for _ in range(self.n_critic):
                real, _ = batches.draw(self.batch)
                loss = self._critic_loss(critic, maker, real, random)
                require_finite(loss, step)
                theirs.zero_grad(set_to_none=True)
                loss.backward()
                theirs.step()
            ours.zero_grad(set_to_none=True)
            (-critic(maker(self._latent(self.batch, random))).mean()).backward()
            ours.step()
            average.update()
            if progress is not None and step % 20 == 0:
                progress(step / self.steps)
        average.into_network()
        return FittedWganGp(self, maker, (channels, side))

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedWganGp:
        channels, side = (int(number) for number in state["image"])
        maker = self._maker(channels, side)
        from_state(maker, {name: value for name, value in state.items() if name != "image"})
        return FittedWganGp(self, maker.to(Device(self.device).torch), (channels, side))

    def _maker(self, channels: int, side: int) -> Maker:
        return Maker(self.latent, self.width, channels, side)

    def _latent(self, n: int, random: torch.Generator) -> Tensor:
        return torch.randn((n, self.latent), generator=random).to(Device(self.device).torch)

    def _critic_loss(
        self, critic: Critic, maker: Maker, real: Tensor, random: torch.Generator
    ) -> Tensor:
        with torch.no_grad():
            made = maker(self._latent(len(real), random))
        place = torch.rand((len(real), 1, 1, 1), generator=random).to(real.device)
        between = (place * real + (1 - place) * made).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        return torch.as_tensor(critic(made).mean() - critic(real).mean() + _PENALTY * penalty)


@dataclass(frozen=True, eq=False)
class FittedWganGp:
    """A trained WGAN.

    Attributes:
        family: its options.
        maker: latent to images.
        image: channels and side.
    """

    family: WganGp
    maker: Maker
    image: tuple[int, int]

    @torch.no_grad()
    def sample(self, n: int, *, bias: float, seed: int) -> Samples:
        require_unbiased("wgan", bias)
        device = Device(self.family.device).torch
        z = torch.randn((n, self.family.latent), generator=generator_of(seed))
        made = [self.maker(part.to(device)).cpu() for part in z.split(_DRAWN_TOGETHER)]
        return Samples(torch.cat(made).numpy(), np.zeros(n, np.int64))

    def state(self) -> State:
        return {**to_state(self.maker), "image": np.array(self.image, np.int64)}
