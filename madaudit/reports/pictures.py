"""What the report's charts show, as plain numbers; drawn by `charts`, told in tables beside."""

from __future__ import annotations

from dataclasses import dataclass

from madaudit.types import Interval

#: No score is as large: cuts above it drop marked samples alone, those below its negative all.
BEYOND_SCORES = 1e6


@dataclass(frozen=True)
class ScorePicture:
    """How one detector's scores are distributed, with what a calibration makes of them.

    Attributes:
        detector: whose scores.
        unit: of a score, for the axis.
        edges: (bins + 1,), ascending.
        counts: samples by bin, (bins,).
        real, synthetic: the fitted mixture's two parts, in samples by bin; empty without a
            calibration.
        missing: samples without a score.
        cut: score from which the recommended cut drops samples; None without one.
    """

    detector: str
    unit: str
    edges: tuple[float, ...]
    counts: tuple[float, ...]
    real: tuple[float, ...] = ()
    synthetic: tuple[float, ...] = ()
    missing: float = 0.0
    cut: float | None = None

    @property
    def is_rare_in_tail(self) -> bool:
        """Whether these are −log10 p: nearly all near 0, and the few far out are the finding."""
        return self.unit.startswith("−log10")


@dataclass(frozen=True)
class GroupScores:
    """The scores of one shard or stratum, for small multiples.

    Attributes:
        name: of the group.
        n: samples with a score.
        counts: by the bins of the picture it belongs to.
    """

    name: str
    n: float
    counts: tuple[float, ...]


@dataclass(frozen=True)
class Multiples:
    """Score distributions of several groups over the same bins, each against all samples.

    Attributes:
        detector, unit, edges: as in ScorePicture.
        counts: of all samples.
        groups: those that differ most from all, first.
        n_groups: how many there are.
        by: what they are.
    """

    detector: str
    unit: str
    edges: tuple[float, ...]
    counts: tuple[float, ...]
    groups: tuple[GroupScores, ...]
    n_groups: int
    by: str = "shard"


@dataclass(frozen=True)
class LoopPicture:
    """The loop's harm and variance by generation, with bands over what is not known.

    Attributes:
        loop, pool: which.
        bias: interval of λ.
        harm: by generation from 0, in real standard deviations; ∞ possible.
        variance: level of a single run's variance against real, by generation.
        tolerance: harm that is accepted.
    """

    loop: str
    pool: str
    bias: Interval
    harm: tuple[Interval, ...]
    variance: tuple[Interval, ...]
    tolerance: float


@dataclass(frozen=True)
class SeriesPicture:
    """One number of a loop by generation, without a data set behind it.

    Attributes:
        title: of the chart.
        what: the number, in a word or two.
        unit: of it, for the axis.
        rows: by generation from 0; ∞ possible.
        band: what the intervals' width is; empty where they have none.
        real: the number that real data have; None where that is not told.
        is_log: whether it spans orders of magnitude.
    """

    title: str
    what: str
    unit: str
    rows: tuple[Interval, ...]
    band: str = ""
    real: float | None = None
    is_log: bool = False


@dataclass(frozen=True)
class PhasePicture:
    """Risk levels over synthetic share and λ, with this data set on them.

    Attributes:
        n: samples of the data set, at which cells are computed.
        shares: one axis, ascending, even in the logarithm.
        biases: the other, ascending.
        levels: a row for each λ, a level for each share.
        tolerated: for each λ, the largest share within the tolerance; None where none is.
        tolerance: harm that is accepted.
        share, bias: the data set's intervals of π and λ.
    """

    n: float
    shares: tuple[float, ...]
    biases: tuple[float, ...]
    levels: tuple[tuple[str, ...], ...]
    tolerated: tuple[float | None, ...]
    tolerance: float
    share: Interval
    bias: Interval


@dataclass(frozen=True)
class CutRow:
    """One cut and what it does; `cut` None for dropping nothing, 1e9 for marked samples alone.

    `harm` ends at the one-sided bound by which a cut is chosen.
    """

    cut: float | None
    real_lost: float
    synthetic_kept: float
    harm: Interval
    n_effective_ratio: float | None

    @property
    def is_by_score(self) -> bool:
        return self.cut is not None and self.cut < BEYOND_SCORES


@dataclass(frozen=True)
class CutPicture:
    """All cuts, from dropping most to dropping nothing.

    Attributes:
        rows: the curve.
        chosen: its score; None where nothing is to be dropped.
        n_effective: the cut of the largest effective sample number; None for no cut.
        tolerance: harm that is accepted.
    """

    rows: tuple[CutRow, ...]
    chosen: float | None
    n_effective: float | None
    tolerance: float


@dataclass(frozen=True)
class TrendPoint:
    """Consecutive shards, taken together.

    Attributes:
        first, last: their names.
        n: samples.
        synthetic: share marked, with its interval.
        hidden: share whose marks could not have been seen.
    """

    first: str
    last: str
    n: float
    synthetic: Interval
    hidden: float
