"""A normalising flow of affine coupling layers, for points in a few dimensions.

x = f(z), z ~ N(0, I), with log p(x) = log N(f⁻¹(x)) + Σ s (Dinh et al. 2017, arXiv:1605.08803,
eq. 3 to 8). Sampling bias is in the latent: z ~ N(0, λ I) (Alemohammad et al. 2023,
arXiv:2307.01850, appendix B.4, whose sizes are the defaults here).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from madaudit.errors import OptionError
from madaudit.simulation.generators.base import Generator, Progress, Samples, State
from madaudit.simulation.generators.torch_training import (
    Batches,
    Device,
    from_state,
    generator_of,
    require_finite,
    seeded_weights,
    to_state,
)


class Coupling(nn.Module):
    """Scales and shifts one half of a point by what the other half says; halves swap."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.n_kept = dim // 2
        self.told = nn.Sequential(
            nn.Linear(self.n_kept, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 2 * (dim - self.n_kept)),
        )
        # Begins as the identity.
        nn.init.zeros_(self.told[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.told[-1].bias)  # type: ignore[arg-type]

    def inward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Point to latent, and the logarithm of the volume that it gains (n,)."""
        kept, moved = x[:, : self.n_kept], x[:, self.n_kept :]
        scale, shift = self._told(kept)
        return torch.cat([(moved - shift) * torch.exp(-scale), kept], dim=1), -scale.sum(dim=1)

    def outward(self, z: Tensor) -> Tensor:
        """Latent to point."""
        n_moved = z.shape[1] - self.n_kept
        moved, kept = z[:, :n_moved], z[:, n_moved:]
        scale, shift = self._told(kept)
        return torch.cat([kept, moved * torch.exp(scale) + shift], dim=1)

    def _told(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        scale, shift = self.told(kept).chunk(2, dim=1)
        # A bounded scale keeps one batch of outliers from throwing the volume away.
        return 2.0 * torch.tanh(scale / 2.0), shift


@dataclass(frozen=True)
class Flow(Generator):
    """A normalising flow.

    Attributes:
        layers, hidden: coupling layers, and units of their networks.
        epochs, batch: of training.
        learning_rate: of Adam; falls to 0 along half a cosine.
        device: "auto", "cpu", "cuda".
    """

    name: ClassVar[str] = "flow"
    knob: ClassVar[str] = "variance of the latent, z ~ N(0, λ I)"
    version: ClassVar[int] = 1

    layers: int = 8
    hidden: int = 64
    epochs: int = 20
    batch: int = 256
    learning_rate: float = 2e-3
    device: str = "auto"

    def fit(
        self,
        samples: Samples,
        *,
        seed: int,
        weights: npt.NDArray[np.float64] | None = None,
        progress: Progress | None = None,
    ) -> FittedFlow:
        shape = samples.values.shape
        if len(shape) != 2 or not 2 <= shape[1] <= 64:
            raise OptionError(
                f"flow cannot train on samples of shape {shape[1:]}; allowed are points of 2 to "
                f"64 dimensions"
            )
        device = Device(self.device).torch
        with seeded_weights(seed):
            network = self._network(shape[1]).to(device)
        random = generator_of(seed)
        batches = Batches(samples, weights, device, random)
        centre, scale = batches.values.mean(dim=0), batches.values.std(dim=0).clamp(min=1e-6)
        optimizer = torch.optim.Adam(network.parameters(), lr=self.learning_rate)
        steps = max(1, self.epochs * math.ceil(len(samples) / self.batch))
        for step in range(steps):
            x, _ = batches.draw(self.batch)
            z, volume = (x - centre) / scale, torch.zeros(len(x), device=device)
            for layer in network:
                z, gained = layer.inward(z)  # type: ignore[operator]
                volume = volume + gained
            loss = (0.5 * z.square().sum(dim=1) - volume).mean()
            require_finite(loss, step)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            for group in optimizer.param_groups:
                group["lr"] = 0.5 * self.learning_rate * (1 + math.cos(math.pi * step / steps))
            optimizer.step()
            if progress is not None and step % 50 == 0:
                progress(step / steps)
        return FittedFlow(self, network, centre.cpu(), scale.cpu())

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedFlow:
        centre, scale = (torch.from_numpy(state[name].copy()) for name in ("centre", "scale"))
        network = self._network(len(centre))
        from_state(network, {n: v for n, v in state.items() if n not in ("centre", "scale")})
        return FittedFlow(self, network.to(Device(self.device).torch), centre, scale)

    def _network(self, dim: int) -> nn.ModuleList:
        return nn.ModuleList([Coupling(dim, self.hidden) for _ in range(self.layers)])


@dataclass(frozen=True, eq=False)
class FittedFlow:
    """A trained flow.

    Attributes:
        family: its options.
        network: coupling layers, from the data inwards.
        centre, scale: of the training samples (d,).
    """

    family: Flow
    network: nn.ModuleList
    centre: Tensor
    scale: Tensor

    @torch.no_grad()
    def sample(self, n: int, *, bias: float, seed: int) -> Samples:
        device = Device(self.family.device).torch
        z = math.sqrt(bias) * torch.randn((n, len(self.centre)), generator=generator_of(seed))
        z = z.to(device)
        for layer in reversed(self.network):
            z = layer.outward(z)  # type: ignore[operator]
        return Samples((z.cpu() * self.scale + self.centre).numpy(), np.zeros(n, np.int64))

    def state(self) -> State:
        own = {"centre": self.centre.numpy(), "scale": self.scale.numpy()}
        return {**to_state(self.network), **own}
