"""Real scores that differ between clean shards of one kind: the shift as a nuisance parameter.

Calibration and target rarely hold the same real samples, and a coherent shift moves all bins
together, which deflating counts cannot allow for. Clean shards show in which direction real scores
move and how far (τ); the target's real template is then the calibration's, tilted:
f0 exp(t φ) / Z, with a penalty t² / 2τ².
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import chi2, norm

from madaudit.errors import InputError
from madaudit.estimation.counts import coarse_groups
from madaudit.estimation.intervals import search
from madaudit.estimation.likelihood import Evidence, Floats, Profile, inward_slopes, profile
from madaudit.types import Interval

Direction = Literal["score", "component"]

_LEAST_SHARDS = 10
_FURTHEST = 4.0
_STEPS = 26
_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True, eq=False)
class RealShift:
    """How real scores move between clean shards.

    Attributes:
        direction: φ by bin, of variance 1 under the pooled real template (bins,).
        spread: τ, the standard deviation of the tilt t of a new shard; 0 where shards do not
            differ by more than chance.
        share_explained: of what shards differ beyond chance, the share along φ, [0, 1].
    """

    direction: Floats
    spread: float
    share_explained: float


def find_shift(shards: Floats, *, along: Direction = "score") -> RealShift:
    """The direction in which clean shards differ, and how far.

    "score" moves all scores up or down together: the normal score of each bin, which is known
    beforehand. "component" is the first principal component of (p_gb − p_b) / √p_b, in which
    chance is the same in every direction; it finds other shifts, and needs many samples a shard to
    find them well.

    Args:
        shards: counts of known-real samples (shards, bins), of the target's kind.
        along: the direction.

    Raises:
        InputError: fewer than ten shards, or an empty one.
    """
    totals = shards.sum(axis=1, keepdims=True)
    n_shards = len(shards)
    if n_shards < _LEAST_SHARDS or (totals <= 0).any():
        raise InputError(
            f"cannot find how real scores shift from {n_shards} clean shards; at least "
            f"{_LEAST_SHARDS} are needed, none of them empty"
        )
    pooled = shards.sum(axis=0) / shards.sum()
    root = np.sqrt(np.maximum(pooled, 1e-12))
    residuals = np.where(pooled > 0, (shards / totals - pooled) / root, 0.0)
    if along == "score":
        direction = norm.ppf(np.clip(np.cumsum(pooled) - pooled / 2, 1e-9, 1.0 - 1e-9))
    else:
        direction = np.linalg.svd(residuals, full_matrices=False)[2][0] / root
    direction = np.where(pooled > 0, direction - (pooled * direction).sum(), 0.0)
    direction /= np.sqrt((pooled * direction**2).sum())
    variance = float(((shards / totals) @ direction).var(ddof=1))
    chance = float((1.0 / totals).mean())
    free = np.count_nonzero(pooled) - 1
    if along == "score":
        excess = max(variance - chance, 0.0)
    else:
        excess = chance * _spike(variance / chance, free / (n_shards - 1))
    beyond = float((residuals**2).sum()) / (n_shards - 1) - chance * free
    share = float(np.clip(excess / beyond, 0.0, 1.0)) if beyond > 0 else 1.0
    return RealShift(direction, float(np.sqrt(excess * (1.0 + 1.0 / n_shards))), share)


def _spike(variance: float, ratio: float) -> float:
    """What stands behind the largest of many sample variances, in units of chance.

    The first component is chosen for its variance, which chance alone raises to (1 + √γ)², γ being
    bins by shards; a true excess ℓ shows as (1 + ℓ)(1 + γ/ℓ).

    Source: the spiked covariance model of Johnstone; limits of Baik and Silverstein 2006.
    """
    if variance <= (1.0 + np.sqrt(ratio)) ** 2:
        return 0.0
    excess = variance - 1.0 - ratio
    return float((excess + np.sqrt(max(excess**2 - 4.0 * ratio, 0.0))) / 2.0)


def aligned(shards: Floats, shift: RealShift) -> Floats:
    """Real counts with the shards' own shifts taken out, worth what tilted counts are (bins,).

    Shards pooled as they are have a broader template than any of them, and a large calibration
    makes that error certain. Each shard is tilted back by its own mean along φ, leaned towards 0
    by what chance moves it, before all are added up.

    Args:
        shards: counts of known-real samples (shards, bins).
        shift: of these shards.
    """
    totals = shards.sum(axis=1)
    moved = (shards / totals[:, None]) @ shift.direction
    reliability = shift.spread**2 / (shift.spread**2 + 1.0 / totals)
    factors = np.exp(-np.outer(moved * reliability, shift.direction))
    tilted = (shards * factors).sum(axis=0)
    squares = (shards * factors**2).sum(axis=0)
    return np.asarray(tilted * (tilted.sum() / squares.sum()), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class ShiftedLikelihood:
    """The profile likelihood with the tilt profiled out as well.

    Attributes:
        real, synthetic, target: counts (strata, bins).
        direction: φ of each stratum (strata, bins).
        spread: τ of each stratum, above 0 (strata,).
    """

    real: Floats
    synthetic: Floats
    target: Floats
    direction: Floats
    spread: Floats

    def __call__(self, theta: Floats) -> Profile:
        tilt = self._best_tilt(theta)
        found = profile(self._evidence(tilt), theta)
        return Profile(found.loglik - self._penalty(tilt), found.slope)

    def inward_slopes(self) -> tuple[Floats, Floats]:
        edges = (np.zeros_like(self.spread), np.full_like(self.spread, np.pi))
        at_zero, at_one = (
            inward_slopes(self._evidence(self._best_tilt(theta))) for theta in edges
        )
        return at_zero[0], at_one[1]

    def _best_tilt(self, theta: Floats) -> Floats:
        """The most likely tilt at each θ, by golden section."""
        low = -_FURTHEST * self.spread
        high = -low

        def value(tilt: Floats) -> Floats:
            return profile(self._evidence(tilt), theta).loglik - self._penalty(tilt)

        inner, outer = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        at_inner, at_outer = value(inner), value(outer)
        for _ in range(_STEPS):
            is_left = at_inner >= at_outer
            low, high = np.where(is_left, low, inner), np.where(is_left, outer, high)
            kept, at_kept = np.where(is_left, inner, outer), np.where(is_left, at_inner, at_outer)
            new = np.where(is_left, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
            at_new = value(new)
            inner, outer = np.where(is_left, new, kept), np.where(is_left, kept, new)
            at_inner = np.where(is_left, at_new, at_kept)
            at_outer = np.where(is_left, at_kept, at_new)
        return (low + high) / 2

    def _evidence(self, tilt: Floats) -> Evidence:
        """Real counts tilted, and scaled to what tilted counts are worth (Kish)."""
        factors = np.exp(tilt[:, None] * self.direction)
        tilted = self.real * factors
        squares = (self.real * factors**2).sum(axis=1, keepdims=True)
        tilted *= tilted.sum(axis=1, keepdims=True) / squares
        return Evidence.closed(tilted, self.synthetic, self.target)

    def _penalty(self, tilt: Floats) -> Floats:
        return np.asarray(tilt**2 / (2.0 * self.spread**2))


def estimate_shifted(
    real: Floats, synthetic: Floats, target: Floats, shards: Floats, *, level: float = 0.95
) -> Interval:
    """π where the target's real samples may differ from the calibration's as clean shards do.

    The shards are the real calibration: their own shifts are taken out before they are added up.

    Args:
        real: calibration counts (bins,), not empty; they set the bins.
        synthetic: the same.
        target: counts (bins,), not empty.
        shards: clean shards of the target's kind (shards, bins).
        level: of the interval.

    Raises:
        InputError: too few shards.
    """
    likelihood = shifted_likelihood(real, synthetic, target, shards)
    found = search(likelihood, np.array([float(chi2.ppf(level, 1))]))
    return Interval(float(found.low[0]), float(found.point[0]), float(found.high[0]), level)


def shifted_likelihood(
    real: Floats, synthetic: Floats, target: Floats, shards: Floats
) -> ShiftedLikelihood:
    """The likelihood of one stratum on coarse bins; arguments as of `estimate_shifted`."""
    starts = np.flatnonzero(np.diff(coarse_groups(real, synthetic), prepend=-1))
    coarse = np.add.reduceat(shards, starts, axis=1)
    shift = find_shift(coarse)
    parts = [np.add.reduceat(part, starts)[None] for part in (synthetic, target)]
    # A spread of exactly 0 would divide by it; a thousandth of a deviation moves nothing.
    spread = np.array([max(shift.spread, 1e-3)])
    real = aligned(coarse, shift)[None]
    return ShiftedLikelihood(real, parts[0], parts[1], shift.direction[None], spread)
