"""StyleGAN2 with adaptive augmentation, and truncation as the knob of sampling bias.

Non-saturating logistic loss, R1 penalty on real images (Mescheder et al. 2018, arXiv:1801.04406,
eq. 9) and path-length regularisation (Karras et al. 2020, arXiv:1912.04958, eq. 4), both lazily,
moving average of weights, adaptive augmentation (arXiv:2006.06676). Draws are truncated in style
space, w' = w̄ + ψ (w − w̄); ψ scales an amplitude and λ a variance, so λ = ψ². Without style mixing
and classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping as Named
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from madaudit.simulation.generators.augmentation import Augmentation
from madaudit.simulation.generators.base import Generator, Progress, Samples, State
from madaudit.simulation.generators.stylegan_networks import (
    Discriminator,
    Mapping,
    Synthesis,
    noise_of,
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

_DRAWN_TOGETHER = 512
# Steps between two penalties, and how fast the mean path length and style follow.
_R1_EVERY, _PATH_EVERY, _PATH_DECAY, _STYLE_DECAY = 16, 8, 0.01, 0.995


@dataclass(frozen=True)
class StyleGan(Generator):
    """A StyleGAN2.

    Attributes:
        steps: of training, each one of the discriminator and one of the generator.
        batch: images a step.
        learning_rate: of both, by Adam with β = (0, .99).
        dim: of latent and style.
        mapping_layers: of the mapping network.
        width: channels of the finest level; coarser ones have twice as many.
        r1: weight γ of the penalty.
        path: weight of the path-length regularisation.
        images_to_full: speed of adaptive augmentation; 0 for none.
        decay: of the moving average.
        device: "auto", "cpu", "cuda".
    """

    name: ClassVar[str] = "stylegan"
    knob: ClassVar[str] = "truncation ψ in style space, λ = ψ²"
    version: ClassVar[int] = 1

    steps: int = 2000
    batch: int = 32
    learning_rate: float = 2e-3
    dim: int = 64
    mapping_layers: int = 4
    width: int = 32
    r1: float = 1.0
    path: float = 2.0
    images_to_full: int = 100_000
    decay: float = 0.995
    device: str = "auto"

    def fit(
        self,
        samples: Samples,
        *,
        seed: int,
        weights: npt.NDArray[np.float64] | None = None,
        progress: Progress | None = None,
    ) -> FittedStyleGan:
        channels, side = image_shape(samples, self.name, least_side=4)
        device = Device(self.device).torch
        with seeded_weights(seed):
            maker = _Maker(self, channels, side).to(device)
            judge = Discriminator(self.width, channels, side).to(device)
        random = generator_of(seed)
        training = _Training(self, maker, judge, random)
        batches = Batches(samples, weights, device, random)
        for step in range(self.steps):
            real, _ = batches.draw(self.batch)
            training.step(real, step)
            if progress is not None and step % 20 == 0:
                progress(step / self.steps)
        training.average.into_network()
        return FittedStyleGan(self, maker, (channels, side))

    def restore(self, state: Named[str, npt.NDArray[Any]]) -> FittedStyleGan:
        channels, side = (int(number) for number in state["image"])
        maker = _Maker(self, channels, side)
        from_state(maker, {name: value for name, value in state.items() if name != "image"})
        return FittedStyleGan(self, maker.to(Device(self.device).torch), (channels, side))


class _Maker(nn.Module):
    """Mapping and synthesis, with the mean style w̄ of training."""

    mean_style: Tensor

    def __init__(self, family: StyleGan, channels: int, side: int) -> None:
        super().__init__()
        self.mapping = Mapping(family.dim, family.mapping_layers)
        self.synthesis = Synthesis(family.dim, family.width, channels, side)
        self.register_buffer("mean_style", torch.zeros(family.dim))
        self.side = side

    def styles(self, n: int, random: torch.Generator) -> Tensor:
        z = torch.randn((n, len(self.mean_style)), generator=random)
        result: Tensor = self.mapping(z.to(self.mean_style.device))
        return result

    def images(self, w: Tensor, random: torch.Generator) -> Tensor:
        noise = noise_of(len(w), self.side, random, w.device)
        result: Tensor = self.synthesis(w, noise)
        return result


class _Training:
    """Both networks' steps.

    Attributes:
        average: of the maker's weights.
    """

    def __init__(
        self, family: StyleGan, maker: _Maker, judge: Discriminator, random: torch.Generator
    ) -> None:
        self.family, self.maker, self.judge, self.random = family, maker, judge, random
        rate = {"lr": family.learning_rate, "betas": (0.0, 0.99), "eps": 1e-8}
        self.ours = torch.optim.Adam(maker.parameters(), **rate)  # type: ignore[arg-type]
        self.theirs = torch.optim.Adam(judge.parameters(), **rate)  # type: ignore[arg-type]
        self.average = MovingAverage(maker, family.decay)
        self.augment = Augmentation(max(family.images_to_full, 1), random)
        self.mean_path = 0.0

    def step(self, real: Tensor, step: int) -> None:
        """One step of the discriminator and one of the generator."""
        self._judge_step(real, step)
        self._maker_step(len(real), step)
        self.average.update()

    def _judge_step(self, real: Tensor, step: int) -> None:
        softplus = nn.functional.softplus
        with torch.no_grad():
            made = self.maker.images(self.maker.styles(len(real), self.random), self.random)
        of_real = self.judge(self.augment(real))
        loss = softplus(self.judge(self.augment(made))).mean() + softplus(-of_real).mean()
        require_finite(loss, step)
        if self.family.images_to_full:
            self.augment.adapt(of_real)
        if step % _R1_EVERY == 0:
            shown = real.detach().requires_grad_()
            logits = self.judge(self.augment(shown))
            (slope,) = torch.autograd.grad(logits.sum(), shown, create_graph=True)
            penalty = slope.square().sum(dim=(1, 2, 3)).mean()
            loss = loss + 0.5 * self.family.r1 * _R1_EVERY * penalty
        self.theirs.zero_grad(set_to_none=True)
        loss.backward()
        self.theirs.step()

    def _maker_step(self, n: int, step: int) -> None:
        w = self.maker.styles(n, self.random)
        with torch.no_grad():
            self.maker.mean_style.lerp_(w.mean(dim=0), 1 - _STYLE_DECAY)
        made = self.maker.images(w, self.random)
        loss = nn.functional.softplus(-self.judge(self.augment(made))).mean()
        require_finite(loss, step)
        if self.family.path and step % _PATH_EVERY == 0:
            loss = loss + self.family.path * _PATH_EVERY * self._path_penalty(max(n // 2, 1))
        self.ours.zero_grad(set_to_none=True)
        loss.backward()
        self.ours.step()

    def _path_penalty(self, n: int) -> Tensor:
        """(‖Jᵀ_w y‖ − a)², y random images, a the mean length so far."""
        w = self.maker.styles(n, self.random)
        made = self.maker.images(w, self.random)
        y = torch.randn(made.shape, generator=self.random).to(made.device)
        y = y / math.sqrt(made.shape[2] * made.shape[3])
        (slope,) = torch.autograd.grad((made * y).sum(), w, create_graph=True)
        lengths = slope.square().sum(dim=1).sqrt()
        self.mean_path += _PATH_DECAY * (float(lengths.detach().mean()) - self.mean_path)
        return (lengths - self.mean_path).square().mean()


@dataclass(frozen=True, eq=False)
class FittedStyleGan:
    """A trained StyleGAN2.

    Attributes:
        family: its options.
        maker: latent to images.
        image: channels and side.
    """

    family: StyleGan
    maker: _Maker
    image: tuple[int, int]

    @torch.no_grad()
    def sample(self, n: int, *, bias: float, seed: int) -> Samples:
        random, psi = generator_of(seed), math.sqrt(bias)
        made = []
        for start in range(0, n, _DRAWN_TOGETHER):
            w = self.maker.styles(min(_DRAWN_TOGETHER, n - start), random)
            w = self.maker.mean_style + psi * (w - self.maker.mean_style)
            made.append(self.maker.images(w, random).clamp(-1, 1).cpu())
        return Samples(torch.cat(made).numpy(), np.zeros(n, np.int64))

    def state(self) -> State:
        return {**to_state(self.maker), "image": np.array(self.image, np.int64)}
