"""Gold labels: which samples to draw, how many more, and what mistakes of the labellers cost.

Labels are drawn at random within score bins, in numbers that follow where the uncertainty lies.
People err: blind checks, samples whose truth is known, measure how often, and the interval carries
both their errors and the error of measuring them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy
from scipy.stats import chi2

from madaudit.errors import OptionError
from madaudit.estimation.intervals import (
    TemplateLikelihood,
    angle_of,
    find_intervals,
    search,
    share_of,
)
from madaudit.estimation.likelihood import Evidence
from madaudit.types import Interval

Floats = npt.NDArray[np.float64]

_LEAST_PER_BIN = 2
_LEAST_PER_LARGE_BIN = 5
_LARGE_BIN = 0.05
# Statistics beyond which a value is as good as excluded, and steps of the tables up to there.
_EXCLUDED = 36.0
_TABLE = 401
_LOOK = 81
_ROOTS = np.linspace(-3.2, 3.2, 49)


@dataclass(frozen=True)
class LabelChecks:
    """Blind checks among the labelled samples: their truth is known, the labeller sees nothing.

    Attributes:
        real: checks that are real.
        real_called_synthetic: of these.
        synthetic: checks that are synthetic.
        synthetic_called_real: of these.
    """

    real: int
    real_called_synthetic: int
    synthetic: int
    synthetic_called_real: int

    def __post_init__(self) -> None:
        wrong = (self.real_called_synthetic, self.synthetic_called_real)
        for found, total in zip(wrong, (self.real, self.synthetic), strict=True):
            if total <= 0 or not 0 <= found <= total:
                raise OptionError(
                    f"cannot correct labels: {found} of {total} checks wrong; at least one check "
                    f"of each class is needed, and at most all are wrong"
                )


def allocate(
    target: Floats, p_synthetic: Floats, n_labels: int, *, share: float = 0.3
) -> npt.NDArray[np.int64]:
    """Labels to draw in each bin.

    A share follows the target, the rest Neyman's rule T_b √(w_b (1 − w_b)); every bin gets two and
    a bin of more than 5 % of the target five, since a bin without labels may hold anything.

    Args:
        target: samples that can be drawn (bins,); one per near-duplicate cluster.
        p_synthetic: w_b by the closed fit (bins,).
        n_labels: in all; more are drawn only where the least numbers ask for it, fewer only
            where the target has no more.
        share: that follows the target; .3, and .5 to 1 where π is expected below .005.
    """
    size = target / max(target.sum(), 1.0)
    spread = target * np.sqrt(p_synthetic * (1.0 - p_synthetic))
    wanted = share * size
    wanted = wanted + (1.0 - share) * (spread / spread.sum() if spread.sum() > 0 else size)
    least = np.where(size > _LARGE_BIN, _LEAST_PER_LARGE_BIN, _LEAST_PER_BIN)
    least = np.minimum(least, target)
    drawn = np.asarray(least, dtype=np.float64)
    # Small bins of much uncertainty run out; what they cannot give goes to the others.
    while True:
        left = np.minimum(n_labels, target.sum()) - drawn.sum()
        extra = np.maximum(n_labels * wanted - drawn, 0.0) * (drawn < target)
        if extra.sum() <= 0:
            extra = (target - drawn) * (drawn < target)
        if left < 1.0 or extra.sum() <= 0:
            break
        drawn = np.minimum(drawn + _rounded(extra * (round(left) / extra.sum())), target)
    return np.asarray(drawn, dtype=np.int64)


def labels_needed(
    gold_real: Floats, gold_synthetic: Floats, target: Floats, width: float, *, level: float = 0.95
) -> int:
    """Labels in all at which the interval is expected to be as narrow as asked.

    What was found so far is taken to go on at the same rates in the same allocation.

    Args:
        gold_real: labels so far by bin (bins,), not all empty.
        gold_synthetic: the same.
        target: samples by bin.
        width: high − low, (0, 1).
        level: of the interval.

    Raises:
        OptionError: no labels yet, or a width out of range.
    """
    n_labels = float(gold_real.sum() + gold_synthetic.sum())
    if n_labels <= 0 or not 0.0 < width < 1.0:
        raise OptionError(
            f"cannot plan labels for width {width} from {n_labels:g} labels; "
            f"the width must lie between 0 and 1, after a first draw"
        )
    factors = np.geomspace(1.0, max(float(target.sum()) / n_labels, 1.0), 60)[:, None]
    evidence = Evidence.adjudicated(
        gold_real * factors, gold_synthetic * factors, np.maximum(target, n_labels * factors)
    )
    found = find_intervals(evidence, level=level)
    enough = np.flatnonzero(found.high - found.low <= width)
    return round(n_labels * float(factors[enough[0] if len(enough) else -1, 0]))


def corrected_interval(
    evidence: Evidence, checks: LabelChecks, *, level: float = 0.95
) -> Interval:
    """π from labels of people who err as often as blind checks say.

    Labels say synthetic at rate π* = ε0 + (1 − ε0 − ε1) π in all, so
    ℓ(π) = max over (ε0, ε1) of ℓ_labels(π*) + ℓ_checks(ε0, ε1), and the interval is the set whose
    statistic stays within χ²₁.

    Args:
        evidence: of one stratum, labels as given.
        checks: of the same labellers.
        level: confidence level.
    """
    angles, roots = _label_roots(evidence)
    wrong_real = _error_table(checks.real_called_synthetic, checks.real)
    wrong_synthetic = _error_table(checks.synthetic_called_real, checks.synthetic)
    first, second = np.meshgrid(wrong_real, wrong_synthetic, indexing="ij")
    cost = _ROOTS[:, None] ** 2 + _ROOTS[None, :] ** 2
    possible = (first + second < 1.0) & np.isfinite(first + second)
    first, second, cost = first[possible], second[possible], cost[possible]

    def statistic_of(theta: Floats) -> Floats:
        values = np.empty_like(theta)
        for index, pi in enumerate(share_of(theta)):
            called = angle_of(np.clip(first + (1.0 - first - second) * pi, 0.0, 1.0))
            values[index] = (_square_at(called, angles, roots) + cost).min()
        return values

    limit = float(chi2.ppf(level, 1))
    # Once over all of [0, π], then where the first look found the interval.
    theta = np.linspace(0.0, np.pi, _LOOK)
    statistic = statistic_of(theta)
    inside = np.flatnonzero(statistic - statistic.min() <= limit)
    first_out, last_out = max(inside[0] - 1, 0), min(inside[-1] + 1, _LOOK - 1)
    theta = np.linspace(float(theta[first_out]), float(theta[last_out]), _LOOK)
    statistic = statistic_of(theta)
    statistic -= statistic.min()
    ends = [_crossing(theta, statistic, side, limit) for side in (0, -1)]
    low, point, high = share_of(np.array([ends[0], theta[statistic.argmin()], ends[1]]))
    return Interval(float(low), float(point), float(high), level)


def _label_roots(evidence: Evidence) -> tuple[Floats, Floats]:
    """Signed root of the statistic of π*, nearly a straight line, where it is not excluded."""
    likelihood = TemplateLikelihood(evidence)
    found = search(likelihood, np.array([_EXCLUDED]))
    low, point, high = (float(angle_of(column)[0]) for column in found[:3])
    angles = np.unique(np.r_[np.linspace(low, point, _TABLE), np.linspace(point, high, _TABLE)])
    rows = evidence.rows(np.zeros(len(angles), dtype=np.intp))
    statistic = 2.0 * (found.loglik[0] - TemplateLikelihood(rows)(angles).loglik)
    root = np.sqrt(np.clip(statistic, 0.0, 2.0 * _EXCLUDED))
    return angles, np.where(angles < point, -root, root)


def _square_at(theta: Floats, angles: Floats, roots: Floats) -> Floats:
    beyond = np.maximum(angles[0] - theta, 0.0) + np.maximum(theta - angles[-1], 0.0)
    return np.asarray(np.interp(theta, angles, roots) ** 2 + 1e3 * beyond)


def _error_table(wrong: int, checks: int) -> Floats:
    """Error rate at each signed root of the binomial's statistic; NaN where there is none."""
    rates = np.r_[0.0, np.geomspace(1e-7, 1e-3, 200), np.linspace(1e-3, 1.0 - 1e-9, 4000)[1:]]
    share = wrong / checks
    loglik = xlogy(wrong, rates) + xlogy(checks - wrong, 1.0 - rates)
    best = float(xlogy(wrong, share) + xlogy(checks - wrong, 1.0 - share))
    with np.errstate(invalid="ignore"):
        roots = np.sign(rates - share) * np.sqrt(np.maximum(2.0 * (best - loglik), 0.0))
    finite = np.isfinite(roots)
    return np.asarray(np.interp(_ROOTS, roots[finite], rates[finite], left=np.nan, right=np.nan))


def _crossing(theta: Floats, statistic: Floats, side: int, limit: float) -> float:
    """First (0) or last (−1) θ within the limit, between two steps by the statistic's root."""
    at = int(np.flatnonzero(statistic <= limit)[side])
    outer = at - 1 if side == 0 else at + 1
    if not 0 <= outer < len(theta):
        return float(theta[at])
    within, beyond = np.sqrt(statistic[[at, outer]])
    share = (np.sqrt(limit) - within) / (beyond - within)
    return float(theta[at] + share * (theta[outer] - theta[at]))


def _rounded(numbers: Floats) -> Floats:
    """Whole numbers of the same sum, by largest remainders."""
    whole = np.floor(numbers)
    left = round(float(numbers.sum() - whole.sum()))
    whole[np.argsort(whole - numbers, kind="stable")[:left]] += 1
    return whole
