"""What a generator promises, and what it is given.

Invariants: the same samples, seed and machine give the same generator and the same draws;
`state` holds all that `restore` needs, as arrays, so that nothing is ever pickled; sampling bias
is λ, 1 for unbiased draws, and a family that has no knob for it refuses any other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from madaudit.errors import MadauditError, OptionError

Values = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
State = dict[str, npt.NDArray[Any]]
#: Told the share of training that is done, [0, 1].
Progress = Callable[[float], None]


class DivergenceError(MadauditError):
    """Training left the finite numbers; the loop records it as a row and ends there."""


class Samples(NamedTuple):
    """Samples of one kind.

    Attributes:
        values: float32; images (n, channels, h, w) in [−1, 1], points (n, d).
        labels: int64 (n,), 0 throughout where there are no classes.
    """

    values: Values
    labels: Labels

    def __len__(self) -> int:  # samples, not fields
        return len(self.values)

    def part(self, start: int, stop: int) -> Samples:
        return Samples(self.values[start:stop], self.labels[start:stop])


class Fitted(Protocol):
    """A trained generator."""

    def sample(self, n: int, *, bias: float, seed: int) -> Samples:
        """Draws of it.

        Args:
            n: how many.
            bias: λ, [0, 1].
            seed: of the draw.
        """
        ...

    def state(self) -> State:
        """All that `Generator.restore` needs."""
        ...


class Generator(ABC):
    """A family of generative models with its options, before training.

    Any other object with such a `fit` joins a loop too (`madaudit.simulation.run_loop`).

    Class attributes:
        name: what users type.
        knob: what λ is for this family, in words.
        version: raised whenever its numbers change.
    """

    name: ClassVar[str]
    knob: ClassVar[str]
    version: ClassVar[int]

    @abstractmethod
    def fit(
        self,
        samples: Samples,
        *,
        seed: int,
        weights: npt.NDArray[np.float64] | None = None,
        progress: Progress | None = None,
    ) -> Fitted:
        """A new model trained from scratch on these samples.

        Args:
            samples: to train on.
            seed: of initial weights, batches and noise.
            weights: of a sample in training (n,), ≥ 0; None for equal ones.
            progress: told how far training is.

        Raises:
            DivergenceError: a loss is not finite.
            OptionError: samples that this family cannot take.
        """

    @abstractmethod
    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> Fitted:
        """The model that `state` came from, for further draws."""


def require_unbiased(name: str, bias: float) -> None:
    """Refuse a λ that a family has no knob for.

    Raises:
        OptionError: λ is not 1.
    """
    if bias != 1.0:
        raise OptionError(
            f"{name} cannot sample with λ = {bias:g}: it has no knob for it; allowed is 1"
        )


def draw_weights(
    weights: npt.NDArray[np.float64] | None, n: int
) -> npt.NDArray[np.float64] | None:
    """Chances with which training draws samples (n,), None where all are equal.

    Raises:
        OptionError: another number of weights than samples, or one that is negative or infinite.
    """
    if weights is None:
        return None
    array = np.asarray(weights, dtype=np.float64)
    total = array.sum()
    if array.shape != (n,) or (array < 0).any() or not np.isfinite(total) or total <= 0:
        raise OptionError(
            f"cannot weigh {n} samples with {array.size} weights of sum {total:g}; allowed is one "
            f"finite weight, 0 or more, for each"
        )
    return None if (array == array[0]).all() else array / total
