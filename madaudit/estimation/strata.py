"""Many strata of one data set: their own prevalence, the worst of them, and its course in time.

Strata share a calibration, so the errors of their intervals go together: the whole is fitted on
the summed histogram and never put together from strata. What differs between strata is sharper
than either interval, since a common template cancels; `shrink` judges it at templates held fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, isotonic_regression, minimize
from scipy.special import betaln, expit, logsumexp
from scipy.stats import chi2, false_discovery_control, norm

from madaudit.errors import InputError
from madaudit.estimation.counts import coarse_groups
from madaudit.estimation.intervals import (
    Found,
    angle_of,
    find_intervals,
    find_lower_ends,
)
from madaudit.estimation.joint import Fit, JointModel, Mixing
from madaudit.estimation.likelihood import Evidence, Floats, profile, solve

# π at which a stratum's likelihood is tabled: dense at both edges.
_GRID = np.sin(np.linspace(1e-3, np.pi - 1e-3, 241) / 2) ** 2
_CHUNK = 512
_PRIOR_STRATA = 4000


class Strata(NamedTuple):
    """Histograms of strata on common coarse bins.

    Attributes:
        real, synthetic: calibration (1, bins).
        targets: counts (strata, bins), deflated to what they know.
    """

    real: Floats
    synthetic: Floats
    targets: Floats


class Shrunk(NamedTuple):
    """Strata that lean on one another, each (strata,).

    Attributes:
        low, point, high: credible interval and mean of π.
    """

    low: Floats
    point: Floats
    high: Floats


class Worst(NamedTuple):
    """Strata against a limit, each (strata,).

    Attributes:
        low: lower bounds that all hold together at the level.
        p_value: of π ≤ limit, one-sided.
        is_above: rejected at a false discovery rate of 1 − level.
    """

    low: Floats
    p_value: Floats
    is_above: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Trend:
    """Course of π over time.

    Attributes:
        log_odds_per_unit: growth of ln(π / (1 − π)) per unit of time, with its interval.
        p_value: of no trend.
        rising: the closest course that never falls (strata in order of time,).
    """

    log_odds_per_unit: tuple[float, float, float]
    p_value: float
    rising: Floats


def gather(real: Floats, synthetic: Floats, targets: Floats) -> Strata:
    """Strata on the coarse bins of their common calibration.

    Args:
        real: calibration counts by score bin (bins,), not empty.
        synthetic: the same.
        targets: counts (strata, bins).

    Raises:
        InputError: no calibration, or other bins.
    """
    if real.sum() <= 0 or synthetic.sum() <= 0:
        raise InputError("cannot estimate strata: one side of the calibration is empty")
    if targets.ndim != 2 or targets.shape[1] != len(real):
        raise InputError(
            f"targets have shape {targets.shape}; one row per stratum and {len(real)} bins wanted"
        )
    groups = coarse_groups(real, synthetic)
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return Strata(
        np.add.reduceat(real, starts)[None],
        np.add.reduceat(synthetic, starts)[None],
        np.add.reduceat(targets, starts, axis=1),
    )


def estimate_strata(strata: Strata, *, level: float | Floats = 0.95) -> Found:
    """The closed interval of every stratum by itself."""
    return find_intervals(Evidence.closed(*strata), level=level)


def shrink(strata: Strata, *, level: float = 0.95) -> Shrunk:
    """Strata as draws from one distribution: small ones lean on it, large ones stay.

    π of the strata follow a beta distribution fitted to all of them (empirical Bayes); templates
    are held at the whole data set's. What templates may be wrong by moves all strata together and
    is added to each interval in quadrature, from the whole's profile interval.
    """
    templates, whole = _fixed_templates(strata)
    n = len(strata.targets)
    # Two numbers of a distribution are known from some thousand strata as well as from all.
    chosen = np.unique(np.linspace(0, n - 1, min(n, _PRIOR_STRATA)).astype(np.intp))
    a, b = _beta_prior(_peaked(_tabled(strata.targets[chosen], templates)))
    log_prior = (a - 1) * np.log(_GRID) + (b - 1) * np.log1p(-_GRID) + np.log(_widths())
    tail = (1 - level) / 2
    parts = []
    for start in range(0, n, _CHUNK):
        posterior = _tabled(strata.targets[start : start + _CHUNK], templates)
        posterior = _peaked(posterior) + log_prior
        posterior = np.exp(posterior - logsumexp(posterior, axis=1, keepdims=True))
        cumulative = np.cumsum(posterior, axis=1)
        ends = (
            _GRID[np.minimum((cumulative < q).sum(axis=1), len(_GRID) - 1)]
            for q in (tail, 1 - tail)
        )
        parts.append(np.stack([posterior @ _GRID, *ends]))
    point, low, high = np.concatenate(parts, axis=1)
    return Shrunk(
        np.maximum(point - np.hypot(point - low, whole.point - whole.low), 0.0),
        point,
        np.minimum(point + np.hypot(high - point, whole.high - whole.point), 1.0),
    )


def find_worst(
    strata: Strata, limit: float | Floats, *, level: float = 0.95, found: Found | None = None
) -> Worst:
    """Which strata are above a limit, with the number of strata allowed for.

    Lower bounds hold together by Bonferroni; the list of strata above the limit has an expected
    share of false ones of at most 1 − level (Benjamini and Hochberg).

    Args:
        strata: of the data set.
        limit: of π, one or one per stratum (strata,).
        level: of the bounds together.
        found: fits of the strata, where they were made before.
    """
    n = len(strata.targets)
    evidence = Evidence.closed(*strata)
    found = find_intervals(evidence, level=level) if found is None else found
    low = find_lower_ends(evidence, found, level=1 - 2 * (1 - level) / n)
    limit = np.broadcast_to(np.asarray(limit, dtype=np.float64), (n,))
    theta = angle_of(limit)
    at_limit = np.concatenate(
        [
            profile(
                evidence.rows(slice(start, start + _CHUNK)), theta[start : start + _CHUNK]
            ).loglik
            for start in range(0, n, _CHUNK)
        ]
    )
    root = np.sqrt(np.maximum(2.0 * (found.loglik - at_limit), 0.0))
    p_value = norm.sf(np.where(found.point > limit, root, -root))
    return Worst(low, p_value, false_discovery_control(p_value) <= 1 - level)


def find_trend(strata: Strata, times: Floats, *, level: float = 0.95) -> Trend:
    """How π of strata moves with time: ln(π / (1 − π)) = a + b t, templates profiled out.

    Strata may differ by more than a line and chance say; the interval of b is then widened by the
    root of the excess of the statistic (quasi-likelihood).

    Args:
        strata: of the data set, at least three.
        times: of the strata (strata,), not all equal.
        level: of the interval.

    Raises:
        InputError: too few strata, or one time.
    """
    if len(times) != len(strata.targets) or len(times) < 3 or np.ptp(times) <= 0:
        raise InputError(
            f"cannot find a trend in {len(times)} strata over {np.ptp(times):g} units of time; "
            f"at least three strata at two times are needed"
        )
    unit = float(np.ptp(times))
    line = _Line(
        JointModel(np.vstack([strata.real, strata.synthetic]), strata.targets),
        (times - times.mean()) / unit,
    )
    best = line.fit()
    slope = float(best.mixing[1])
    scale = max(2.0 * line.excess(best) / (len(times) - 2), 1.0)
    limit = best.loglik - scale * float(chi2.ppf(level, 1)) / 2
    low, high = (line.crossing(best, limit, side) for side in (-1.0, 1.0))
    order = np.argsort(times, kind="stable")
    weights = np.maximum(strata.targets.sum(axis=1)[order], 1e-9)
    points = _GRID[_tabled(strata.targets, best.templates).argmax(axis=1)][order]
    drop = 2.0 * (best.loglik - line.at_slope(0.0, best).loglik)
    return Trend(
        (low / unit, slope / unit, high / unit),
        float(chi2.sf(max(drop / scale, 0.0), 1)),
        np.array(isotonic_regression(points, weights=weights).x),
    )


@dataclass(frozen=True)
class _Line:
    """Strata whose log odds are a + b t."""

    model: JointModel
    times: Floats

    def fit(self) -> Fit:
        """The best (a, b)."""
        return self.model.fit(lambda x: self._mix(x[0], x[1], n_free=2), np.array([-2.0, 0.0]))

    def at_slope(self, slope: float, near: Fit) -> Fit:
        """The best a at a given b."""
        return self.model.fit(
            lambda x: self._mix(x[0], slope, n_free=1), near.mixing[:1], near.logits
        )

    def excess(self, fit: Fit) -> float:
        """By how much π of their own, at the same templates, make the strata more likely."""
        tabled = _tabled(self.model.targets, fit.templates)
        shares = self._mix(fit.mixing[0], fit.mixing[1], n_free=2).shares
        on_line = (self.model.targets * np.log(np.maximum(shares @ fit.templates, 1e-300))).sum()
        return max(float(tabled.max(axis=1).sum() - on_line), 0.0)

    def crossing(self, best: Fit, limit: float, side: float) -> float:
        """Where the log-likelihood falls to a limit; ±∞ where it never does."""
        slope, step = float(best.mixing[1]), 0.25

        def above(b: float) -> float:
            return self.at_slope(b, best).loglik - limit

        while above(slope + side * step) > 0:
            step *= 2.0
            if step > 50.0:
                return side * np.inf
        return float(brentq(above, slope, slope + side * step, xtol=1e-3))

    def _mix(self, start: float, slope: float, *, n_free: int) -> Mixing:
        pi = expit(start + slope * self.times)
        by_odds = (pi * (1.0 - pi))[:, None] * np.stack([np.ones_like(pi), self.times], axis=1)
        slopes = np.stack([-by_odds, by_odds], axis=1)[:, :, :n_free]
        return Mixing(np.stack([1.0 - pi, pi], axis=1), slopes)


def _fixed_templates(strata: Strata) -> tuple[Floats, Found]:
    """Templates of the whole data set (2, bins), and its fit."""
    evidence = Evidence.closed(
        strata.real, strata.synthetic, strata.targets.sum(axis=0, keepdims=True)
    )
    whole = find_intervals(evidence)
    pi = np.clip(whole.point, 1e-9, 1 - 1e-9)[:, None]
    fitted = solve(evidence, pi, 1 - pi)
    return np.vstack([fitted.f0, fitted.f1]), whole


def _tabled(targets: Floats, templates: Floats) -> Floats:
    """Log-likelihood of every stratum over the grid of π, at fixed templates (strata, grid)."""
    mixtures = np.stack([1.0 - _GRID, _GRID], axis=1) @ templates
    return np.asarray(targets @ np.log(np.maximum(mixtures, 1e-300)).T)


def _peaked(logliks: Floats) -> Floats:
    """Against each stratum's own best π, so that no exponential overflows or vanishes."""
    return np.asarray(logliks - logliks.max(axis=1, keepdims=True))


def _widths() -> Floats:
    """Quadrature weights of the grid."""
    return np.asarray(np.gradient(_GRID))


def _beta_prior(logliks: Floats) -> tuple[float, float]:
    """The beta distribution under which all strata are most likely."""
    log_widths = np.log(_widths())

    def loss(x: Floats) -> float:
        a, b = np.exp(np.clip(x, -7.0, 12.0))
        log_prior = (a - 1) * np.log(_GRID) + (b - 1) * np.log1p(-_GRID) - betaln(a, b)
        return -float(logsumexp(logliks + log_prior + log_widths, axis=1).sum())

    mean = float(np.clip(_GRID[logliks.sum(axis=0).argmax()], 1e-4, 1 - 1e-4))
    start = np.log([10 * mean, 10 * (1 - mean)])
    found = minimize(loss, start, method="Nelder-Mead")
    a, b = np.exp(np.clip(found.x, -7.0, 12.0))
    return float(a), float(b)
