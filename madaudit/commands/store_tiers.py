"""From a store's counts to tiers: which samples marks settle, and what scores say of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from madaudit.commands.counted import Counted
from madaudit.estimation import Histograms, Settings, estimate_tiers
from madaudit.estimation.calibration import Calibration
from madaudit.estimation.cells import (
    BROKEN,
    COMPOSITE_MARK,
    MISSING_PLACE,
    SYNTHETIC_MARK,
    UNMARKED,
    StratumCells,
)
from madaudit.estimation.floor import clopper_pearson_low
from madaudit.estimation.marked import MarkedShares, with_marks
from madaudit.estimation.prevalence import Estimate
from madaudit.estimation.sketch import N_CELLS
from madaudit.estimation.sources import SourceCounts
from madaudit.types import Interval

Composite = Literal["real", "synthetic", "apart"]
Floats = npt.NDArray[np.float64]

#: Samples that no mark settles, with an image or with a broken one.
OPEN_PLANES = (UNMARKED, BROKEN)
ALL_PLANES = (UNMARKED, COMPOSITE_MARK, SYNTHETIC_MARK, BROKEN)
_LEAST_DETECTED = 1e-6


class Gold(NamedTuple):
    """Labels by the bins in which they were drawn, each (bins,).

    Attributes:
        real, synthetic: labels found so.
        target: Σw of the samples that could have been drawn.
    """

    real: Floats
    synthetic: Floats
    target: Floats


@dataclass(frozen=True)
class Request:
    """What is asked of a store's counts.

    Attributes:
        settings: of every estimate.
        composite: how composites count.
        is_sampled: whether the rows are a sample of the data set.
    """

    settings: Settings
    composite: Composite
    is_sampled: bool


def settings_of(calibration: Calibration | None, level: float) -> Settings:
    """What may be assumed, from what the calibration measured."""
    if calibration is None or calibration.least_detected is None:
        return Settings(level)
    # A generator that is not told at all leaves the set open above, which a division by 0 is not.
    least = max(calibration.least_detected, _LEAST_DETECTED)
    return Settings(level, least_detected=least, n_generators=calibration.n_generators)


def source_counts(calibration: Calibration) -> SourceCounts:
    """The calibration's cells by source."""

    def stacked(sketches: Sequence[Any]) -> Floats:
        rows = [sketch.counts for sketch in sketches]
        return np.array(rows, dtype=np.float64).reshape(len(rows), N_CELLS)

    return SourceCounts(
        tuple(calibration.synthetic),
        stacked(list(calibration.real.values())),
        stacked(list(calibration.synthetic.values())),
    )


@dataclass(frozen=True, eq=False)
class Population:
    """Samples of one stratum, or of all, as their fit needs them.

    Attributes:
        weights: Σw by place, the last one missing, of samples that no mark settles.
        n_broken: Σw of those of them that cannot be looked at.
        synthetic, composite: Σw of samples with such a mark.
        n_effective: samples that all of these are worth.
    """

    weights: Floats
    n_broken: float
    synthetic: float
    composite: float
    n_effective: float

    @classmethod
    def of(cls, cells: StratumCells, squares: float | None) -> Population:
        """Every sample by its weight.

        Args:
            cells: of one stratum.
            squares: Σ W_c² over near-duplicate clusters; None where there are none.
        """
        total = float(cells.sums[:, 1].sum())
        over = float(cells.sums[:, 2].sum()) if squares is None else squares
        return cls._of(cells, 1, total**2 / over if over > 0 else 0.0)

    @classmethod
    def distinct(cls, cells: StratumCells) -> Population:
        """Every near-duplicate cluster once."""
        total = float(cells.sums[:, 3].sum())
        weight, squares = cells.sums[:, 1].sum(), cells.sums[:, 2].sum()
        return cls._of(cells, 3, total * float(weight / squares) if squares > 0 else 0.0)

    @classmethod
    def _of(cls, cells: StratumCells, column: int, n_effective: float) -> Population:
        values, planes = cells.sums[:, column], cells.planes
        is_open = np.isin(planes, OPEN_PLANES)
        weights = np.bincount(cells.places[is_open], values[is_open], N_CELLS + 1)
        synthetic, composite, broken = (
            float(values[planes == plane].sum())
            for plane in (SYNTHETIC_MARK, COMPOSITE_MARK, BROKEN)
        )
        return cls(np.asarray(weights, np.float64), broken, synthetic, composite, n_effective)

    @property
    def total(self) -> float:
        return float(self.weights.sum()) + self.synthetic + self.composite

    @property
    def drawable(self) -> float:
        """Σw of the samples that no mark settles and that can be looked at."""
        return float(self.weights.sum()) - self.n_broken

    @property
    def effective_ratio(self) -> float:
        total = self.total
        return min(self.n_effective / total, 1.0) if total > 0 and self.n_effective > 0 else 1.0

    @property
    def missing_share(self) -> float:
        """Share without a score among the samples that no mark settles."""
        total = float(self.weights.sum())
        return float(self.weights[MISSING_PLACE]) / total if total > 0 else 0.0

    def marked(self, request: Request) -> MarkedShares:
        """What marks settle: as h the synthetic ones, as c what counts as real."""
        composite = request.composite
        total = self.total - (self.composite if composite == "apart" else 0.0)
        hits = self.synthetic + (self.composite if composite == "synthetic" else 0.0)
        known = self.composite if composite == "real" else 0.0
        level = request.settings.level
        n = self.n_effective if request.is_sampled else None
        return MarkedShares(_share(hits, total, n, level), _share(known, total, n, level))


def _share(part: float, total: float, n_effective: float | None, level: float) -> Interval:
    """A share of a census, or with the exact binomial interval of a sample."""
    share = min(part / total, 1.0) if total > 0 else 0.0
    if n_effective is None or n_effective <= 0:
        return Interval(share, share, share, level)
    found = share * n_effective
    high = 1.0
    if found < n_effective:
        high = float(beta.ppf((1.0 + level) / 2.0, found + 1.0, n_effective - found))
    return Interval(clopper_pearson_low(found, n_effective, level), share, high, level)


def estimate_population(
    population: Population,
    request: Request,
    *,
    floor: Interval,
    calibration: Calibration | None = None,
    gold: Gold | None = None,
    by_source: bool = True,
) -> Estimate:
    """All tiers of some samples.

    Args:
        population: the samples.
        request: what is asked.
        floor: of them.
        calibration: whose combiner made the scores; None without scores.
        gold: labels, where some were given.
        by_source: whether generators and real sources are also told apart.
    """
    none = np.zeros(N_CELLS)
    real, synthetic = none, none
    if calibration is not None:
        real = calibration.real_counts.counts.astype(np.float64)
        synthetic = calibration.synthetic_counts.counts.astype(np.float64)
    histograms = Histograms(
        real,
        synthetic,
        population.weights[:MISSING_PLACE],
        none,
        none,
        missing_share=population.missing_share,
        effective_ratio=population.effective_ratio,
    )
    labelled = _labelled(population, gold) if gold else None
    sources = source_counts(calibration) if calibration is not None and by_source else None
    others = estimate_tiers(histograms, request.settings, labelled=labelled, sources=sources)
    marks = population.marked(request)
    return with_marks(others, marks, floor=floor, n=population.total)


def _labelled(population: Population, gold: Gold) -> Histograms:
    """Labels over the bins in which they were drawn.

    What could not have been drawn, such as a broken image, may be anything.
    """
    real, synthetic, target = gold
    open_total = float(population.weights.sum())
    drawable = min(population.drawable / open_total, 1.0) if open_total > 0 else 1.0
    none = np.zeros(len(target))
    return Histograms(
        none,
        none,
        np.maximum(target, real + synthetic),
        real,
        synthetic,
        missing_share=1.0 - drawable,
        effective_ratio=population.effective_ratio,
    )


def population_of(counted: Counted, stratum: int | None = None) -> Population:
    """One stratum's samples, or all."""
    if stratum is None:
        squares = None if counted.squares is None else counted.whole_squares
        return Population.of(counted.cells.together(), squares)
    squares = None if counted.squares is None else float(counted.squares[stratum])
    return Population.of(counted.cells.of(stratum), squares)
