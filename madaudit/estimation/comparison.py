"""Whether two data sets differ by more than chance, from counts by shard.

Shares and score distributions of two data sets, each taken as draws of a source. Samples of one
shard are alike (one site, one day of crawling), so counts are first divided by a design effect
measured between shards; without it nearly every change would look real. Adjusted p-values hold the
family-wise error rate over all comparisons (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from madaudit.errors import InputError
from madaudit.types import Interval

Floats = npt.NDArray[np.float64]

# Shards of a data set from which the variance between them is estimated.
LEAST_SHARDS = 10
# Expected counts below which Fisher's exact test stands in for the normal one.
_FEW_EXPECTED = 5.0


class ShardSums(NamedTuple):
    """One data set's part and whole of a share by shard.

    Attributes:
        part, total: sums of w over the shard's samples, (shards,); w = 1 in a census.
        n_effective: (Σw)² / Σw² over all of them; the number of samples in a census.
    """

    part: Floats
    total: Floats
    n_effective: float

    @property
    def share(self) -> float:
        total = float(self.total.sum())
        return min(float(self.part.sum()) / total, 1.0) if total > 0 else 0.0


@dataclass(frozen=True)
class Difference:
    """One number of two data sets.

    Attributes:
        name: what is compared.
        before, after: a share, or a mean rank where scores are compared.
        change: after − before, with its interval.
        p_value: of both being draws of one source, before adjustment; None where nothing can be
            tested.
        adjusted: the same after Holm over all comparisons; None until `adjust`.
        effect: Cohen's h of two shares; 2·AUC − 1 (Cliff's delta) of two score distributions.
        design_effect: by how much alikeness within shards widens the variance, the larger of
            both; None where there are too few shards to say.
    """

    name: str
    before: float
    after: float
    change: Interval
    p_value: float | None
    adjusted: float | None
    effect: float
    design_effect: float | None

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "change": self.change.to_dict()}


def compare_shares(
    name: str, before: ShardSums, after: ShardSums, *, level: float = 0.95
) -> Difference:
    """A share in two data sets.

    Args:
        name: of the share.
        before: its sums by shard in the first data set.
        after: in the second.
        level: of the interval of the change.

    Returns:
        Newcombe's interval and the pooled score test (Fisher's exact test at small counts), both
        at counts divided by the design effect.

    Source: Newcombe 1998, method 10; Kish 1965, 8.2, for the design effect.
    """
    effects = [_design_effect(sums) for sums in (before, after)]
    shares = before.share, after.share
    counts = [
        sums.n_effective / (effect or 1.0)
        for sums, effect in zip((before, after), effects, strict=True)
    ]
    if min(counts) <= 0:
        return Difference(name, *shares, Interval(-1.0, None, 1.0, level), None, None, 0.0, None)
    known = [effect for effect in effects if effect is not None]
    return Difference(
        name,
        *shares,
        _newcombe(shares, counts, level),
        _p_of_shares(shares, counts),
        None,
        2.0 * (np.arcsin(np.sqrt(shares[1])) - np.arcsin(np.sqrt(shares[0]))).item(),
        max(known) if known else None,
    )


def compare_scores(
    name: str, before: Sequence[Floats], after: Sequence[Floats], *, level: float = 0.95
) -> Difference:
    """The scores of one detector in two data sets.

    Args:
        name: of the detector.
        before: histograms of the first data set by shard, each (bins,), over ascending bins.
        after: of the second, over the same bins.
        level: of the interval.

    Returns:
        `before` is .5 by definition and `after` the probability that a score of the second data
        set exceeds one of the first, ties counting half (AUC); `change` its distance from .5 with
        DeLong's interval. The p-value is the two-sample Kolmogorov–Smirnov test's, which also sees
        changes of shape; binning makes it conservative.

    Raises:
        InputError: the bins differ.

    Source: DeLong et al. 1988; variances between shards as for a ratio of sums.
    """
    first, second = np.array(before, dtype=float), np.array(after, dtype=float)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise InputError(
            f"cannot compare the scores of {name}: histograms of {first.shape} and {second.shape} "
            f"bins; both must be counted over the same bins"
        )
    sums = first.sum(axis=0), second.sum(axis=0)
    n = sums[0].sum(), sums[1].sum()
    if min(n) <= 0:
        return Difference(name, 0.5, 0.5, Interval(-0.5, None, 0.5, level), None, None, 0.0, None)
    placements = _placements(sums[0] / n[0]), 1.0 - _placements(sums[1] / n[1])
    area = float(sums[1] @ placements[0] / n[1])
    of_after, of_before = placements
    spread, effect = 0.0, 1.0
    for shards, values in ((first, of_before), (second, of_after)):
        variance, its_effect = _mean_variance(shards, values)
        spread, effect = spread + variance, max(effect, its_effect)
    half = stats.norm.ppf((1.0 + level) / 2.0) * np.sqrt(spread)
    low, high = max(area - half, 0.0) - 0.5, min(area + half, 1.0) - 0.5
    distance = float(np.abs(sums[0].cumsum() / n[0] - sums[1].cumsum() / n[1]).max())
    n_effective = n[0] * n[1] / (n[0] + n[1]) / effect
    enough = min(len(first), len(second)) >= LEAST_SHARDS
    return Difference(
        name,
        0.5,
        area,
        Interval(low, area - 0.5, high, level),
        float(stats.kstwobign.sf(distance * np.sqrt(n_effective))),
        None,
        2.0 * area - 1.0,
        effect if enough else None,
    )


def compare_intervals(name: str, before: Interval, after: Interval) -> Difference:
    """Two independent estimates of one share, by their intervals.

    Returns:
        The change by MOVER, and a p-value from the same standard errors. Estimates that share a
        calibration err together, so their true difference is known better than this says.

    Source: Zou and Donner 2008, Statistics in Medicine 27:1693.
    """
    level = min(before.level, after.level)
    if before.point is None or after.point is None:
        low, high = after.low - before.high, after.high - before.low
        is_apart = low > 0 or high < 0
        middle = (before.low + before.high) / 2, (after.low + after.high) / 2
        p_value = 1.0 - level if is_apart else 1.0
        return Difference(
            name, *middle, Interval(low, None, high, level), p_value, None, 0.0, None
        )
    shares = before.point, after.point
    change = shares[1] - shares[0]
    down = np.hypot(shares[1] - after.low, before.high - shares[0])
    up = np.hypot(after.high - shares[1], shares[0] - before.low)
    error = (down if change > 0 else up) / stats.norm.ppf((1.0 + level) / 2.0)
    p_value = 2.0 * stats.norm.sf(abs(change) / error) if error > 0 else float(change == 0)
    effect = 2.0 * (np.arcsin(np.sqrt(shares[1])) - np.arcsin(np.sqrt(shares[0])))
    interval = Interval(float(change - down), change, float(change + up), level)
    return Difference(name, *shares, interval, float(p_value), None, float(effect), None)


def adjust(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """The same with p-values adjusted for all comparisons made.

    Source: Holm 1979.
    """
    tested = [place for place, item in enumerate(differences) if item.p_value is not None]
    order = sorted(tested, key=lambda place: differences[place].p_value or 0.0)
    adjusted, largest = {}, 0.0
    for rank, place in enumerate(order):
        largest = max(largest, (len(order) - rank) * (differences[place].p_value or 0.0))
        adjusted[place] = min(largest, 1.0)
    return tuple(
        replace(item, adjusted=adjusted.get(place)) for place, item in enumerate(differences)
    )


def _design_effect(sums: ShardSums) -> float | None:
    """Variance of the share between shards over that of single draws, at least 1.

    None for too few shards. The variance is the linearised one of a ratio (Cochran 1977, 6.4).
    """
    kept = sums.total > 0
    n_shards = int(kept.sum())
    share = sums.share
    if n_shards < LEAST_SHARDS or not 0.0 < share < 1.0:
        return None if n_shards < LEAST_SHARDS else 1.0
    rest = sums.part[kept] - share * sums.total[kept]
    between = n_shards / (n_shards - 1) * float(rest @ rest) / float(sums.total.sum()) ** 2
    return max(1.0, between / (share * (1.0 - share) / sums.n_effective))


def _mean_variance(shards: Floats, values: Floats) -> tuple[float, float]:
    """Variance of the mean of binned values, and its design effect.

    Args:
        shards: (shards, bins) counts.
        values: (bins,) of one sample.
    """
    totals = shards.sum(axis=1)
    n = totals.sum()
    sums = shards @ values
    mean = sums.sum() / n
    single = float((shards.sum(axis=0) @ (values - mean) ** 2) / n / max(n - 1.0, 1.0))
    n_shards = int((totals > 0).sum())
    if n_shards < LEAST_SHARDS or single <= 0:
        return single, 1.0
    rest = sums - mean * totals
    between = n_shards / (n_shards - 1) * float(rest @ rest) / n**2
    return max(single, between), max(1.0, between / single)


def _placements(shares: Floats) -> Floats:
    """Per bin, the share of samples below it, with half of those in it."""
    below: Floats = np.cumsum(shares) - shares / 2.0
    return below


def _newcombe(shares: tuple[float, float], counts: Sequence[float], level: float) -> Interval:
    z = float(stats.norm.ppf((1.0 + level) / 2.0))
    (low0, high0), (low1, high1) = (
        _wilson(share, n, z) for share, n in zip(shares, counts, strict=True)
    )
    change = shares[1] - shares[0]
    down = np.hypot(shares[1] - low1, high0 - shares[0])
    up = np.hypot(high1 - shares[1], shares[0] - low0)
    return Interval(float(change - down), change, float(change + up), level)


def _wilson(share: float, n: float, z: float) -> tuple[float, float]:
    """The score interval (Wilson 1927)."""
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def _p_of_shares(shares: tuple[float, float], counts: Sequence[float]) -> float:
    hits = [share * n for share, n in zip(shares, counts, strict=True)]
    pooled = sum(hits) / sum(counts)
    if pooled in (0.0, 1.0):
        return 1.0
    expected = min(n * side for n in counts for side in (pooled, 1.0 - pooled))
    if expected < _FEW_EXPECTED:
        found = [min(round(hit), round(n)) for hit, n in zip(hits, counts, strict=True)]
        table = np.array([[k, max(round(n) - k, 0)] for k, n in zip(found, counts, strict=True)])
        return float(stats.fisher_exact(table)[1])
    error = np.sqrt(pooled * (1.0 - pooled) * sum(1.0 / n for n in counts))
    return float(2.0 * stats.norm.sf(abs(shares[1] - shares[0]) / error))
