"""All tiers of a hundred thousand strata at once, as `estimate_tiers` gives them for one.

Strata share the calibration, so nothing here simulates or splits generators: what a small
calibration or another mix of generators costs is told of the whole data set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.estimation.counts import Floats, coarse_groups
from madaudit.estimation.detectable import least_prevalences, tail_starts
from madaudit.estimation.intervals import Found, find_intervals
from madaudit.estimation.likelihood import Evidence
from madaudit.estimation.strata import Strata
from madaudit.estimation.tiers import Settings


class Shares(NamedTuple):
    """What marks settle in strata, and who has no score; each (strata,).

    Attributes:
        synthetic_low, synthetic, synthetic_high: share of samples marked synthetic.
        real: share whose mark settles that they count as real.
        missing: share without a score among the samples that no mark settles.
    """

    synthetic_low: Floats
    synthetic: Floats
    synthetic_high: Floats
    real: Floats
    missing: Floats

    def added(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """Ends for all samples, from those of the scored ones."""
        keep = 1.0 - self.missing
        rest_low = np.maximum(1.0 - self.synthetic_low - self.real, 0.0)
        rest_high = np.maximum(1.0 - self.synthetic_high - self.real, 0.0)
        low = np.minimum(self.synthetic_low + rest_low * keep * low, 1.0)
        high = np.minimum(self.synthetic_high + rest_high * (keep * high + self.missing), 1.0)
        return low, np.maximum(low, high)

    def added_point(self, point: Floats) -> Floats:
        """π of all samples; NaN where too many have no score for one."""
        rest = np.maximum(1.0 - self.synthetic - self.real, 0.0)
        return np.where(self.missing < 1e-3, self.synthetic + rest * point, np.nan)


@dataclass(frozen=True, eq=False)
class ManyTiers:
    """Intervals of π by stratum, each (strata,); NaN where nothing carries them.

    Attributes:
        detectable: lower bound.
        low, point, high: closed.
        set_low, set_high: for unseen generators.
        strata: counts of the scored samples on coarse bins.
        found: closed fits of these alone, before marks and missing scores.
    """

    detectable: Floats
    low: Floats
    point: Floats
    high: Floats
    set_low: Floats
    set_high: Floats
    strata: Strata
    found: Found

    @property
    def is_known(self) -> npt.NDArray[np.bool_]:
        """Whether scores carry the tiers."""
        return ~np.isnan(self.low)


def estimate_many(
    real: Floats,
    synthetic: Floats,
    grouped: Callable[[npt.NDArray[np.intp]], Floats],
    shares: Shares,
    effective_ratio: Floats,
    settings: Settings,
) -> ManyTiers | None:
    """Tiers of strata; None where the calibration carries none.

    Args:
        real: calibration counts by score bin (bins,).
        synthetic: the same.
        grouped: target counts of all strata over groups of bins, (bins,) to (strata, groups).
        shares: what else is known of the strata.
        effective_ratio: n_eff / N of each (strata,).
        settings: of the estimate.
    """
    if real.sum() <= 0 or synthetic.sum() <= 0:
        return None
    groups = coarse_groups(real, synthetic)
    if groups[-1] < 1:
        return None
    targets = grouped(groups) * effective_ratio[:, None]
    strata = Strata(
        np.bincount(groups, real)[None].astype(np.float64),
        np.bincount(groups, synthetic)[None].astype(np.float64),
        targets,
    )
    found = find_intervals(Evidence.closed(*strata), level=settings.level)
    lower = detectable_bounds(real, grouped, effective_ratio, level=settings.level)
    is_known = np.count_nonzero(targets, axis=1) >= 2
    low, high = shares.added(found.low, found.high)
    set_low, set_high = shares.added(
        np.minimum(found.low, lower), np.minimum(found.high / settings.least_detected, 1.0)
    )
    bound, _ = shares.added(lower, np.ones_like(lower))

    def known(part: Floats) -> Floats:
        return np.where(is_known, part, np.nan)

    return ManyTiers(
        known(bound),
        known(low),
        known(shares.added_point(found.point)),
        known(high),
        known(set_low),
        known(set_high),
        strata,
        found,
    )


def detectable_bounds(
    real: Floats,
    grouped: Callable[[npt.NDArray[np.intp]], Floats],
    effective_ratio: Floats,
    *,
    level: float,
) -> Floats:
    """Lower bounds of π among the scored samples of every stratum (strata,).

    Args:
        real: calibration counts by score bin (bins,), not empty.
        grouped: as of `estimate_many`.
        effective_ratio: n_eff / N of each (strata,).
        level: of the two-sided interval whose lower end each is.
    """
    starts = tail_starts(real)
    between = np.searchsorted(starts, np.arange(len(real)), side="right")
    counts = grouped(between) * effective_ratio[:, None]
    # A tail that begins beyond the last bin has no group of its own.
    counts = np.pad(counts, ((0, 0), (0, len(starts) + 1 - counts.shape[1])))
    above = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1][:, 1:]
    return least_prevalences(real, above, counts.sum(axis=1), level=level)
