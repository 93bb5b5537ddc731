"""The same likelihood with more than two templates, or one mixture per stratum, fitted jointly.

`likelihood` solves two templates and one mixture exactly, and is what estimates rest on. Here a
general fit does what that cannot: several generators, each with its own template, and strata whose
prevalences follow one course. Templates stay nuisance parameters.

Fisher's scoring with Levenberg's damping in softmax coordinates: expectation-maximisation would
need as many steps as the target has more counts than the calibration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import softmax
from scipy.stats import chi2

from madaudit.errors import InputError
from madaudit.estimation.likelihood import Floats
from madaudit.types import Interval

_MAX_STEPS = 200
_SETTLED = 1e-9


class Mixing(NamedTuple):
    """Shares of the templates in every target.

    Attributes:
        shares: (targets, templates), each row summing to 1.
        slopes: their derivatives by the free parameters (targets, templates, parameters).
    """

    shares: Floats
    slopes: Floats


class Fit(NamedTuple):
    """The most likely templates and mixing.

    Attributes:
        loglik: without constants.
        templates: (templates, bins).
        mixing: free parameters of the mixing.
        logits: where the fit stands, to begin a neighbouring one from.
    """

    loglik: float
    templates: Floats
    mixing: Floats
    logits: Floats


@dataclass(frozen=True, eq=False)
class JointModel:
    """Calibrations of several classes and targets that mix them.

    Attributes:
        calibration: counts (templates, bins), each row not empty.
        targets: counts (targets, bins).
    """

    calibration: Floats
    targets: Floats

    def fit(
        self, mix: Callable[[Floats], Mixing], start: Floats, logits: Floats | None = None
    ) -> Fit:
        """Maximise the likelihood over templates and mixing.

        Args:
            mix: mixing from its free parameters.
            start: of these parameters (parameters,), may be empty.
            logits: of the templates to begin from; the calibration's where None.
        """
        counts = self.calibration + 0.5 / self.calibration.shape[1]
        logits = np.log(counts) if logits is None else logits
        loglik = self._loglik(counts, logits, mix(start).shares)
        damping = 1e-4
        for _ in range(_MAX_STEPS):
            slope, curvature = self._derivatives(counts, logits, mix(start))
            curvature += np.diag(damping * np.diag(curvature) + 1e-9)
            step = np.linalg.solve(curvature, slope)
            new_logits = logits + step[: logits.size].reshape(logits.shape)
            new_start = start + step[logits.size :]
            found = self._loglik(counts, new_logits, mix(new_start).shares)
            if not found >= loglik:
                damping *= 10.0
                if damping > 1e12:
                    break
                continue
            gain, loglik, logits, start = found - loglik, found, new_logits, new_start
            damping = max(damping / 10.0, 1e-12)
            if gain < _SETTLED:
                break
        return Fit(loglik, softmax(logits, axis=1), start, logits)

    def _loglik(self, counts: Floats, logits: Floats, shares: Floats) -> float:
        templates = softmax(logits, axis=1)
        mixtures = np.maximum(shares @ templates, 1e-300)
        total = (counts * np.log(np.maximum(templates, 1e-300))).sum()
        # Against the target's own shares, which keeps the digits of large counts.
        expected = mixtures * self.targets.sum(axis=1, keepdims=True)
        ratio = np.divide(expected, self.targets, out=np.ones_like(expected), where=expected > 0)
        held = self.targets > 0
        return float(total + (self.targets[held] * np.log(ratio[held])).sum())

    def _derivatives(
        self, counts: Floats, logits: Floats, mixing: Mixing
    ) -> tuple[Floats, Floats]:
        """Slope, and curvature by the observed outer products, of templates and mixing."""
        templates = softmax(logits, axis=1)
        n_templates, n_bins = templates.shape
        mixtures = np.maximum(mixing.shares @ templates, 1e-300)
        spread = np.einsum("kb,bc->kbc", templates, np.eye(n_bins))
        spread -= np.einsum("kb,kc->kbc", templates, templates)
        by_logits = np.einsum("sk,kbc->sbkc", mixing.shares, spread)
        by_mixing = np.einsum("skq,kb->sbq", mixing.slopes, templates)
        jacobian = np.concatenate(
            [
                by_logits.reshape(-1, n_templates * n_bins),
                by_mixing.reshape(self.targets.size, -1 if by_mixing.size else 0),
            ],
            axis=1,
        )
        per_count = (self.targets / mixtures).ravel()
        slope = jacobian.T @ per_count
        curvature = (jacobian * (per_count / mixtures.ravel())[:, None]).T @ jacobian
        totals = counts.sum(axis=1, keepdims=True)
        slope[: logits.size] += (counts - totals * templates).ravel()
        for k in range(n_templates):
            place = slice(k * n_bins, (k + 1) * n_bins)
            curvature[place, place] += totals[k] * spread[k]
        return slope, curvature


class Generators(NamedTuple):
    """A target split among real samples and several generators.

    Attributes:
        prevalence: of all generators together.
        shares: of real samples, then of each generator (1 + generators,); single ones only tell
            anything where their templates differ.
    """

    prevalence: Interval
    shares: tuple[float, ...]


def estimate_generators(
    real: Floats, synthetic: Floats, target: Floats, *, level: float = 0.95
) -> Generators:
    """π where generators have templates of their own and are mixed as the target mixes them.

    One pooled template would be right only if the target mixed generators as the calibration does.

    Args:
        real: calibration counts (bins,), not empty.
        synthetic: one row per generator (generators, bins), none empty.
        target: counts (bins,), not empty.
        level: of the interval.

    Raises:
        InputError: an empty row.
    """
    _require_all(real, synthetic, target)
    model = JointModel(np.vstack([real, synthetic]), target[None])
    n_generators = len(synthetic)
    fits: dict[float, Fit] = {}

    def at(pi: float, like: Fit | None = None) -> Fit:
        """The best fit at a given π, begun from the nearest one."""
        if pi not in fits or like is not None:
            nearest = min(fits, key=lambda known: abs(known - pi), default=None)
            near = like or (None if nearest is None else fits[nearest])
            # A share of nearly 0 has no slope left, and a fit begun there would never leave it.
            start = np.zeros(n_generators - 1) if near is None else np.clip(near.mixing, -4, 4)
            fits[pi] = model.fit(lambda x: _split(pi, x), start, near.logits if near else None)
        return fits[pi]

    grid = np.sin(np.linspace(0.0, np.pi, 9) / 2) ** 2
    nearest = max((float(pi) for pi in grid), key=lambda pi: at(pi).loglik)
    inside = min(max(nearest, 1e-3), 1.0 - 1e-3)
    parts = np.r_[1.0 - inside, inside * softmax(np.r_[0.0, at(nearest).mixing])]
    start = np.log(np.maximum(parts, 1e-9))
    free = model.fit(_free, start[1:] - start[0], at(nearest).logits)
    is_edge = at(nearest).loglik >= free.loglik
    best = at(nearest) if is_edge else free
    shares = (_split(nearest, best.mixing) if is_edge else _free(best.mixing)).shares[0]
    point = float(1.0 - shares[0])
    if not is_edge:
        # At its own π the free fit is the best one, and profiles nearby begin from it.
        at(point, Fit(best.loglik, best.templates, best.mixing[1:] - best.mixing[0], best.logits))
    limit = max(best.loglik, at(point).loglik) - float(chi2.ppf(level, 1)) / 2

    def above(pi: float) -> float:
        return at(pi).loglik - limit

    low, high = (_end(above, point, edge) for edge in (0.0, 1.0))
    return Generators(Interval(low, point, high, level), tuple(float(share) for share in shares))


def _end(above: Callable[[float], float], point: float, edge: float) -> float:
    """Where the profile falls to its limit between the point and an edge; else the edge.

    In steps outwards, each fit begun from the one before it.
    """
    inner = point
    for share in (0.05, 0.15, 0.35, 0.65, 1.0):
        outer = float(point + share * (edge - point))
        if above(outer) < 0:
            break
        inner = outer
    else:
        return edge
    return float(brentq(above, inner, outer, xtol=1e-5)) if above(inner) > 0 else inner


def _require_all(real: Floats, synthetic: Floats, target: Floats) -> None:
    if real.sum() <= 0 or target.sum() <= 0 or (synthetic.sum(axis=1) <= 0).any():
        raise InputError(
            "cannot tell generators apart: real, target or a generator has no counts; "
            "leave that generator out"
        )


def _split(pi: float, x: Floats) -> Mixing:
    """π split among generators by a softmax of (0, x)."""
    parts = softmax(np.r_[0.0, x])
    slopes = np.diag(parts) - np.outer(parts, parts)
    shares = np.r_[1.0 - pi, pi * parts]
    by_x = np.vstack([np.zeros((1, len(x))), pi * slopes[:, 1:]])
    return Mixing(shares[None], by_x[None])


def _free(x: Floats) -> Mixing:
    """All shares by a softmax of (0, x), real samples first."""
    shares = softmax(np.r_[0.0, x])
    slopes = np.diag(shares) - np.outer(shares, shares)
    return Mixing(shares[None], slopes[None, :, 1:])
