"""Points and likelihood-ratio intervals of π, for many strata at once.

Everything happens in θ, where π = sin²(θ/2): the likelihood is close to a parabola there, also
near 0 and 1. The interval is {π: 2 (ℓmax − ℓ(π)) ≤ χ²₁ at its level}.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from scipy.stats import chi2

from madaudit.estimation.likelihood import Evidence, Floats, Profile, inward_slopes, profile


class Likelihood(Protocol):
    """A likelihood of θ for several strata."""

    def __call__(self, theta: Floats) -> Profile:
        """Value and slope at one θ per stratum."""
        ...

    def inward_slopes(self) -> tuple[Floats, Floats]:
        """Growth from π = 0 and from π = 1 inwards."""
        ...


@dataclass(frozen=True)
class TemplateLikelihood:
    """The profile likelihood of score templates."""

    evidence: Evidence

    def __call__(self, theta: Floats) -> Profile:
        return profile(self.evidence, theta)

    def inward_slopes(self) -> tuple[Floats, Floats]:
        return inward_slopes(self.evidence)


_GRID = np.linspace(0.0, np.pi, 20)
# Next to an edge: π = 2.5e-9, below which the slope of a calibration is rounding.
_NEAR_EDGE = 1e-4
_AT_LABELS = 1e-9
# Of a log-likelihood at five thousand million samples.
_NOISE = 1e-5
_STEPS = 60
_THETA_TOLERANCE = 1e-10
# Strata that are worked on together, so that their arrays stay in the processor's cache.
_CHUNK = 512


class Found(NamedTuple):
    """Intervals of strata, each (strata,).

    Attributes:
        low, point, high: of π, in [0, 1].
        loglik: at the point, against the saturated model; −2 × it tells the goodness of fit.
    """

    low: Floats
    point: Floats
    high: Floats
    loglik: Floats


def find_intervals(evidence: Evidence, *, level: float | Floats = 0.95) -> Found:
    """Points and intervals of every stratum.

    Args:
        evidence: of the strata.
        level: confidence level, one or one per stratum (strata,).
    """
    n = evidence.n_strata
    limits = np.broadcast_to(np.asarray(chi2.ppf(level, 1), dtype=np.float64), (n,))
    parts = []
    for start in range(0, n, _CHUNK):
        chosen = slice(start, start + _CHUNK)
        parts.append(search(TemplateLikelihood(evidence.rows(chosen)), limits[chosen]))
    return Found(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def find_lower_ends(evidence: Evidence, found: Found, *, level: float) -> Floats:
    """Lower ends at another level of fits that were made before (strata,)."""
    limit = float(chi2.ppf(level, 1))
    parts = []
    for start in range(0, evidence.n_strata, _CHUNK):
        chosen = slice(start, start + _CHUNK)
        point = angle_of(found.point[chosen])
        limits = np.full_like(point, limit)
        likelihood = TemplateLikelihood(evidence.rows(chosen))
        low = _crossing(likelihood, point, found.loglik[chosen], limits, edge=0.0)
        parts.append(share_of(low))
    return np.concatenate(parts)


def search(likelihood: Likelihood, limits: Floats) -> Found:
    """Point and interval from a likelihood of θ.

    Args:
        likelihood: of θ (strata,), giving value and slope.
        limits: quantiles of the statistic, one per stratum.
    """
    point, best = _maximum(likelihood, len(limits))
    low = _crossing(likelihood, point, best, limits, edge=0.0)
    high = _crossing(likelihood, point, best, limits, edge=np.pi)
    return Found(share_of(low), share_of(point), share_of(high), best)


def share_of(theta: Floats) -> Floats:
    """π of θ, exactly 0 and 1 at the edges."""
    return np.where(theta >= np.pi, 1.0, np.sin(theta / 2) ** 2)


def angle_of(share: Floats) -> Floats:
    """θ of π."""
    return np.asarray(2.0 * np.arcsin(np.sqrt(share)), dtype=np.float64)


def _maximum(likelihood: Likelihood, n: int) -> tuple[Floats, Floats]:
    """The best θ: the best point of a grid, then the root of the slope beside it."""
    values = np.stack([likelihood(np.full(n, theta)).loglik for theta in _GRID])
    best = values.argmax(axis=0)
    last = len(_GRID) - 1
    at_zero, at_one = likelihood.inward_slopes()
    is_edge = ((best == 0) & (at_zero <= 0)) | ((best == last) & (at_one <= 0))
    # Labels of a class keep their slope exact at any distance from the edge that denies them.
    first = np.where(np.isinf(at_zero), _AT_LABELS, _NEAR_EDGE)
    final = np.pi - np.where(np.isinf(at_one), _AT_LABELS, _NEAR_EDGE)
    centre = np.clip(_GRID[best], first, final)
    is_left = (best == 0) | ((best < last) & (likelihood(centre).slope > 0))
    left = np.where(is_left, centre, np.maximum(_GRID[best - 1], first))
    right = np.where(is_left, np.minimum(_GRID[np.minimum(best + 1, last)], final), centre)
    inner = _root(lambda theta: -likelihood(theta).slope, left, right)
    logliks = np.stack([values[best, np.arange(n)], likelihood(inner).loglik])
    is_edge |= (best % last == 0) & (logliks[0] > logliks[1] + _NOISE)
    return np.where(is_edge, _GRID[best], inner), np.where(is_edge, logliks[0], logliks[1])


def _crossing(
    likelihood: Likelihood, point: Floats, best: Floats, limits: Floats, *, edge: float
) -> Floats:
    """Where the statistic crosses its limit between the point and an edge; else the edge."""
    ends = np.full_like(point, edge)
    at_end = 2.0 * (best - likelihood(ends).loglik) > limits

    def beyond(theta: Floats) -> Floats:
        statistic = np.maximum(2.0 * (best - likelihood(theta).loglik), 0.0)
        return np.asarray(np.sqrt(np.minimum(statistic, 1e300)) - np.sqrt(limits))

    inner = _root(beyond, point, np.where(at_end, ends, point))
    return np.where(at_end, inner, ends)


def _root(function: Callable[[Floats], Floats], below: Floats, above: Floats) -> Floats:
    """Where a function crosses 0 between an end at which it is below and one at which it is above.

    The rule of Illinois, with a bisection at every third step.
    """
    f_below, f_above = -np.abs(function(below)), np.abs(function(above))
    done = below == above
    result = below
    for step in range(_STEPS):
        gap = above - below
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(np.isfinite(f_above), f_below / (f_below - f_above), 0.5)
        middle = below + gap * np.where((share > 0) & (share < 1) & (step % 3 < 2), share, 0.5)
        done |= np.abs(gap) <= _THETA_TOLERANCE
        result = np.where(done, result, middle)
        if done.all():
            break
        value = function(result)
        is_below = value < 0
        # The end that stays counts half, or it would never move.
        f_above = np.where(is_below, f_above * 0.5, value)
        f_below = np.where(is_below, value, f_below * 0.5)
        below = np.where(is_below & ~done, middle, below)
        above = np.where(is_below | done, above, middle)
        done |= np.abs(value) <= 1e-12
    return result


def bootstrap_intervals(
    evidence: Evidence,
    found: Found,
    generator: np.random.Generator,
    *,
    level: float = 0.95,
    n_draws: int = 200,
) -> tuple[float, float]:
    """The interval of one stratum with the statistic's own distribution in place of χ²₁.

    At each end point data are drawn from the model fitted there, and the quantile of their
    statistic becomes the limit for that end. A limit is never below χ²'s, so that the interval
    only widens: 200 draws are too few to narrow it.

    Args:
        evidence: of one stratum.
        found: its interval by χ².
        generator: of the draws.
        level: confidence level.
        n_draws: data sets drawn at each end.
    """
    likelihood = TemplateLikelihood(evidence)
    limit = float(chi2.ppf(level, 1))
    point, best = angle_of(found.point), found.loglik
    ends = []
    for edge, share in ((0.0, found.low), (np.pi, found.high)):
        here = angle_of(share)
        if here[0] == edge:
            ends.append(share)
            continue
        statistic = _drawn_statistics(evidence, here, generator, n_draws)
        wider = np.array([max(limit, float(np.quantile(statistic, level)))])
        ends.append(share_of(_crossing(likelihood, point, best, wider, edge=edge)))
    return float(ends[0][0]), float(ends[1][0])


def _drawn_statistics(
    evidence: Evidence, theta: Floats, generator: np.random.Generator, n_draws: int
) -> Floats:
    """2 (ℓmax − ℓ(θ)) of data drawn from the model fitted at θ."""
    inside = np.clip(theta, _NEAR_EDGE, np.pi - _NEAR_EDGE)
    drawn = evidence.drawn(float(share_of(inside)[0]), generator, n_draws)
    likelihood = TemplateLikelihood(drawn)
    _, best = _maximum(likelihood, n_draws)
    at_truth = likelihood(np.full(n_draws, inside[0])).loglik
    return np.asarray(np.maximum(2.0 * (best - at_truth), 0.0))
