"""Denoising diffusion with classes, and guidance as the knob of sampling bias.

Symbols are the papers': x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε, a network ε_θ(x_t, t, c) trained on
‖ε − ε_θ‖² (Ho et al. 2020, arXiv:2006.11239, algorithm 1), classes dropped in a tenth of samples,
guided draws ε̂ = (1 + w) ε_θ(c) − w ε_θ(∅) (Ho & Salimans 2022, arXiv:2207.12598, eq. 6) by
deterministic steps (Song et al. 2021, arXiv:2010.02502, eq. 12 with σ = 0), λ = 1 / (1 + w)
(Alemohammad et al. 2023, arXiv:2307.01850).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch

from madaudit.errors import OptionError
from madaudit.simulation.generators.base import Generator, Progress, Samples, State
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
from madaudit.simulation.generators.unet import UNet

# Images that are drawn at once.
_DRAWN_TOGETHER = 512


@dataclass(frozen=True)
class Ddpm(Generator):
    """A diffusion model.

    Attributes:
        steps: of training.
        batch: images a step.
        learning_rate: at the start; falls to 0 along half a cosine.
        width, multipliers: of the U-Net's levels.
        schedule: of ᾱ: "cosine" (Nichol & Dhariwal 2021, arXiv:2102.09672, eq. 17) or "linear"
            (Ho et al. 2020).
        n_times: T, steps of the noise.
        n_draw_steps: of these visited when drawing.
        class_dropout: share of training samples whose class is hidden; what guidance needs.
        decay: of the weights' moving average.
        device: "auto", "cpu", "cuda".
        bf16: train and draw in bfloat16 where the processor has it.
    """

    name: ClassVar[str] = "ddpm"
    knob: ClassVar[str] = "classifier-free guidance, λ = 1 / (1 + w)"
    version: ClassVar[int] = 1

    steps: int = 1500
    batch: int = 256
    learning_rate: float = 1e-3
    width: int = 32
    multipliers: tuple[int, ...] = (1, 2, 2)
    schedule: Literal["cosine", "linear"] = "cosine"
    n_times: int = 500
    n_draw_steps: int = 50
    class_dropout: float = 0.1
    decay: float = 0.999
    device: str = "auto"
    bf16: bool = True

    def __post_init__(self) -> None:
        if self.schedule not in ("cosine", "linear"):
            raise OptionError(f"schedule is {self.schedule!r}; allowed: cosine, linear")
        if not 1 <= self.n_draw_steps <= self.n_times:
            raise OptionError(
                f"n_draw_steps is {self.n_draw_steps}; it must be 1 to n_times = {self.n_times}"
            )

    def fit(
        self,
        samples: Samples,
        *,
        seed: int,
        weights: npt.NDArray[np.float64] | None = None,
        progress: Progress | None = None,
    ) -> FittedDdpm:
        channels, side = image_shape(samples, self.name, least_side=4)
        counts = np.bincount(samples.labels)
        device = Device(self.device, self.bf16)
        with seeded_weights(seed):
            network = self._network(channels, len(counts)).to(device.torch)
        random = generator_of(seed)
        batches = Batches(samples, weights, device.torch, random)
        average = MovingAverage(network, self.decay)
        optimizer = torch.optim.AdamW(network.parameters(), lr=self.learning_rate, weight_decay=0)
        alpha_bar = signal_kept(self.schedule, self.n_times).to(device.torch)
        for step in range(self.steps):
            x_0, label = batches.draw(self.batch)
            t = torch.randint(self.n_times, (self.batch,), generator=random).to(device.torch)
            noise = torch.randn(x_0.shape, generator=random).to(device.torch)
            is_hidden = torch.rand(self.batch, generator=random) < self.class_dropout
            label = torch.where(is_hidden.to(device.torch), len(counts), label)
            kept = alpha_bar[t][:, None, None, None]
            x_t = kept.sqrt() * x_0 + (1 - kept).sqrt() * noise
            with device.autocast():
                found = network(x_t, t, label)
            loss = (noise - found.float()).square().mean()
            if step % 50 == 0:
                require_finite(loss, step)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate * _cosine(step / self.steps)
            optimizer.step()
            average.update()
            if progress is not None and step % 20 == 0:
                progress(step / self.steps)
        average.into_network()
        return FittedDdpm(self, network, (channels, side), tuple((counts / counts.sum()).tolist()))

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedDdpm:
        shape = (int(state["image"][0]), int(state["image"][1]))
        classes = tuple(float(share) for share in state["classes"])
        network = self._network(shape[0], len(classes))
        own = ("image", "classes")
        from_state(network, {name: v for name, v in state.items() if name not in own})
        return FittedDdpm(self, network.to(Device(self.device).torch), shape, classes)

    def _network(self, channels: int, n_classes: int) -> UNet:
        network = UNet(channels, self.width, self.multipliers, n_classes)
        return network.to(memory_format=torch.channels_last)


@dataclass(frozen=True, eq=False)
class FittedDdpm:
    """A trained diffusion model.

    Attributes:
        family: its options.
        network: ε_θ.
        image: channels and side.
        classes: share of each class in training, by which draws are shared out.
    """

    family: Ddpm
    network: UNet
    image: tuple[int, int]
    classes: tuple[float, ...]
    _alpha_bar: torch.Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        alpha_bar = signal_kept(self.family.schedule, self.family.n_times)
        object.__setattr__(self, "_alpha_bar", alpha_bar)

    def sample(self, n: int, *, bias: float, seed: int) -> Samples:
        if not 0 < bias <= 1:
            raise OptionError(
                f"ddpm cannot sample with λ = {bias:g}: guidance is w = 1/λ − 1; "
                f"allowed is 0 < λ ≤ 1"
            )
        random = generator_of(seed)
        shares = torch.tensor(self.classes, dtype=torch.float64)
        labels = torch.multinomial(shares, n, replacement=True, generator=random)
        channels, side = self.image
        noise = torch.randn((n, channels, side, side), generator=random)
        self.network.train(False)
        drawn = [
            self._denoised(
                noise[start : start + _DRAWN_TOGETHER],
                labels[start : start + _DRAWN_TOGETHER],
                1 / bias - 1,
            )
            for start in range(0, n, _DRAWN_TOGETHER)
        ]
        values = torch.cat(drawn).numpy() if drawn else noise.numpy()
        return Samples(values, labels.numpy())

    def state(self) -> State:
        return {
            **to_state(self.network),
            "image": np.array(self.image, np.int64),
            "classes": np.array(self.classes, np.float64),
        }

    @torch.no_grad()
    def _denoised(self, x: torch.Tensor, label: torch.Tensor, w: float) -> torch.Tensor:
        """Images (n, …) in [−1, 1] from noise, with guidance w."""
        device = Device(self.family.device, self.family.bf16)
        x, label = x.to(device.torch), label.to(device.torch)
        times = np.linspace(self.family.n_times - 1, 0, self.family.n_draw_steps).round()
        kept = [float(self._alpha_bar[int(t)]) for t in times] + [1.0]
        for place, t in enumerate(times.astype(int)):
            time = torch.full((len(x),), int(t), device=device.torch)
            with device.autocast():
                noise = self.network(x, time, label).float()
                if w:
                    without = self.network(x, time, torch.full_like(label, len(self.classes)))
                    noise = (1 + w) * noise - w * without.float()
            now, later = kept[place], kept[place + 1]
            x_0 = ((x - math.sqrt(1 - now) * noise) / math.sqrt(now)).clamp(-1, 1)
            # The noise that fits the clipped image, so that both stay on one path.
            noise = (x - math.sqrt(now) * x_0) / math.sqrt(1 - now)
            x = math.sqrt(later) * x_0 + math.sqrt(1 - later) * noise
        return x.clamp(-1, 1).cpu()


def signal_kept(schedule: str, n_times: int) -> torch.Tensor:
    """ᾱ_t for t = 0 … T − 1, float32 (T,), falling from near 1 to near 0."""
    if schedule == "linear":
        # Ho et al. state β for T = 1000; another T keeps the same total.
        scale = 1000 / n_times
        beta = torch.linspace(1e-4 * scale, min(0.02 * scale, 0.999), n_times, dtype=torch.float64)
        return torch.cumprod(1 - beta, dim=0).float()
    t = torch.arange(1, n_times + 1, dtype=torch.float64) / n_times
    curve = torch.cos((t + 0.008) / 1.008 * math.pi / 2).square()
    start = math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    # β is clipped at .999 near the end, which bounds ᾱ from below (arXiv:2102.09672, §3.2).
    return (curve / start).clamp(min=1e-5).float()


def _cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))
