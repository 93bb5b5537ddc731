"""A lower bound of π that assumes nothing of synthetic samples.

Real samples are known from the calibration. Where the target has more in a tail of the scores than
real samples explain, the excess is synthetic. Whatever looks real escapes, so there is no point
and no upper end. It holds only where the calibration's real samples are of the target's kind.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

Floats = npt.NDArray[np.float64]

_QUANTILES = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0)


def least_prevalence(real: Floats, target: Floats, *, level: float = 0.95) -> float:
    """The largest excess of the target over real samples in eight tails of the scores.

    L = max_k (m_low(A_k) − f0_high(A_k)) / (1 − f0_high(A_k)), with Clopper and Pearson's bounds
    shared out over both sides and all tails (Bonferroni), so that P(L ≤ π) ≥ 1 − (1 − level)/2.

    Args:
        real: calibration counts by ascending score bin (bins,).
        target: counts that are worth n_eff (bins,).
        level: of the two-sided interval whose lower end this is.

    Source: after Scott 2015 (mixture proportion estimation), over fixed tails; derivation in
    docs/estimation.md.
    """
    n_real, n_target = float(real.sum()), float(target.sum())
    if n_real <= 0 or n_target <= 0:
        return 0.0
    below = np.cumsum(real) / n_real
    starts = np.unique([np.searchsorted(below, q - 1e-12) + 1 for q in _QUANTILES])
    above_real = n_real - np.concatenate([[0.0], np.cumsum(real)])[np.minimum(starts, len(real))]
    above = n_target - np.concatenate([[0.0], np.cumsum(target)])[np.minimum(starts, len(real))]
    tail = (1.0 - level) / 2.0 / (2.0 * len(_QUANTILES))
    high = _upper(np.maximum(above_real, 0.0), n_real, tail)
    low = _lower(np.maximum(above, 0.0), n_target, tail)
    excess = np.divide(low - high, 1.0 - high, out=np.zeros_like(low), where=high < 1.0)
    return float(max(excess.max(), 0.0))


def _upper(successes: Floats, trials: float, tail: float) -> Floats:
    all_of_them = successes >= trials
    bound = beta.ppf(1.0 - tail, successes + 1.0, np.where(all_of_them, 1.0, trials - successes))
    return np.where(all_of_them, 1.0, bound)


def _lower(successes: Floats, trials: float, tail: float) -> Floats:
    none = successes <= 0
    bound = beta.ppf(tail, np.where(none, 1.0, successes), trials - successes + 1.0)
    return np.where(none, 0.0, bound)
