"""The Gaussian loop by exact draws of sufficient statistics, at a cost independent of n.

A fit needs a sample's mean and scatter alone: the mean of n draws is normal, their scatter is
Wishart with n − 1 degrees and independent of it (Bartlett 1933), and parts are pooled with the
term between their means. Everything is drawn in coordinates in which the real covariance is the
identity; a spectrum enters the Wasserstein distance alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.simulation.gaussian import Pooling
from madaudit.simulation.loop import LoopSpec
from madaudit.simulation.training_sets import Array, Numbers, Part, training_set


class Fit(NamedTuple):
    """Fitted models of all replicates.

    Attributes:
        mean: (replicates, d), distance from the real mean.
        root: (replicates, d, d), a factor F of the covariance, F Fᵀ.
        covariance: (replicates, d, d).
    """

    mean: Array
    root: Array
    covariance: Array


class Replicates(NamedTuple):
    """What was measured on every replicate of every generation, (generations + 1, replicates).

    Attributes:
        w2_squared, mean_error: in squared units of the real data.
        variance_ratio: tr Σ / tr Σ0.
        log_det_ratio: ln det Σ − ln det Σ0; −∞ where Σ is singular.
    """

    w2_squared: Array
    mean_error: Array
    variance_ratio: Array
    log_det_ratio: Array


def simulate_replicates(
    spec: LoopSpec, n_replicates: int, generator: np.random.Generator
) -> Replicates:
    """Run a loop many times at once.

    Args:
        spec: the loop.
        n_replicates: number of independent runs.
        generator: the source of all randomness.
    """
    numbers = Numbers(spec)
    draws = _Draws(generator, n_replicates, spec.dim)
    eigenvalues = np.asarray(spec.eigenvalues)
    measured = []
    for generation in range(spec.generations + 1):
        parts = training_set(numbers, generation)
        error = float(numbers.at("model_error", generation)[0])
        fit = draws.train(parts, error)
        measured.append(_measure(fit, eigenvalues))
    return Replicates(*(np.array(columns) for columns in zip(*measured, strict=True)))


class _Statistics(NamedTuple):
    """Mean (replicates, d) and scatter (replicates, d, d) of a part."""

    mean: Array
    scatter: Array


class _Draws:
    """All models so far, the samples that were kept, and how to draw the next ones."""

    def __init__(self, generator: np.random.Generator, n_replicates: int, dim: int):
        self._generator = generator
        self._shape = (n_replicates, dim)
        self._fits: list[Fit] = []
        self._stored: dict[tuple[str, int], _Statistics] = {}

    def train(self, parts: Sequence[Part], model_error: float) -> Fit:
        """Draw the parts, pool them, and add the model's own error to the mean."""
        drawn = [self._draw(part) for part in parts]
        pooling = Pooling(parts)
        mean = np.zeros(self._shape)
        for weight, statistics in zip(pooling.of_mean, drawn, strict=True):
            mean += weight[0] * statistics.mean
        covariance = np.zeros((*self._shape, self._shape[1]))
        for place, part in enumerate(parts):
            n = float(part.n[0])
            if n > 0:
                offset = drawn[place].mean - mean
                between = pooling.between[place][0]
                covariance += (between / n) * drawn[place].scatter
                covariance += between * offset[:, :, None] * offset[:, None, :]
        if model_error > 0:
            mean = mean + np.sqrt(model_error) * self._generator.standard_normal(self._shape)
        fit = Fit(mean, root_of(covariance), covariance)
        self._fits.append(fit)
        return fit

    def _draw(self, part: Part) -> _Statistics:
        is_kept = part.source in ("kept", "batch")
        name = (part.source, part.origin)
        if is_kept and name in self._stored:
            return self._stored[name]
        n = int(part.n[0])
        root = self._fits[part.origin].root if part.is_synthetic else None
        drawn = draw_statistics(self._generator, n, self._shape, root, float(part.bias[0]))
        if part.is_synthetic:
            drawn = _Statistics(drawn.mean + self._fits[part.origin].mean, drawn.scatter)
        if is_kept:
            self._stored[name] = drawn
        return drawn


def draw_statistics(
    generator: np.random.Generator,
    n: int,
    shape: tuple[int, int],
    root: Array | None = None,
    scale: float = 1.0,
) -> _Statistics:
    """Mean and scatter of n draws from N(0, scale · root rootᵀ), for every replicate.

    Args:
        generator: the source of randomness.
        n: number of draws, ≥ 0.
        shape: (replicates, d).
        root: (replicates, d, d), or None for the identity.
        scale: factor on the variance.
    """
    replicates, dim = shape
    if n == 0:
        return _Statistics(np.zeros(shape), np.zeros((replicates, dim, dim)))
    mean = generator.standard_normal(shape) / np.sqrt(n)
    factor = wishart_root(generator, n - 1, shape)
    if root is not None:
        mean = np.sqrt(scale) * np.einsum("rij,rj->ri", root, mean)
        factor = np.sqrt(scale) * (root @ factor)
    return _Statistics(mean, factor @ np.swapaxes(factor, 1, 2))


def wishart_root(generator: np.random.Generator, degrees: int, shape: tuple[int, int]) -> Array:
    """A factor of Wishart(degrees, identity), (replicates, d, min(d, degrees)).

    Lower trapezoidal, χ with degrees, degrees − 1, … on the diagonal and normals below; with
    fewer degrees than dimensions the product is singular, as the scatter is.

    Source: Bartlett 1933; for degrees < d the same QR argument on d × degrees normals.
    """
    replicates, dim = shape
    columns = min(dim, degrees)
    factor = np.zeros((replicates, dim, columns))
    if not columns:
        return factor
    rows, places = np.tril_indices(dim, -1, columns)
    factor[:, rows, places] = generator.standard_normal((replicates, len(rows)))
    diagonal = np.arange(columns)
    factor[:, diagonal, diagonal] = np.sqrt(
        generator.chisquare(degrees - diagonal, (replicates, columns))
    )
    return factor


def root_of(covariance: Array) -> Array:
    """A factor F with F Fᵀ = covariance, also where that is singular."""
    if covariance.shape[-1] == 1:
        return np.sqrt(np.maximum(covariance, 0.0))
    values, vectors = np.linalg.eigh(covariance)
    root: Array = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    return root


def _measure(fit: Fit, eigenvalues: Array) -> tuple[Array, Array, Array, Array]:
    """W2² = ‖δ‖² + tr Σ + tr Σ0 − 2 tr (Σ0^½ Σ Σ0^½)^½, with Σ = Σ0^½ A Σ0^½."""
    mean_error = fit.mean**2 @ eigenvalues
    trace = np.einsum("rii,i->r", fit.covariance, eigenvalues)
    total = eigenvalues.sum()
    own = _eigenvalues(fit.covariance)
    is_flat = bool(np.all(eigenvalues == eigenvalues[0]))
    if is_flat:
        cross = np.sqrt(own).sum(axis=1) * eigenvalues[0]
    else:
        scaled = eigenvalues[:, None] * fit.covariance * eigenvalues[None, :]
        cross = np.sqrt(_eigenvalues(scaled)).sum(axis=1)
    with np.errstate(divide="ignore"):
        singular = own <= np.finfo(float).eps * own.max(axis=1, keepdims=True) * own.shape[1]
        log_det = np.log(np.where(singular, 0.0, own)).sum(axis=1)
    distance = np.maximum(mean_error + trace + total - 2.0 * cross, 0.0)
    return distance, mean_error, trace / total, log_det


def _eigenvalues(matrices: npt.NDArray[np.float64]) -> Array:
    if matrices.shape[-1] == 1:
        return np.asarray(np.maximum(matrices[:, 0, :], 0.0))
    return np.asarray(np.maximum(np.linalg.eigvalsh(matrices), 0.0))
