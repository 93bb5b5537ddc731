"""What a calibration's sources tell apart: generators in the target's own mix, and shift of reals.

One pooled template is right only if the target mixes generators, and kinds of real samples, as the
calibration does. Where sources were counted apart, both assumptions can be dropped, at the price
of a wider interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from madaudit.estimation.counts import Floats
from madaudit.estimation.detectable import least_of_any_mix, tail_starts
from madaudit.estimation.joint import estimate_generators
from madaudit.estimation.tilt import estimate_shifted
from madaudit.types import Interval

# Each has a template of its own with a parameter per bin, and a fit takes time with their square.
_MOST_GENERATORS = 12
# Samples of a source from which it has a template.
_LEAST_COUNTS = 50
# Real sources from which their shift is modelled.
_LEAST_SOURCES = 10
# Samples of a real source from which no mix of real samples is taken to lack it.
_LEAST_OF_MIX = 6
# Width of a generator's interval from which its share is not told, and the share of its samples
# that must lie apart from every other template: along a ridge the fit of a share may stop short.
_SEPARABLE = 0.5
_LEAST_APART = 0.3


@dataclass(frozen=True, eq=False)
class SourceCounts:
    """Calibration counts by source, over the bins of the histograms.

    Attributes:
        generators: their names.
        real: one row per real source (sources, bins).
        synthetic: one row per generator (generators, bins).
    """

    generators: tuple[str, ...]
    real: Floats
    synthetic: Floats

    def grouped(self, groups: Any) -> SourceCounts:
        """The same counts over groups of bins (bins,)."""
        starts = np.flatnonzero(np.diff(groups, prepend=-1))
        return SourceCounts(
            self.generators,
            np.add.reduceat(self.real, starts, axis=1),
            np.add.reduceat(self.synthetic, starts, axis=1),
        )


@dataclass(frozen=True)
class GeneratorSplit:
    """A target split among generators.

    Attributes:
        prevalence: of all together, whatever their mix.
        shares: of the target by generator; only those that scores tell apart.
    """

    prevalence: Interval
    shares: Mapping[str, Interval]

    def to_dict(self) -> dict[str, Any]:
        shares = {name: interval.to_dict() for name, interval in self.shares.items()}
        return {"prevalence": self.prevalence.to_dict(), "shares": shares}


def split_generators(
    sources: SourceCounts, target: Floats, *, level: float
) -> GeneratorSplit | None:
    """π and the generators' shares, their mix left free; None where there is nothing to tell.

    Args:
        sources: on coarse bins.
        target: effective counts (bins,).
        level: of the intervals.
    """
    totals = sources.synthetic.sum(axis=1)
    used = np.flatnonzero(totals >= _LEAST_COUNTS)
    real = sources.real.sum(axis=0)
    is_covered = totals[used].sum() >= 0.99 * totals.sum()
    if not 2 <= len(used) <= _MOST_GENERATORS or not is_covered:
        return None
    if real.sum() < _LEAST_COUNTS or np.count_nonzero(target) < 2:
        return None
    templates = np.vstack([real, sources.synthetic[used]])
    together = estimate_generators(templates[0], templates[1:], target, level=level).prevalence
    shares = {}
    for row, number in enumerate(used.tolist(), start=1):
        if _distance_to_others(templates, row) < _LEAST_APART:
            continue
        # The first template's share is what the fit profiles: all others against this one.
        others = np.delete(templates, row, axis=0)
        rest = estimate_generators(templates[row], others, target, level=level).prevalence
        point = None if rest.point is None else 1.0 - rest.point
        share = Interval(1.0 - rest.high, point, 1.0 - rest.low, level)
        if share.high - share.low < _SEPARABLE:
            shares[sources.generators[number]] = share
    return GeneratorSplit(together, shares)


def _distance_to_others(templates: Floats, row: int) -> float:
    """Least total variation distance of a template to another, [0, 1]."""
    shares = templates / templates.sum(axis=1, keepdims=True)
    apart = 0.5 * np.abs(shares - shares[row]).sum(axis=1)
    return float(np.delete(apart, row).min())


def mixed_bound(sources: SourceCounts, target: Floats, *, level: float) -> float | None:
    """The detectable bound for real samples mixed otherwise; None with fewer than two sources.

    Args:
        sources: over the bins of the histograms.
        target: effective counts (bins,), not empty.
        level: of the two-sided interval whose lower end this is.
    """
    known = sources.real[sources.real.sum(axis=1) >= _LEAST_OF_MIX]
    if len(known) < 2:
        return None
    return least_of_any_mix(known, target, tail_starts(sources.real.sum(axis=0)), level=level)


def shifted_interval(
    sources: SourceCounts, synthetic: Floats, target: Floats, *, level: float
) -> Interval | None:
    """π where the target's real scores may differ from the whole calibration's as sources do.

    None with fewer than ten real sources, which do not show how far scores move.

    Args:
        sources: over the bins of the histograms.
        synthetic: calibration counts (bins,).
        target: effective counts (bins,).
        level: of the interval.
    """
    shards = sources.real[sources.real.sum(axis=1) >= _LEAST_COUNTS]
    if len(shards) < _LEAST_SOURCES or synthetic.sum() <= 0:
        return None
    return estimate_shifted(shards.sum(axis=0), synthetic, target, shards, level=level)
