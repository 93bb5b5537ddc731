"""The joint likelihood of calibration, target and gold labels, with the templates profiled out.

Per score bin b there are calibration counts of known-real and known-synthetic samples, gold
labels, and unlabelled target samples, which come from the mixture m = (1 − π) f0 + π f1. The
templates f0 and f1 are unknown and estimated from everything at once (full Barlow and Beeston), so
an interval carries the error of the calibration. Derivation: docs/estimation.md.

All arrays are (strata, bins); a calibration that strata share may be (1, bins).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# The solver doubles its digits at every step; bisection, its fallback, needs one per bit.
_MAX_STEPS = 100
_TOLERANCE = 4e-15


class Profile(NamedTuple):
    """The profile likelihood at one π per stratum.

    Attributes:
        loglik: (strata,), against the saturated model, so ≤ 0; −inf where labels exclude π.
        slope: dℓ/dπ (strata,); NaN at both edges, where `inward_slopes` has it.
    """

    loglik: Floats
    slope: Floats


class Solution(NamedTuple):
    """Where the likelihood is greatest at a given π.

    Attributes:
        synthetic: w_b, the probability that an unlabelled sample of bin b is synthetic.
        f0, f1: templates of real and synthetic samples, each summing to 1.
        delta: λ0 − (1 − π) M, the multiplier's distance from its value at large targets (strata,).
    """

    synthetic: Floats
    f0: Floats
    f1: Floats
    delta: Floats


@dataclass(frozen=True)
class Evidence:
    """What is known of strata, per bin, each (strata, bins) of counts that need not be whole.

    Attributes:
        real: R', calibration and gold labels together that are known to be real.
        synthetic: S', the same that are known to be synthetic.
        unlabelled: U, target samples without a label.
        labelled_real, labelled_synthetic: numbers of gold labels in all (strata,).
    """

    real: Floats
    synthetic: Floats
    unlabelled: Floats
    labelled_real: Floats
    labelled_synthetic: Floats

    @classmethod
    def closed(cls, real: Floats, synthetic: Floats, target: Floats) -> Evidence:
        """Calibration alone: the target's scores follow its templates.

        Half a count spread over the bins keeps an empty bin of a small calibration from being
        taken for an impossible one.
        """
        spread = 0.5 / real.shape[-1]
        none = np.zeros(target.shape[0])
        return cls(real + spread, synthetic + spread, target, none, none)

    @classmethod
    def adjudicated(cls, gold_real: Floats, gold_synthetic: Floats, target: Floats) -> Evidence:
        """Labels alone, which were drawn at random within bins; any number per bin is valid."""
        return cls(
            gold_real,
            gold_synthetic,
            np.maximum(target - gold_real - gold_synthetic, 0.0),
            gold_real.sum(axis=1),
            gold_synthetic.sum(axis=1),
        )

    def rows(self, chosen: npt.NDArray[np.intp] | slice) -> Evidence:
        """The strata chosen."""
        n_strata = len(self.labelled_real)
        real, synthetic, unlabelled = (
            part[chosen] if part.shape[0] == n_strata else part
            for part in (self.real, self.synthetic, self.unlabelled)
        )
        return Evidence(
            real,
            synthetic,
            unlabelled,
            self.labelled_real[chosen],
            self.labelled_synthetic[chosen],
        )

    def drawn(self, pi: float, generator: np.random.Generator, n_draws: int) -> Evidence:
        """Data sets like this one stratum's, drawn from the model fitted to it (n_draws, bins).

        Labels keep their number per bin; calibration and target keep their totals.

        Args:
            pi: at which the model is fitted, inside (0, 1).
            generator: of the draws.
            n_draws: data sets.
        """
        fitted = solve(self, np.array([[pi]]), np.array([[1.0 - pi]]))
        if self.labelled_real[0] + self.labelled_synthetic[0] > 0:
            labels = np.rint(self.real[0] + self.synthetic[0]).astype(np.int64)
            found = generator.binomial(labels, fitted.synthetic[0], (n_draws, len(labels)))
            target = np.broadcast_to(self.unlabelled[0] + labels, found.shape)
            return Evidence.adjudicated(
                (labels - found).astype(np.float64), found.astype(np.float64), target
            )
        mixture = (1.0 - pi) * fitted.f0[0] + pi * fitted.f1[0]
        spread = 0.5 / self.real.shape[-1]
        drawn = (
            generator.multinomial(round(float(counts.sum())), shares / shares.sum(), n_draws)
            for counts, shares in (
                (self.real[0] - spread, fitted.f0[0]),
                (self.synthetic[0] - spread, fitted.f1[0]),
                (self.unlabelled[0], mixture),
            )
        )
        return Evidence.closed(*(counts.astype(np.float64) for counts in drawn))

    @property
    def n_strata(self) -> int:
        return len(self.labelled_real)


def profile(evidence: Evidence, theta: Floats) -> Profile:
    """The profile log-likelihood of π = sin²(θ/2).

    Args:
        evidence: of the strata.
        theta: (strata,), in [0, π]; both ends are the closed forms at π = 0 and 1.
    """
    pi, rest = np.sin(theta / 2) ** 2, np.cos(theta / 2) ** 2
    inside = (theta > 0) & (theta < np.pi)
    safe_pi = np.where(inside, pi, 0.5)[:, None]
    safe_rest = np.where(inside, rest, 0.5)[:, None]
    found = solve(evidence, safe_pi, safe_rest)
    loglik = _relative_entropy(evidence.real, found.f0)
    loglik += _relative_entropy(evidence.synthetic, found.f1)
    loglik += _relative_entropy(evidence.unlabelled, safe_rest * found.f0 + safe_pi * found.f1)
    with np.errstate(divide="ignore", invalid="ignore"):
        loglik += _times_log(evidence.labelled_synthetic, pi)
        loglik += _times_log(evidence.labelled_real, rest)
    # (Σ U w + A1)(1 − π) − (Σ U (1 − w) + A0) π, without its large terms.
    slope = (evidence.real.sum(axis=1) - evidence.labelled_real) * safe_pi[:, 0] - found.delta
    slope -= (evidence.synthetic.sum(axis=1) - evidence.labelled_synthetic) * safe_rest[:, 0]
    slope = np.where(inside, slope / (safe_pi * safe_rest)[:, 0], np.nan)
    if not inside.all():
        loglik = np.where(inside, loglik, _at_edge(evidence, is_all_synthetic=theta > 0))
    return Profile(loglik, slope)


def solve(evidence: Evidence, pi: Floats, rest: Floats) -> Solution:
    """The templates that are most likely at a given π, exactly.

    Each bin has a quadratic for w_b once the multiplier λ0 of Σ f0 = 1 is known. The unknown is
    δ = λ0 − (1 − π) M, with M all counts: it stays as small as the calibration however large the
    target grows, where λ0 itself would lose its digits. It is the one root of
    δ = Σ R' + Σ U (1 − w) − (1 − π) M, by Newton's method inside a shrinking bracket.

    Args:
        evidence: of the strata.
        pi: π (strata, 1), above 0.
        rest: 1 − π, above 0; apart, since it would lose its digits next to π = 1.
    """
    unlabelled = evidence.unlabelled
    n_unlabelled = unlabelled.sum(axis=1, keepdims=True)
    n_real = evidence.real.sum(axis=1, keepdims=True)
    total = n_real + evidence.synthetic.sum(axis=1, keepdims=True) + n_unlabelled
    low = n_real - rest * total
    high = low + n_unlabelled
    delta = low + n_unlabelled * rest
    for _ in range(_MAX_STEPS):
        weights, slope = _bin_weights(evidence, rest, pi, total, delta)
        gap = n_real + (unlabelled * (1.0 - weights)).sum(axis=1, keepdims=True)
        gap -= rest * total + delta
        low = np.where(gap > 0, delta, low)
        high = np.where(gap > 0, high, delta)
        moved = delta + gap / (1.0 + (unlabelled * slope).sum(axis=1, keepdims=True))
        moved = np.where((moved < low) | (moved > high), (low + high) / 2, moved)
        settled = np.abs(moved - delta) <= _TOLERANCE * total
        delta = moved
        if settled.all():
            break
    weights, _ = _bin_weights(evidence, rest, pi, total, delta)
    return Solution(
        weights,
        _normalised(evidence.real + unlabelled * (1.0 - weights)),
        _normalised(evidence.synthetic + unlabelled * weights),
        delta[:, 0],
    )


def _bin_weights(
    evidence: Evidence, rest: Floats, pi: Floats, total: Floats, delta: Floats
) -> tuple[Floats, Floats]:
    """The root w in [0, 1] of every bin's quadratic, and how fast it grows with δ."""
    real, synthetic, unlabelled = evidence.real, evidence.synthetic, evidence.unlabelled
    lambda0, lambda1 = rest * total + delta, pi * total - delta
    a, c = rest / lambda0, pi / lambda1
    # The square's factor C − A is δ / (λ0 λ1) exactly: no difference of large numbers.
    square = unlabelled * (delta / (lambda0 * lambda1))
    constant = c * synthetic
    linear = a * real + constant - square
    root = np.sqrt(np.maximum(linear**2 + 4.0 * square * constant, 0.0))
    # Of the two forms of the root, the one without cancellation.
    is_upper = linear >= 0
    above = np.where(is_upper, 2.0 * constant, root - linear)
    below = np.where(is_upper, linear + root, 2.0 * square)
    weights = np.divide(above, below, out=np.zeros_like(below), where=below > 0)
    np.minimum(weights, 1.0, out=weights)
    flow = a * weights * (real + unlabelled * (1.0 - weights)) * (1.0 / lambda0 + 1.0 / lambda1)
    return weights, np.divide(flow, root, out=np.zeros_like(root), where=root > 0)


def _at_edge(evidence: Evidence, *, is_all_synthetic: npt.NDArray[np.bool_]) -> Floats:
    """The closed form at π = 0 and π = 1: the target is one more sample of one template."""
    at_zero = _pooled(evidence.real, evidence.unlabelled)
    at_one = _pooled(evidence.synthetic, evidence.unlabelled)
    return np.where(
        is_all_synthetic,
        np.where(evidence.labelled_real > 0, -np.inf, at_one),
        np.where(evidence.labelled_synthetic > 0, -np.inf, at_zero),
    )


def inward_slopes(evidence: Evidence) -> tuple[Floats, Floats]:
    """How the likelihood grows from π = 0 and from π = 1 inwards, dℓ/dπ and −dℓ/dπ (strata,).

    A slope ≤ 0 makes the edge a maximum. In closed form, since the numerical slope near an edge is
    a difference of the target's counts divided by √π.
    """
    at_zero = _inward(evidence.real, evidence.synthetic, evidence.unlabelled)
    at_one = _inward(evidence.synthetic, evidence.real, evidence.unlabelled)
    return (
        np.where(evidence.labelled_synthetic > 0, np.inf, at_zero - evidence.labelled_real),
        np.where(evidence.labelled_real > 0, np.inf, at_one - evidence.labelled_synthetic),
    )


def _inward(kept: Floats, other: Floats, unlabelled: Floats) -> Floats:
    pooled = kept + unlabelled
    share = np.divide(kept, pooled, out=np.ones_like(pooled), where=pooled > 0)
    # Without a sample of the other class its template is free, and sits where it does most.
    is_known = other.sum(axis=1) > 0
    known = (_normalised(other) * share).sum(axis=1)
    total = pooled.sum(axis=1)
    at_best = np.where(is_known, known, share.min(axis=1))
    return np.asarray(kept.sum(axis=1) - total * at_best)


def _pooled(known: Floats, unlabelled: Floats) -> Floats:
    template = _normalised(known + unlabelled)
    return _relative_entropy(known, template) + _relative_entropy(unlabelled, template)


def _relative_entropy(counts: Floats, template: Floats) -> Floats:
    """Σ counts · ln(template / observed share), 0 where the template fits exactly.

    The logarithm is of a ratio near 1, which keeps its digits at five thousand million counts.
    """
    total = counts.sum(axis=1, keepdims=True)
    expected = template * total
    excess = np.divide(expected - counts, counts, out=np.zeros_like(expected), where=counts > 0)
    with np.errstate(divide="ignore"):
        terms = np.where(counts > 0, counts * np.log1p(np.maximum(excess, -1.0)), 0.0)
    return np.asarray(terms.sum(axis=1))


def _normalised(counts: Floats) -> Floats:
    total = counts.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(counts, total, out=np.zeros_like(counts), where=total > 0))


def _times_log(counts: Floats, share: Floats) -> Floats:
    return np.where(counts > 0, counts * np.log(share), 0.0)
