"""Strata of a store, as `madaudit estimate` tells of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from madaudit.commands.counted import Counted
from madaudit.estimation import Floor, MarkTally, ScoreSketch
from madaudit.estimation.strata import Trend
from madaudit.types import Interval


@dataclass(frozen=True, eq=False)
class Stratum:
    """One stratum: its values by column, its counts and its tiers.

    Attributes:
        by: values by column.
        tally: what marks say.
        floor: of π.
        tier: the headline's.
        prevalence: the headline's interval of π.
        detectable, closed, sensitivity, adjudicated, shrunk: further intervals; None where
            nothing carries them.
        n_labels: behind the adjudicated one.
        counted, number: where its sketch comes from.
    """

    by: dict[str, str]
    tally: MarkTally
    floor: Floor
    tier: str = "floor"
    prevalence: Interval | None = None
    detectable: Interval | None = None
    closed: Interval | None = None
    sensitivity: Interval | None = None
    adjudicated: Interval | None = None
    shrunk: Interval | None = None
    n_labels: int = 0
    counted: Counted | None = None
    number: int = 0

    @property
    def p(self) -> Interval:
        if self.tier == "floor":
            return self.floor.effective_real()
        return effective_real(self.prevalence or self.floor.all_marks)

    @property
    def sketch(self) -> ScoreSketch:
        """Combined scores of its samples; marked ones lie in the last cell, as +∞ does."""
        if self.counted is None:
            return ScoreSketch()
        return self.counted.sketch(self.number)

    def led_by_marks(self) -> Stratum:
        """The same where the scores' tiers may not lead; what people saw still does."""
        if self.tier == "adjudicated" or self.prevalence is None:
            return self
        return replace(self, tier="floor", prevalence=self.floor.all_marks)

    def to_dict(self) -> dict[str, Any]:
        content = {"by": self.by, "n": self.tally.n, "floor": self.floor.to_dict()}
        if self.prevalence is None:
            return content
        model = None
        if self.closed and self.sensitivity:
            model = {**self.closed.to_dict(), "sensitivity": self.sensitivity.to_dict()}
        labels = None
        if self.adjudicated:
            labels = {**self.adjudicated.to_dict(), "labels": self.n_labels}
        return {
            **content,
            "p": self.p.to_dict(),
            "tier": self.tier,
            "tiers": {
                "floor": self.floor.to_dict(),
                "detectable": self.detectable.to_dict() if self.detectable else None,
                "model_based": model,
                "adjudicated": labels,
            },
            "shrunk": self.shrunk.to_dict() if self.shrunk else None,
        }


class WorstStratum(NamedTuple):
    """A stratum whose share is high.

    Attributes:
        number: of the stratum.
        low: lower bound of π without an assumption on synthetic samples; all of them hold
            together.
        low_model_based: by the calibration's templates, likewise together.
        p_value: of π ≤ the limit, by the templates.
    """

    number: int
    low: float
    low_model_based: float
    p_value: float


@dataclass(frozen=True)
class WorstStrata:
    """Strata against a limit, the number of strata allowed for.

    Attributes:
        limit: π to be above of: the whole data set's point.
        n_above: strata called above it, at a false discovery rate of 1 − level.
        strata: the worst, by their lower bounds.
    """

    limit: float
    n_above: int
    strata: tuple[WorstStratum, ...]


@dataclass(frozen=True)
class Course:
    """Trend of the samples without a mark over one column of numbers.

    Attributes:
        column: the strata's column.
        times: its values, ascending.
        trend: of π over them.
    """

    column: str
    times: tuple[float, ...]
    trend: Trend

    def to_dict(self) -> dict[str, Any]:
        low, point, high = self.trend.log_odds_per_unit
        rising = zip(self.times, self.trend.rising.tolist(), strict=True)
        return {
            "column": self.column,
            "log_odds_per_unit": {
                "low": _finite(low), "point": _finite(point), "high": _finite(high),
            },
            "p_value": self.trend.p_value,
            "rising": [{"at": at, "prevalence": share} for at, share in rising],
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class StrataTold:
    """What is known of all strata together.

    Attributes:
        strata: in the order of the counts.
        worst: None without a calibration.
        course: None where there is no column of time.
    """

    strata: list[Stratum]
    worst: WorstStrata | None = None
    course: Course | None = None


def effective_real(pi: Interval) -> Interval:
    """P = 1 − π."""
    point = None if pi.point is None else 1.0 - pi.point
    return Interval(1.0 - pi.high, point, 1.0 - pi.low, pi.level)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
