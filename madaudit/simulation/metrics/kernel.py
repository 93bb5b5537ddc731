"""Kernel distance: the squared maximum mean discrepancy with a cubic kernel (KID)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from madaudit.simulation.metrics.features import Features, as_features

# Rows of one block of kernel values, so that no n × n matrix stands in memory.
_BLOCK = 2048


def kernel_distance(real: npt.ArrayLike, synthetic: npt.ArrayLike) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (xᵀy/d + 1)³.

    Its expectation does not depend on n, unlike the Fréchet distance's, so small samples may be
    compared with large ones; it may come out below 0 where distributions are equal. All pairs are
    used; the usual mean over random subsets of 1,000 has the same expectation and more variance.

    Args:
        real: features (n, d).
        synthetic: features (m, d) of the same encoder.

    Returns:
        The estimate, in units of the kernel.

    Raises:
        InputError: fewer than two samples, other dimensions, or values that are not finite.

    Source: Bińkowski et al. 2018, arXiv:1801.01401, §3.1 and eq. 4 (MMD²_u).
    """
    first, second = as_features(real, synthetic, least=2)
    n, m = len(first), len(second)
    within_first = _sum(first, first) - _diagonal(first)
    within_second = _sum(second, second) - _diagonal(second)
    across = _sum(first, second)
    return float(
        within_first / (n * (n - 1)) + within_second / (m * (m - 1)) - 2.0 * across / (n * m)
    )


def _sum(first: Features, second: Features) -> float:
    d = first.shape[1]
    total = 0.0
    for start in range(0, len(first), _BLOCK):
        total += float(((first[start : start + _BLOCK] @ second.T / d + 1.0) ** 3).sum())
    return total


def _diagonal(features: Features) -> float:
    d = features.shape[1]
    return float(((np.einsum("ij,ij->i", features, features) / d + 1.0) ** 3).sum())
