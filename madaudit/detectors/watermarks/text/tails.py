"""p-values of text watermarks under "no watermark": exact, or provably no smaller than exact.

The null model: the key is independent of the text. Then each seed gives a list of its own, drawn
at random, and the tokens tested against one list are drawn from the vocabulary without putting
back. Nothing else about the text matters, so it may be of any language or style.

Derivations: docs/text-watermarks.md. Sources: Hoeffding 1956, "On the distribution of the number
of successes in independent trials", theorem 4; Vatutin and Mikhailov 1982 (a hypergeometric
number is a sum of independent Bernoulli numbers).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

# A p-value that floating point would make 0 is told as this one, which is larger.
SMALLEST_P = 1e-300
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Windows(NamedTuple):
    """The best of several windows.

    Attributes:
        p_value: of that window times the number of windows, at most 1.
        n_windows: how many were tried.
        start, length: the best one, in scored tokens.
        n_green: green tokens in it.
    """

    p_value: float
    n_windows: int
    start: int
    length: int
    n_green: int


def green_tail(n_green: int, list_sizes: Ints, *, vocabulary: int, n_listed: int) -> float:
    """P(at least `n_green` green tokens), exact; arguments as for `green_distribution`.

    Returns:
        p-value, [SMALLEST_P, 1].
    """
    chances = green_distribution(list_sizes, vocabulary=vocabulary, n_listed=n_listed)
    return _bounded(float(chances[max(n_green, 0) :].sum()))


def green_distribution(list_sizes: Ints, *, vocabulary: int, n_listed: int) -> Floats:
    """Probabilities of 0 … n green tokens, (n + 1,).

    Args:
        list_sizes: number of distinct tokens tested against each green list, (n_lists,); each
            list's own green number is hypergeometric, and lists are independent.
        vocabulary: tokens in all.
        n_listed: green ones among them.
    """
    sizes, counts = np.unique(np.asarray(list_sizes, dtype=np.int64), return_counts=True)
    distribution = np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        if size == 1:
            share = n_listed / vocabulary
            power = np.asarray(stats.binom.pmf(np.arange(count + 1), count, share))
        else:
            power = _self_convolved(_hypergeometric(size, vocabulary, n_listed), count)
        distribution = np.convolve(distribution, power)
    return distribution


def winmax_tail(green: npt.NDArray[np.bool_], share: float, *, shortest: int) -> Windows:
    """The best of all windows (WinMax, arXiv:2306.04634 §3), charged for every one tried.

    Lengths double from `shortest` up to the whole; starts lie a quarter of a length apart, so a
    marked passage always fills most of some window. Each window's binomial tail bounds the exact
    one from above at and beyond one above the mean (Hoeffding 1956), below it counts as 1; the
    union bound adds them up.

    Args:
        green: whether each scored token is green, in order of the text, (n,).
        share: probability of green, (0, 1).
        shortest: tokens of the shortest window.
    """
    n = len(green)
    sums = np.concatenate(([0], np.cumsum(green)))
    best = Windows(1.0, n_windows(n, shortest), 0, n, int(sums[-1]))
    for length in window_lengths(n, shortest):
        starts = _starts(n, length)
        hits = sums[starts + length] - sums[starts]
        place = int(hits.argmax())
        p_value = binomial_bound(int(hits[place]), length, share)
        if p_value < best.p_value:
            best = Windows(p_value, best.n_windows, int(starts[place]), length, int(hits[place]))
    return best._replace(p_value=min(1.0, best.p_value * best.n_windows))


def n_windows(n: int, shortest: int) -> int:
    """How many windows a text of `n` scored tokens has."""
    return sum(len(_starts(n, length)) for length in window_lengths(n, shortest))


def window_lengths(n: int, shortest: int) -> list[int]:
    """`shortest`, twice that, …, and `n`."""
    lengths = []
    length = shortest
    while length < n:
        lengths.append(length)
        length *= 2
    return [*lengths, n] if n else []


def _starts(n: int, length: int) -> Ints:
    steps = np.arange(0, n - length + 1, max(1, length // 4))
    return np.unique(np.append(steps, n - length))


def binomial_bound(n_green: int, n: int, share: float) -> float:
    """A bound from above on P(at least `n_green`), however the tokens share their lists."""
    if n_green < n * share + 1:
        return 1.0
    # The binomial tail as an incomplete beta function: as exact as scipy.stats, 80 times faster.
    return _bounded(float(special.betainc(n_green, n - n_green + 1, share)))


def weighted_coins_tail(total: int, weights: Ints, counts: Ints, *, share: float) -> float:
    """P(sum of weights of the coins that show heads ≥ total), exact up to rounding.

    The distribution is tilted until `total` is its mean and then inverted by FFT, so the tail has
    full relative precision however small it is; a window of 32 standard deviations stands for
    all, beyond which a Gaussian's tails are below 1e-56.

    Args:
        total: the sum seen.
        weights: distinct positive integer weights, (k,).
        counts: number of coins of each, (k,).
        share: probability of heads of each coin, (0, 1).
    """
    if total <= 0:
        return 1.0
    most = int((weights * counts).sum())
    if total > most:
        return SMALLEST_P
    if total == most:
        return _bounded(math.exp(float(counts.sum()) * math.log(share)))
    variance = float((counts * weights**2).sum()) * share * (1 - share)
    mean = float((counts * weights).sum()) * share
    if total < mean - 10 * math.sqrt(variance):
        return 1.0
    tilt = 0.0 if total <= mean else _tilt(total, weights, counts, share)
    log_generating = float(
        (counts * np.logaddexp(math.log1p(-share), math.log(share) + tilt * weights)).sum()
    )
    near = _tilted_probabilities(
        total, weights, counts, special.expit(special.logit(share) + tilt * weights)
    )
    near_tail = float((near * np.exp(-tilt * np.arange(len(near)))).sum())
    return _bounded(math.exp(min(0.0, log_generating - tilt * total)) * near_tail)


def _tilt(total: int, weights: Ints, counts: Ints, share: float) -> float:
    """The tilt λ at which the tilted mean is `total`."""
    base = float(special.logit(share))

    def excess(tilt: float) -> float:
        return float((counts * weights * special.expit(base + tilt * weights)).sum()) - total

    high = 1.0 / float(weights.max())
    while excess(high) < 0:
        high *= 2
    return float(optimize.brentq(excess, 0.0, high, xtol=1e-14, rtol=1e-12))


def _tilted_probabilities(total: int, weights: Ints, counts: Ints, heads: Floats) -> Floats:
    """P(S = total + d) of independent coins for d = 0 … half a window."""
    sigma = math.sqrt(float((counts * weights**2 * heads * (1 - heads)).sum()))
    n_places = 1 << math.ceil(math.log2(32 * sigma + 2 * float(weights.max()) + 64))
    angles = 2 * np.pi * np.arange(n_places // 2 + 1) / n_places
    logs = np.zeros(len(angles), dtype=np.complex128)
    for weight, count, chance in zip(
        weights.tolist(), counts.tolist(), heads.tolist(), strict=True
    ):
        turned = np.exp(-1j * weight * angles)
        logs += count * np.log(1 - chance + chance * turned)
    spectrum = np.exp(logs + 1j * angles * total)
    near = np.fft.irfft(spectrum, n_places)
    return np.clip(near[: n_places // 2], 0.0, None)


@lru_cache(maxsize=1024)
def _hypergeometric(size: int, vocabulary: int, n_listed: int) -> Floats:
    """Probabilities of 0 … size green tokens among `size` distinct ones of a list."""
    return np.asarray(stats.hypergeom.pmf(np.arange(size + 1), vocabulary, n_listed, size))


def _self_convolved(distribution: Floats, times: int) -> Floats:
    """The distribution of a sum of `times` such numbers; sums of positive terms lose nothing."""
    result = np.ones(1)
    while times:
        if times & 1:
            result = np.convolve(result, distribution)
        times >>= 1
        if times:
            distribution = np.convolve(distribution, distribution)
    return result


def _bounded(p_value: float) -> float:
    return min(1.0, max(SMALLEST_P, p_value))
