"""Squared Wasserstein-2 distance of a fitted Gaussian from the real one, in expectation.

With real data N(0, Σ0) and a fit N(δ, Σ0^½ A Σ0^½), the law of (Σ0^-½ δ, A) does not depend on Σ0
and is invariant under rotations, so it is told by four numbers per generation:

    E δδᵀ = m Σ0,   E A = s I,   Cov(A_ij, A_kl) = α δ_ij δ_kl + β (δ_ik δ_jl + δ_il δ_jk).

m and s are exact. E W2² = tr Σ0 · (m + 1 + s − 2 √s g(γ)), where g(γ) is the mean root of the
eigenvalues of A/s. It is taken from the Marchenko–Pastur law of the same relative spread
γ = (α + (d_e + 1) β) / s², with d_e = Σ_ij 2 e_i e_j / (e_i + e_j) / Σ_i e_i the effective
dimension of the spectrum e: exact to second order in A − s I whatever the spectrum, and close
where n is near d (docs/simulation.md has the derivation and the measured error).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import hyp2f1

Array = npt.NDArray[np.float64]

# Below this spread the series of `root_deficit` is exact to nine digits.
_SERIES_BELOW = 1e-2


class Moments(NamedTuple):
    """The law of a generation, up to second moments; arrays of one shape.

    Attributes:
        m: mean error, E‖δ‖² / tr Σ0.
        s: variance level, E tr Σ / tr Σ0.
        alpha, beta: second moments of A (see the module's text).
    """

    m: Array
    s: Array
    alpha: Array
    beta: Array


def effective_dimension(eigenvalues: npt.ArrayLike) -> float:
    """Number of equal directions that would give a spectrum's sampling error: d if flat.

    Source: second-order term of E tr (Σ0 A Σ0)^½, docs/simulation.md §4.
    """
    e = np.asarray(eigenvalues, dtype=np.float64)
    if np.all(e == e[0]):
        return float(len(e))
    total = 0.0
    for row in e:  # row by row: d² numbers need not stand in memory at once
        total += float(np.sum(2.0 * row * e / (row + e)))
    return total / float(e.sum())


def relative_spread(moments: Moments, d_effective: float) -> Array:
    """γ: relative variance of the eigenvalues of A that enters the Wasserstein distance."""
    with np.errstate(divide="ignore", invalid="ignore"):
        gamma = (moments.alpha + (d_effective + 1.0) * moments.beta) / moments.s**2
    return np.where(moments.s > 0, gamma, 0.0)


def root_deficit(gamma: Array) -> Array:
    """1 − g(γ), the loss of the mean root by spread, without cancellation at small γ.

    For the Marchenko–Pastur law of ratio γ ≤ 1 the mean root is ₂F₁(−½, ½; 2; γ); above 1 it is
    that of 1/γ over √γ, since the d × n and the n × d product have the same nonzero eigenvalues.

    Source: moments of the Marchenko–Pastur law, m_r = ₂F₁(−r, 1 − r; 2; γ); docs/simulation.md §4.
    """
    gamma = np.maximum(np.asarray(gamma, dtype=np.float64), 0.0)
    small = gamma < _SERIES_BELOW
    series = gamma * (1.0 / 8.0 + gamma * (1.0 / 64.0 + gamma * (5.0 / 1024.0)))
    if small.all():
        return series
    above = gamma > 1.0
    with np.errstate(divide="ignore"):
        inside = np.where(above, 1.0 / gamma, gamma)
    mean_root = hyp2f1(-0.5, 0.5, 2.0, np.where(small, 0.5, inside))
    mean_root = np.where(above, mean_root / np.sqrt(np.where(above, gamma, 1.0)), mean_root)
    return np.where(small, series, 1.0 - mean_root)


def relative_w2_squared(moments: Moments, d_effective: float) -> Array:
    """E W2² / tr Σ0."""
    root = np.sqrt(np.maximum(moments.s, 0.0))
    deficit = root_deficit(relative_spread(moments, d_effective))
    return moments.m + (1.0 - root) ** 2 + 2.0 * root * deficit


def real_only(n: npt.ArrayLike, d_effective: float) -> Array:
    """E W2² / tr Σ0 of a model trained on n real samples alone; ∞ below two.

    About (d + 5) / (4 n) for n ≫ d.
    """
    n = np.asarray(n, dtype=np.float64)
    few = n < 2.0
    safe = np.where(few, 2.0, n)
    moments = Moments(1.0 / safe, np.ones_like(safe), np.zeros_like(safe), 1.0 / (safe - 1.0))
    return np.where(few, np.inf, relative_w2_squared(moments, d_effective))


def effective_samples(w2_squared: npt.ArrayLike, d_effective: float) -> Array:
    """The number of real samples that alone would give this E W2² / tr Σ0; ∞ at no error.

    0 where even two samples would do better. Found by bisection in log n, to 1e-12.

    Source: Alemohammad et al., arXiv:2307.01850, eq. 4 (n_e).
    """
    target = np.asarray(w2_squared, dtype=np.float64)
    low, high = np.full_like(target, np.log(2.0)), np.full_like(target, np.log(1e40))
    for _ in range(60):
        middle = (low + high) / 2.0
        is_worse = real_only(np.exp(middle), d_effective) > target
        low, high = np.where(is_worse, middle, low), np.where(is_worse, high, middle)
    n = np.exp((low + high) / 2.0)
    n = np.where(target > real_only(2.0, d_effective), 0.0, n)
    return np.where(target <= 0.0, np.inf, n)
