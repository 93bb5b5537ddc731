"""What the torch generators share: where they run, how precisely, and their state as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from madaudit.errors import OptionError
from madaudit.simulation.generators.base import DivergenceError, Samples, State, draw_weights


@dataclass(frozen=True)
class Device:
    """Where training runs: "auto" takes a GPU where there is one.

    bfloat16 halves the time of a step on processors that have it; weights, losses and the moving
    average stay in single precision.
    """

    name: str = "auto"
    may_use_bf16: bool = True

    @property
    def torch(self) -> torch.device:
        if self.name != "auto":
            return torch.device(self.name)
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def autocast(self) -> AbstractContextManager[Any]:
        device = self.torch
        # Before torch 2.11 nobody says; then single precision is used.
        told: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        has_bf16 = device.type == "cuda" or bool(told.get("avx512_bf16"))
        return torch.autocast(
            device.type, dtype=torch.bfloat16, enabled=self.may_use_bf16 and has_bf16
        )


class Batches:
    """Random batches of a training set, by the chances that weights give.

    Attributes:
        values, labels: all samples on the device.
    """

    def __init__(
        self,
        samples: Samples,
        weights: npt.NDArray[np.float64] | None,
        device: torch.device,
        generator: torch.Generator,
    ) -> None:
        if len(samples) < 2:
            raise OptionError(f"cannot train on {len(samples)} samples; give at least 2")
        self.values = torch.from_numpy(np.ascontiguousarray(samples.values)).to(device)
        self.labels = torch.from_numpy(np.ascontiguousarray(samples.labels)).to(device)
        chances = draw_weights(weights, len(samples))
        self._chances = None if chances is None else torch.from_numpy(chances)
        self._generator = generator

    def draw(self, n: int) -> tuple[Tensor, Tensor]:
        """A batch of values and labels, with replacement."""
        if self._chances is None:
            chosen = torch.randint(len(self.values), (n,), generator=self._generator)
        else:
            chosen = torch.multinomial(
                self._chances, n, replacement=True, generator=self._generator
            )
        chosen = chosen.to(self.values.device)
        return self.values[chosen], self.labels[chosen]


class MovingAverage:
    """Exponential moving average of a network's weights, young at first.

    The decay of step s is min(decay, (1 + s) / (10 + s)), so that short trainings have one too.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = network
        self._decay = decay
        self._step = 0
        self.averages = [weight.detach().clone() for weight in network.parameters()]

    @torch.no_grad()
    def update(self) -> None:
        decay = min(self._decay, (1 + self._step) / (10 + self._step))
        self._step += 1
        torch._foreach_lerp_(self.averages, list(self.network.parameters()), 1.0 - decay)

    @torch.no_grad()
    def into_network(self) -> None:
        """Put the averages in the network's place."""
        for weight, average in zip(self.network.parameters(), self.averages, strict=True):
            weight.copy_(average)


class seeded_weights:  # noqa: N801 — a context manager, read as a verb
    """Initial weights from a seed; the process's own random state is as it was afterwards."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __enter__(self) -> None:
        self._fork = torch.random.fork_rng(devices=[])
        self._fork.__enter__()
        torch.manual_seed(self._seed)

    def __exit__(self, *error: object) -> None:
        self._fork.__exit__(*error)  # type: ignore[arg-type]


def generator_of(seed: int) -> torch.Generator:
    """A stream of random numbers on the processor, whatever the device."""
    return torch.Generator().manual_seed(seed)


def require_finite(loss: Tensor, step: int) -> None:
    """Refuse to go on from a loss that is not finite.

    Raises:
        DivergenceError: it is not.
    """
    if not torch.isfinite(loss):
        raise DivergenceError(f"the loss is {float(loss.detach())} at step {step}")


def to_state(network: nn.Module) -> State:
    """A network's weights and buffers as arrays."""
    return {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}


def from_state(network: nn.Module, state: Mapping[str, npt.NDArray[Any]]) -> None:
    """Put arrays of `to_state` into a network of the same shape."""
    network.load_state_dict(
        {name: torch.from_numpy(value.copy()) for name, value in state.items()}
    )


def image_shape(samples: Samples, family: str, *, least_side: int) -> tuple[int, int]:
    """Channels and side of square images.

    Raises:
        OptionError: samples are no square images, or too small.
    """
    shape = samples.values.shape
    if len(shape) != 4 or shape[2] != shape[3] or shape[2] < least_side:
        raise OptionError(
            f"{family} cannot train on samples of shape {shape[1:]}; allowed are square images "
            f"(channels, side, side) with a side of {least_side} or more"
        )
    return int(shape[1]), int(shape[2])
