"""The Gaussian loop in exact expectation: no sampling, any sample number, microseconds.

Every model's mean is a linear combination of independent innovations (means of real samples, noise
of synthetic draws, model error), and so is its covariance to first order; a generation's row of
coefficients follows from its training set. Derivation: docs/simulation.md §2–4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from madaudit.simulation.accumulation import accumulated_moments
from madaudit.simulation.loop import LoopSpec
from madaudit.simulation.replacement import replaced_moments
from madaudit.simulation.subsampling import subsampled_moments
from madaudit.simulation.training_sets import Array, Numbers, Part, training_set
from madaudit.simulation.wasserstein import Moments

_N_KEPT = 3
# Below the first number of parts einsum is faster than many small products; above the second the
# spread of the term between parts is no longer computed but scaled from the generation before.
_FEW_PARTS, _MANY_PARTS = 6, 200


class _Rows:
    """Coefficients of the models' means and covariances over innovations.

    Attributes:
        means, covariances: (generations + 1, innovations, cells).
        mean_variance, alpha, beta: (innovations, cells), second moments of the innovations.
        m, s, a, b: (generations + 1, cells), the models' moments (`Moments`).
        relative_spread: (cells,), tr (QC)² / (tr QC)² of the last generation.
    """

    def __init__(self, n_generations: int, cells: int):
        n_innovations = _N_KEPT + 2 * n_generations
        shape = (n_generations, n_innovations, cells)
        self.means, self.covariances = np.zeros(shape), np.zeros(shape)
        self.mean_variance, self.alpha, self.beta = np.zeros((3, n_innovations, cells))
        self.m, self.s, self.a, self.b = np.zeros((4, n_generations, cells))
        self.relative_spread = np.ones(cells)


def moments_by_generation(
    spec: LoopSpec, overrides: Mapping[str, npt.ArrayLike] | None = None
) -> Moments:
    """The law of every generation.

    Args:
        spec: the loop.
        overrides: numbers that replace the loop's in all generations, for example
            {"n_fresh": …, "bias": …}, arrays of one shape (cells,) or scalars.

    Returns:
        Moments of shape (generations + 1, cells). m and s are exact; α and β take the term between
        parts as independent of the rest, an error of order 1 / n of their own.
    """
    numbers = Numbers(spec, overrides)
    if spec.pool == "accumulate" and spec.keep is None:
        return accumulated_moments(numbers)
    if spec.pool == "subsample":
        return subsampled_moments(numbers)
    if spec.pool == "replace" and spec.memory == 1:
        return replaced_moments(numbers)
    rows = _Rows(spec.generations + 1, numbers.cells)
    for generation in range(spec.generations + 1):
        parts = training_set(numbers, generation)
        parts = [part for part in parts if part.n.any()] or parts[:1]
        _train(rows, generation, parts, numbers.at("model_error", generation))
    return Moments(rows.m, rows.s, rows.a, rows.b)


class Pooling:
    """How the pooled unbiased fit weighs the parts of a training set.

    With weights v_g of one sample: mean Σ a_g x̄_g, a_g = v_g n_g / V1; covariance (Σ v_g scatter_g
    + Σ v_g n_g (x̄_g − mean)(x̄_g − mean)ᵀ) / D, D = V1 − V2 / V1; for equal weights D = n − 1.

    Attributes:
        of_mean: a_g per part, (cells,).
        of_covariance: v_g (n_g − 1) / D per part, of the part's own unbiased covariance.
        between: v_g n_g / D per part, of its mean's square distance from the pooled mean.
        total: V1 / D.
    """

    def __init__(self, parts: Sequence[Part]):
        masses = [part.weight * part.n for part in parts]
        v1 = sum(masses[1:], masses[0])
        v2 = sum(part.weight**2 * part.n for part in parts)
        v1 = np.where(v1 > 0, v1, np.nan)
        degrees = v1 - v2 / v1
        degrees = np.where(degrees > 0, degrees, np.nan)  # one sample fits nothing
        self.of_mean = [mass / v1 for mass in masses]
        self.of_covariance = [
            part.weight * np.maximum(part.n - 1.0, 0.0) / degrees for part in parts
        ]
        self.between = [mass / degrees for mass in masses]
        self.total = v1 / degrees


def _train(rows: _Rows, generation: int, parts: Sequence[Part], model_error: Array) -> None:
    """Add one generation: its row, then its moments.

    The scatter between parts is x̄ᵀ Q x̄ with Q = diag(v_g n_g) / D − V1 a aᵀ / D; with C the
    covariance of the parts' means its expectation is tr QC, and it adds tr (QC)² to β.
    E A_t = Σ_g v_g (n_g − 1) Λ_g / D + tr QC.
    """
    pooling = Pooling(parts)
    own = _N_KEPT + 2 * generation
    covariance = rows.covariances[generation]
    level = np.zeros_like(rows.s[generation])
    part_rows, own_noise = [], []
    for place, part in enumerate(parts):
        row, noise = _add_part(rows, generation, part, pooling.of_covariance[place])
        part_rows.append(row)
        own_noise.append(noise)
        rows.mean_variance[own] += pooling.of_mean[place] ** 2 * noise
        within = part.bias * rows.s[part.origin] if part.is_synthetic else 1.0
        level += pooling.of_covariance[place] * within
    part_means, noise_of = np.array(part_rows), np.array(own_noise)
    mean = np.einsum("gc,gic->ic", np.array(pooling.of_mean), part_means)
    between, spread = _between(part_means, noise_of, mean, rows.mean_variance, pooling)
    spread = np.where(np.isnan(spread), rows.relative_spread * between**2, spread)
    mean[own] = 1.0
    rows.mean_variance[own] += model_error
    rows.means[generation] = mean
    rows.m[generation] = np.einsum("ic,ic->c", mean**2, rows.mean_variance)
    rows.s[generation] = level + between
    rows.relative_spread = spread / np.where(between != 0, between, 1.0) ** 2
    rows.beta[own] += spread
    covariance[own] = 1.0
    rows.a[generation] = np.sum(covariance**2 * rows.alpha, axis=0)
    rows.b[generation] = np.sum(covariance**2 * rows.beta, axis=0)


def _between(
    part_rows: Array, own_noise: Array, mean: Array, variance: Array, pooling: Pooling
) -> tuple[Array, Array]:
    """Traces of QC and (QC)² of `_train`, each (cells,); the second is NaN for too many parts."""
    a, b = np.array(pooling.of_mean), np.array(pooling.between)
    squares = np.einsum("gic,ic->gc", part_rows**2, variance) + own_noise
    pooled = np.einsum("ic,ic->c", mean**2, variance) + np.sum(a**2 * own_noise, axis=0)
    between = np.sum(b * squares, axis=0) - pooling.total * pooled
    if len(part_rows) > _MANY_PARTS:
        return between, np.full_like(between, np.nan)
    if len(part_rows) <= _FEW_PARTS:
        c = np.einsum("gic,hic->ghc", part_rows * variance, part_rows)
    else:
        by_cell = np.moveaxis(part_rows, 2, 0)
        c = np.moveaxis((by_cell * variance.T[:, None]) @ np.swapaxes(by_cell, 1, 2), 0, 2)
    places = np.arange(len(part_rows))
    c[places, places] += own_noise
    shared = np.einsum("gc,ghc->hc", a, c)
    qc = b[:, None] * c - pooling.total * a[:, None] * shared[None]
    return between, np.sum(qc * np.swapaxes(qc, 0, 1), axis=(0, 1))


def _add_part(rows: _Rows, generation: int, part: Part, share: Array) -> tuple[Array, Array]:
    """Add a part to its generation's covariance row, with the innovations it brings.

    Returns:
        The part's mean as a row over innovations that others share, (innovations, cells), and the
        variance of its own noise beside, (cells,); 0 for an empty part.
    """
    own, kept = _N_KEPT + 2 * generation, _N_KEPT + 2 * part.origin + 1
    n, spare = np.maximum(part.n, 1.0), np.maximum(part.n - 1.0, 1.0)
    noise, alpha, beta = 1.0 / n, np.zeros_like(n), 1.0 / spare
    row = np.zeros_like(rows.mean_variance)
    if part.is_synthetic:
        s, a0, b0 = (array[part.origin] for array in (rows.s, rows.a, rows.b))
        noise = part.bias * s / n
        # Wishart draws: Cov(W_ij, W_kl) = E(Λ_ik Λ_jl + Λ_il Λ_jk) / (n − 1), Λ = λ A.
        alpha = part.bias**2 * 2.0 * b0 / spare
        beta = part.bias**2 * (s**2 + a0 + b0) / spare
        row += rows.means[part.origin]
        rows.covariances[generation] += share * part.bias * rows.covariances[part.origin]
    if part.source in ("kept", "batch"):  # an innovation that later generations share
        where = part.origin if part.source == "kept" else kept
        rows.mean_variance[where], rows.alpha[where], rows.beta[where] = noise, alpha, beta
        row[where] = 1.0
        rows.covariances[generation, where] += share
        return row, np.zeros_like(noise)
    rows.alpha[own] += share**2 * alpha
    rows.beta[own] += share**2 * beta
    return row, noise
