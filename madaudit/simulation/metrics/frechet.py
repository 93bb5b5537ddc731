"""Fréchet distance between Gaussians fitted to features (FID, where they are Inception's)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from madaudit.simulation.metrics.features import Features, as_features


def frechet_distance(real: npt.ArrayLike, synthetic: npt.ArrayLike) -> float:
    """Fréchet distance between two Gaussians fitted to features.

    ‖μ_r − μ_s‖² + tr(Σ_r + Σ_s − 2 (Σ_r Σ_s)^½), covariances with n − 1 in float64. Symmetric, 0
    iff the moments are equal, and biased upwards for small n, so compare it only at equal n. It is
    a squared distance: the paper's "WD" and everybody's FID are.

    The trace of the root is the sum of singular values of R_r R_sᵀ, where Σ = RᵀR comes from a QR
    decomposition of the features. No covariance is squared and rooted again on the way, so that it
    stays exact where n < d and covariances are singular, where the usual root of the product
    needs a ridge.

    Args:
        real: features (n, d).
        synthetic: features (m, d) of the same encoder.

    Returns:
        Squared feature units, ≥ 0.

    Raises:
        InputError: fewer than two samples, other dimensions, or values that are not finite.

    Source: Heusel et al. 2017, arXiv:1706.08500, §3 (the distance d²((m, C), (m_w, C_w))); the
    distance itself Dowson & Landau 1982.
    """
    first, second = as_features(real, synthetic, least=2)
    mean_first, root_first = _moments(first)
    mean_second, root_second = _moments(second)
    gap = mean_first - mean_second
    traces = float(np.sum(root_first**2) + np.sum(root_second**2))
    overlap = float(np.linalg.svd(root_first @ root_second.T, compute_uv=False).sum())
    return max(float(gap @ gap) + traces - 2.0 * overlap, 0.0)


def _moments(features: Features) -> tuple[Features, Features]:
    """Mean (d,) and an upper root R (min(n, d), d) of the covariance, Σ = RᵀR."""
    mean = features.mean(axis=0)
    centred = (features - mean) / np.sqrt(len(features) - 1)
    return mean, np.asarray(np.linalg.qr(centred, mode="r"))
