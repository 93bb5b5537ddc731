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
    if real.sum() <= 0 or target.sum() <= 0:
        return 0.0
    starts = tail_starts(real)
    above = np.append(np.cumsum(target[::-1])[::-1], 0.0)[starts]
    return float(least_prevalences(real, above[None], np.array([target.sum()]), level=level)[0])


def least_of_any_mix(
    sources: Floats, target: Floats, starts: npt.NDArray[np.intp], *, level: float = 0.95
) -> float:
    """The excess over whichever known real source looks most synthetic, tail by tail.

    The pooled bound takes the target's real samples to be mixed of sources as the calibration's
    are. Whatever their mix, no more of them lies in a tail than of the worst source. Sources'
    shares are taken as found, with no interval of their own, so the bound stands beside the pooled
    one and never replaces it: the lesser counts.

    Args:
        sources: calibration counts by real source and score bin (sources, bins), none empty.
        target: counts that are worth n_eff (bins,).
        starts: first bins of the tails (tails,).
        level: of the two-sided interval whose lower end this is.
    """
    counts = np.vstack([target, sources])
    above = np.pad(np.cumsum(counts[:, ::-1], axis=1)[:, ::-1], ((0, 0), (0, 1)))[:, starts]
    worst = (above[1:] / sources.sum(axis=1, keepdims=True)).max(axis=0)
    low = _lower(above[0], np.array(target.sum()), (1.0 - level) / 2.0 / len(starts))
    excess = np.divide(low - worst, 1.0 - worst, out=np.zeros_like(low), where=worst < 1.0)
    return float(np.maximum(excess, 0.0).max())


def tail_starts(real: Floats) -> npt.NDArray[np.intp]:
    """First bins of the tails A_k, ascending; at most eight, some may be empty.

    Args:
        real: calibration counts by ascending score bin (bins,), not empty.
    """
    below = np.cumsum(real) / real.sum()
    starts = np.unique([np.searchsorted(below, q - 1e-12) + 1 for q in _QUANTILES])
    return np.asarray(np.minimum(starts, len(real)), dtype=np.intp)


def least_prevalences(
    real: Floats, above: Floats, n_target: Floats, *, level: float = 0.95
) -> Floats:
    """The bound of `least_prevalence` for many strata at once.

    Args:
        real: calibration counts by ascending score bin (bins,), not empty.
        above: target counts in each tail of `tail_starts` (strata, tails).
        n_target: target counts in all (strata,).
        level: of the two-sided interval.
    """
    n_real = float(real.sum())
    above_real = np.append(np.cumsum(real[::-1])[::-1], 0.0)[tail_starts(real)]
    tail = (1.0 - level) / 2.0 / (2.0 * len(_QUANTILES))
    high = _upper(above_real, n_real, tail)
    low = _lower(above, n_target[:, None], tail)
    excess = np.divide(low - high, 1.0 - high, out=np.zeros_like(low), where=high < 1.0)
    return np.asarray(np.maximum(excess.max(axis=1), 0.0))


def _upper(successes: Floats, trials: float, tail: float) -> Floats:
    all_of_them = successes >= trials
    bound = beta.ppf(1.0 - tail, successes + 1.0, np.where(all_of_them, 1.0, trials - successes))
    return np.where(all_of_them, 1.0, bound)


def _lower(successes: Floats, trials: Floats, tail: float) -> Floats:
    none = successes <= 0
    bound = beta.ppf(
        tail, np.where(none, 1.0, successes), np.maximum(trials - successes, 0.0) + 1.0
    )
    return np.where(none, 0.0, bound)
