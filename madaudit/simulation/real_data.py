"""Where a loop's real samples come from: each is handed out once, so that fresh means fresh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from madaudit.errors import OptionError
from madaudit.simulation.generators.base import Samples, Values

# Points that an endless source makes at once; a start within a block costs the block.
_BLOCK = 4096


class RealData(Protocol):
    """A supply of real samples, apart for evaluation and for each seed's training."""

    @property
    def name(self) -> str: ...

    def n_available(self, n_evaluation: int) -> int | None:
        """Samples for training beside an evaluation of that size; None for no end."""
        ...

    def evaluation(self, n: int) -> Values:
        """Samples that no generation of any seed is trained on."""
        ...

    def take(self, start: int, n: int, *, seed: int, n_evaluation: int) -> Samples:
        """Training samples number `start` to `start + n` in the order that a seed gives them."""
        ...


@dataclass(frozen=True, eq=False)
class Collected:
    """A data set that is there, such as images of a folder.

    Attributes:
        name: for messages and artefacts.
        samples: all of it.
    """

    name: str
    samples: Samples

    def n_available(self, n_evaluation: int) -> int:
        return max(len(self.samples) - n_evaluation, 0)

    def evaluation(self, n: int) -> Values:
        if n > len(self.samples):
            raise OptionError(
                f"cannot evaluate on {n} samples of {self.name}: it has {len(self.samples)}; "
                f"give a smaller --n-eval"
            )
        return np.asarray(self.samples.values[self._shuffled()[:n]])

    def take(self, start: int, n: int, *, seed: int, n_evaluation: int) -> Samples:
        rest = self._shuffled()[n_evaluation:]
        if start + n > len(rest):
            raise OptionError(
                f"cannot give {start + n} real samples of {self.name}: {len(rest)} are left "
                f"beside {n_evaluation} for evaluation, and none is given twice"
            )
        chosen = np.random.default_rng(seed).permutation(rest)[start : start + n]
        return Samples(self.samples.values[chosen], self.samples.labels[chosen])

    def _shuffled(self) -> npt.NDArray[np.intp]:
        """One order for all seeds: which samples evaluate does not depend on the seed."""
        return np.random.default_rng(20230704).permutation(len(self.samples))


@dataclass(frozen=True, eq=False)
class Endless:
    """A distribution that is drawn from.

    Attributes:
        name: for messages and artefacts.
        draw: (generator, n) to samples.
    """

    name: str
    draw: Callable[[np.random.Generator, int], Samples]

    def n_available(self, n_evaluation: int) -> None:
        return None

    def evaluation(self, n: int) -> Values:
        return self.draw(np.random.default_rng([0]), n).values

    def take(self, start: int, n: int, *, seed: int, n_evaluation: int) -> Samples:
        first, last = start // _BLOCK, (start + max(n, 1) - 1) // _BLOCK
        blocks = [
            self.draw(np.random.default_rng([1, seed, block]), _BLOCK)
            for block in range(first, last + 1)
        ]
        inside = slice(start - first * _BLOCK, start - first * _BLOCK + n)
        return Samples(
            np.concatenate([block.values for block in blocks])[inside],
            np.concatenate([block.labels for block in blocks])[inside],
        )
