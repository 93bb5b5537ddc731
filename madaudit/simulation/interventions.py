"""What is done to samples before a generation is trained on them: marking, and filtering.

Invariants: only synthetic samples are marked; every sample is judged once, when it enters the
training data, as the theory's `Filter` has it; what judges or marks depends on the samples alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from madaudit.simulation.generators.base import Samples, Values


class Judge(Protocol):
    """A detector that drops samples before training."""

    def drops(self, values: Values) -> npt.NDArray[np.bool_]:
        """Whether each sample is dropped (n,)."""
        ...


class Mark(Protocol):
    """A watermark that synthetic samples carry."""

    def put(self, values: Values) -> Values:
        """The same samples with the mark in them."""
        ...

    def agreement(self, values: Values) -> float:
        """Share of the mark's bits that samples answer, [0, 1]; about ½ without the mark."""
        ...


@dataclass(frozen=True, eq=False)
class Interventions:
    """What is done to samples that enter the training data after generation 0.

    Attributes:
        mark: put into every draw that is trained on; None for none.
        judge: looks at all that enters, marked draws too; None for none.
    """

    mark: Mark | None = None
    judge: Judge | None = None


NO_INTERVENTIONS = Interventions()


@dataclass
class Entered:
    """Samples that enter in one generation, and how many of them were dropped.

    Attributes:
        n_real, n_synthetic: judged.
        real_dropped, synthetic_dropped: of these.
    """

    n_real: int = 0
    n_synthetic: int = 0
    real_dropped: int = 0
    synthetic_dropped: int = 0

    def add(self, dropped: npt.NDArray[np.bool_], *, is_synthetic: bool) -> None:
        if is_synthetic:
            self.n_synthetic += len(dropped)
            self.synthetic_dropped += int(dropped.sum())
        else:
            self.n_real += len(dropped)
            self.real_dropped += int(dropped.sum())

    def rates(self) -> tuple[float | None, float | None]:
        """Shares of synthetic and of real samples dropped, as in `Filter`; None without any."""
        return (
            self.synthetic_dropped / self.n_synthetic if self.n_synthetic else None,
            self.real_dropped / self.n_real if self.n_real else None,
        )


def marked(samples: Samples, mark: Mark | None) -> Samples:
    """Synthetic samples as a mark leaves them."""
    if mark is None or not len(samples):
        return samples
    return Samples(mark.put(samples.values), samples.labels)


def mark_strength(mark: Mark, real: Values, drawn: Values) -> float:
    """How much of a mark's mean trace a model's own draws carry.

    The trace is what the mark adds to real samples on average; the draws' mean difference from
    real samples is projected on it. 0: none; 1: as much as marked real samples; above: the model
    exaggerates it. Only what all marks share is seen, not what depends on the image.

    Args:
        mark: whose trace is looked for.
        real: samples that no generation is trained on (n, …).
        drawn: of the model, not marked (m, …).
    """
    trace = (mark.put(real).astype(np.float64) - real).mean(axis=0).ravel()
    gap = (
        drawn.mean(axis=0, dtype=np.float64).ravel() - real.mean(axis=0, dtype=np.float64).ravel()
    )
    length = float(trace @ trace)
    return float(gap @ trace) / length if length > 0 else float("nan")
