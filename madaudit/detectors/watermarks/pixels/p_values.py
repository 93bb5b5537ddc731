"""How likely as many matching bits are without a mark.

Three statements, apart: for a message drawn at random, each of n bits matches with probability ½
whatever the image holds, so the binomial tail is exact. A published message is not drawn at random
and photos' bits are correlated, so its tail is beta-binomial with a mean and a correlation that
were measured on photos (`messages.toml` says on which); that is a model below the rates that the
photos can show. Whatever was tried multiplies the probability (Bonferroni), which holds under any
dependence.
"""

from __future__ import annotations

from functools import cache
from math import log10

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]


@cache
def tail(n_bits: int, mean: float = 0.5, correlation: float = 0.0) -> tuple[float, ...]:
    """P(at least k of n bits match), for k = 0 … n.

    Args:
        n_bits: length of the message.
        mean: probability that a bit matches, in (0, 1).
        correlation: between two bits of one image, in [0, 1); 0 is the binomial.

    Returns:
        n_bits + 1 probabilities, each at least the binomial's at ½.
    """
    k = np.arange(n_bits + 1)
    fair = np.where(k == 0, 1.0, special.betainc(np.maximum(k, 1), n_bits - k + 1.0, 0.5))
    if correlation == 0.0 and mean == 0.5:
        return tuple(fair.tolist())
    if correlation == 0.0:
        tilted = np.where(k == 0, 1.0, special.betainc(np.maximum(k, 1), n_bits - k + 1.0, mean))
    else:
        a = mean * (1 / correlation - 1)
        b = (1 - mean) * (1 / correlation - 1)
        log_pmf = (
            special.gammaln(n_bits + 1) - special.gammaln(k + 1) - special.gammaln(n_bits - k + 1)
        ) + (special.betaln(k + a, n_bits - k + b) - special.betaln(a, b))
        # From the small end up, so that no small term is lost against a large sum.
        tilted = np.minimum(np.cumsum(np.exp(log_pmf)[::-1])[::-1], 1.0)
    return tuple(np.maximum(fair, tilted).tolist())


def charged(p_value: float, hypotheses: int) -> float:
    """A p-value after as many hypotheses were tried, at most 1."""
    return min(1.0, p_value * hypotheses)


def score(p_value: float) -> float:
    """−log10 p, never negative and never "-0"."""
    return 0.0 if p_value >= 1.0 else -log10(max(p_value, 1e-300))


def bits_needed(n_bits: int, p_value: float, mean: float = 0.5, correlation: float = 0.0) -> int:
    """The fewest matching bits with a tail of at most `p_value`; n_bits + 1 where none suffice."""
    table = np.array(tail(n_bits, mean, correlation))
    return int(np.argmax(np.append(table, 0.0) <= p_value))
