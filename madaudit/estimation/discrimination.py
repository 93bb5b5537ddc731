"""How well a score tells synthetic samples from real ones, with intervals that hold.

Everything is free of assumptions on the scores' distributions; missing scores are left out by the
caller, who knows how many there were.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, isotonic_regression
from scipy.special import expit
from scipy.stats import beta, binom, norm

from madaudit.errors import OptionError
from madaudit.types import Interval

Floats = npt.NDArray[np.float64]
#: False-alarm rates that are always told, however wide their intervals.
USUAL_FPR = (0.05, 0.01)
# Real samples that a lower rate needs: at 30 expected false alarms it is known to a third.
_REAL_PER_FPR = 30
_N_RELIABILITY_BINS = 10


def auc(real: Floats, synthetic: Floats, level: float = 0.95) -> Interval | None:
    """Probability that a synthetic sample scores above a real one, ties at half.

    The interval is a score interval: it inverts Hanley and McNeil's variance at each candidate, so
    that it has a width where the classes are told apart without an error.

    Args:
        real: scores of real samples (n,), without missing ones.
        synthetic: of synthetic ones (m,), likewise.
        level: of the interval.

    Returns:
        None where a class has no sample.

    Source: R. G. Newcombe, Statistics in Medicine 25 (2006) 559–573, method 5; the variance is of
    Hanley and McNeil, Radiology 143 (1982) 29–36, with both sample numbers' mean in it.
    """
    n, m = len(real), len(synthetic)
    if not n or not m:
        return None
    ordered = np.sort(real)
    below = np.searchsorted(ordered, synthetic, side="left")
    upto = np.searchsorted(ordered, synthetic, side="right")
    point = float((below + upto).sum()) / (2.0 * n * m)
    z = float(norm.ppf(0.5 + level / 2))
    half = (n + m) / 2 - 1

    def excess(theta: float) -> float:
        spread = (1 - theta) / (2 - theta) + theta / (1 + theta)
        return (theta - point) ** 2 - z**2 * theta * (1 - theta) * (1 + half * spread) / (n * m)

    # At 0 and 1 the variance is none, so that an edge is always a root, and never the one sought.
    inside = min(max(point, 1e-9), 1 - 1e-9)
    low = 0.0 if point <= 0 else brentq(excess, 0.0, inside, xtol=1e-9)
    high = 1.0 if point >= 1 else brentq(excess, inside, 1.0, xtol=1e-9)
    return Interval(float(low), point, float(high), level)


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold with a wanted false-alarm rate detects.

    Attributes:
        fpr: wanted, (0, 1).
        threshold: samples at and above it are called synthetic; NaN where no threshold is that
            rare.
        tpr: share of synthetic samples that a threshold of this true rate calls, with what is not
            known of the threshold.
        seen_fpr: share of real samples called at this very threshold.
    """

    fpr: float
    threshold: float
    tpr: Interval
    seen_fpr: Interval

    def to_dict(self) -> dict[str, Any]:
        return {
            **self.tpr.to_dict(),
            "threshold": self.threshold if math.isfinite(self.threshold) else None,
            "fpr": self.seen_fpr.to_dict(),
        }


def operating_point(
    real: Floats, synthetic: Floats, fpr: float, level: float = 0.95
) -> OperatingPoint | None:
    """The detected share at a false-alarm rate.

    Half of the error is spent on the threshold, whose bounds are order statistics of the real
    scores, and half on the share above it (Clopper and Pearson): exact, and a little conservative.

    Args:
        real: scores of real samples (n,), without missing ones.
        synthetic: of synthetic ones (m,), likewise.
        fpr: wanted rate, (0, 1).
        level: of the intervals.

    Returns:
        None where a class has no sample.

    Raises:
        OptionError: a rate for which there are too few real samples (`require_fpr`).
    """
    require_fpr(fpr, len(real))
    if not len(real) or not len(synthetic):
        return None
    ordered = np.sort(real)
    n, alpha = len(real), (1 - level) / 2
    # The (1 − fpr) quantile lies above the k-th smallest with probability P(Bin(n, 1 − fpr) ≥ k).
    counts = np.arange(n + 2)
    least = int(counts[binom.sf(counts - 1, n, 1 - fpr) >= 1 - alpha / 2].max())
    most = int(counts[binom.cdf(counts - 1, n, 1 - fpr) >= 1 - alpha / 2].min())
    lowest = -np.inf if least < 1 else ordered[least - 1]
    highest = np.inf if most > n else ordered[most - 1]
    low = _share(int((synthetic >= highest).sum()), len(synthetic), 1 - alpha).low
    high = _share(int((synthetic >= lowest).sum()), len(synthetic), 1 - alpha).high
    threshold = _threshold(ordered, synthetic, fpr)
    called = int((synthetic >= threshold).sum()) if math.isfinite(threshold) else 0
    alarms = int((real >= threshold).sum()) if math.isfinite(threshold) else 0
    point = called / len(synthetic)
    return OperatingPoint(
        fpr,
        threshold,
        Interval(min(low, point), point, max(high, point), level),
        _share(alarms, n, level),
    )


def _threshold(ordered: Floats, synthetic: Floats, fpr: float) -> float:
    """The lowest score seen at which at most that share of real samples is called."""
    limit = ordered[len(ordered) - 1 - math.floor(fpr * len(ordered) + 1e-9)]
    above = np.concatenate([ordered, synthetic])
    above = above[above > limit]
    return float(above.min()) if len(above) else math.nan


def require_fpr(fpr: float, n_real: int) -> None:
    """Refuse a false-alarm rate that the real samples cannot show.

    Raises:
        OptionError: not in (0, 1), or below the usual ones with fewer than 30 / fpr real samples.
    """
    if not 0 < fpr < 1:
        raise OptionError(f"cannot give a tpr at fpr {fpr}; allowed is (0, 1)")
    if fpr < min(USUAL_FPR) and n_real < _REAL_PER_FPR / fpr * (1 - 1e-9):
        raise OptionError(
            f"cannot give a tpr at fpr {fpr:g} from {n_real} real samples; needed are "
            f"{math.ceil(_REAL_PER_FPR / fpr - 1e-9)}, so give more of them or a higher rate"
        )


def _share(count: int, n: int, level: float) -> Interval:
    """An exact binomial interval (Clopper and Pearson)."""
    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(beta.ppf(tail, count, n - count + 1))
    high = 1.0 if count == n else float(beta.ppf(1 - tail, count + 1, n - count))
    return Interval(low, count / n, high, level)


@dataclass(frozen=True)
class Reliability:
    """Whether a log-likelihood ratio means what it says.

    Attributes:
        bins: from the lowest ratios to the highest: what was said (mean probability of being
            synthetic at even odds), what was seen (share of synthetic ones, each class weighing
            the same), and how many real and synthetic samples are behind it.
        error: mean |said − seen| over the bins, by weight.
        cost: Cllr, in bits: 0 tells all, 1 tells nothing; above 1 misleads.
        least_cost: Cllr of the best rising relabelling, so cost − least_cost is calibration's.
    """

    bins: tuple[dict[str, Any], ...]
    error: float
    cost: float
    least_cost: float

    def to_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "bins": list(self.bins)}


def reliability(real: Floats, synthetic: Floats) -> Reliability | None:
    """How far combined log-likelihood ratios can be taken at their word.

    Args:
        real: ln f1/f0 of real samples (n,), on which the combiner was not fitted.
        synthetic: of synthetic ones (m,), likewise.

    Returns:
        None where a class has no sample.

    Source: Cllr and its minimum: N. Brümmer and J. du Preez, Computer Speech & Language 20 (2006)
    230–275.
    """
    if not len(real) or not len(synthetic):
        return None
    ratios = np.concatenate([real, synthetic])
    truth = np.repeat([0.0, 1.0], [len(real), len(synthetic)])
    shares = np.repeat([0.5 / len(real), 0.5 / len(synthetic)], [len(real), len(synthetic)])
    order = np.lexsort((truth, ratios))
    ratios, truth, shares = ratios[order], truth[order], shares[order]
    said = expit(ratios)
    place = np.minimum(
        (shares.cumsum() * _N_RELIABILITY_BINS - 1e-9).astype(int), _N_RELIABILITY_BINS - 1
    )
    bins = []
    for number in np.unique(place):
        rows = place == number
        weight = shares[rows]
        n_synthetic = int(truth[rows].sum())
        bins.append(
            {
                "said": float(weight @ said[rows] / weight.sum()),
                "seen": float(weight @ truth[rows] / weight.sum()),
                "n_real": int(rows.sum()) - n_synthetic,
                "n_synthetic": n_synthetic,
                "weight": float(weight.sum()),
            }
        )
    error = sum(one["weight"] * abs(one["said"] - one["seen"]) for one in bins)
    fitted = isotonic_regression(truth, weights=shares).x
    with np.errstate(divide="ignore"):
        best = np.log(fitted) - np.log1p(-fitted)
    return Reliability(
        tuple(bins), float(error), _cost(ratios, truth, shares), _cost(best, truth, shares)
    )


def _cost(ratios: Floats, truth: Floats, shares: Floats) -> float:
    """Cllr: Σ u log2(1 + e^{∓ratio}), u adding up to ½ in each class."""
    sign: Sequence[float] | Floats = np.where(truth > 0, -1.0, 1.0)
    return float(shares @ np.logaddexp(0.0, sign * ratios) / math.log(2))
