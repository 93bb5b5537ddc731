"""The Gaussian loop whose synthetic samples stay for ever, in generations squared.

Batches keep their means, and their weights change by one common factor a generation; so all that a
generation needs of them are running sums, to which the new batch is added. The moments are those
that `gaussian` gives part by part, where time grows with the fourth power of the generations.
Derivation: docs/simulation.md §3.
"""

from __future__ import annotations

import numpy as np

from madaudit.simulation.training_sets import (
    Array,
    Numbers,
    Part,
    entering_synthetic,
    kept_real,
    real_parts,
)
from madaudit.simulation.wasserstein import Moments

# Innovations: kept real pieces, then the noise of every generation and that of its batch.
_N_KEPT = 3


def accumulated_moments(numbers: Numbers) -> Moments:
    """The law of every generation, (generations + 1, cells), as `moments_by_generation` has it.

    Args:
        numbers: of a loop with pool "accumulate" whose samples stay for ever.
    """
    loop = _Accumulation(numbers)
    for generation in range(numbers.spec.generations + 1):
        if generation:
            loop.add_batch(generation)
        loop.train(generation)
    return Moments(loop.m, loop.s, loop.a, loop.b)


class _Accumulation:
    """Running sums over the batches g of sizes N_g in the pool; C is their means' covariance.

    Attributes:
        m, s, a, b: (generations + 1, cells), the models' moments (`Moments`).
        variance, alpha, beta: (innovations, cells), second moments of the innovations.
        mean, covariance: (innovations, cells), the last model as a row over innovations.
        means, covariances: (innovations, cells), Σ N_g · mean row, Σ (N_g − 1) · covariance row.
        n, within, squares: (cells,), Σ N_g, Σ (N_g − 1) λ s and Σ N_g C_gg.
        pairs: (cells,), Σ_gh N_g N_h C_gh².
        with_real: (3, cells), Σ_g N_g C_gr² with each kept real piece r.
        sizes: (batches, cells), N_g.
        to_real: (batches, 3, cells), C_gr.
        crossed: (batches, cells), Σ_h N_h C_gh.
        to_model: (batches, cells), covariance of each batch's mean with the last model's.
    """

    def __init__(self, numbers: Numbers):
        self._numbers = numbers
        length, cells = numbers.spec.generations + 1, numbers.cells
        shape = (_N_KEPT + 2 * length, cells)
        self.m, self.s, self.a, self.b = np.zeros((4, length, cells))
        self.variance, self.alpha, self.beta = np.zeros((3, *shape))
        self.mean, self.covariance, self.means, self.covariances = np.zeros((4, *shape))
        self.n, self.within, self.squares, self.pairs = np.zeros((4, cells))
        self.with_real = np.zeros((_N_KEPT, cells))
        self.sizes, self.crossed, self.to_model = np.zeros((3, length, cells))
        self.to_real = np.zeros((length, _N_KEPT, cells))
        for place, n in enumerate(kept_real(numbers)):
            self.variance[place] = 1.0 / np.maximum(n, 1.0)
            self.beta[place] = 1.0 / np.maximum(n - 1.0, 1.0)

    def add_batch(self, generation: int) -> None:
        """Draw a batch from the last model: its mean is the model's and noise of λ s / N."""
        n, bias = (
            entering_synthetic(self._numbers, generation),
            self._numbers.at("bias", generation),
        )
        last, place = generation - 1, generation
        s, alpha, beta = self.s[last], self.a[last], self.b[last]
        spare, inner = np.maximum(n - 1.0, 1.0), np.maximum(n - 1.0, 0.0)
        own = _N_KEPT + 2 * last + 1
        noise = bias * s / np.maximum(n, 1.0)
        self.variance[own] = noise
        self.alpha[own] = bias**2 * 2.0 * beta / spare
        self.beta[own] = bias**2 * (s**2 + alpha + beta) / spare
        self.means += n * self.mean
        self.means[own] += n
        self.covariances += inner * bias * self.covariance
        self.covariances[own] += inner
        square, row, seen = self.m[last] + noise, self.to_model, slice(0, place)
        to_others = np.sum(self.sizes[seen] * row[seen], axis=0)
        self.pairs += n * (2.0 * np.sum(self.sizes[seen] * row[seen] ** 2, axis=0) + n * square**2)
        self.crossed[seen] += n * row[seen]
        self.crossed[place] = to_others + n * square
        self.to_real[place] = self.mean[:_N_KEPT] * self.variance[:_N_KEPT]
        self.with_real += n * self.to_real[place] ** 2
        self.sizes[place] = n
        self.n = self.n + n
        self.within = self.within + inner * bias * s
        self.squares = self.squares + n * square

    def train(self, generation: int) -> None:
        """Fit a model on the real parts and the pool: `gaussian._train` in running sums."""
        own, real = _N_KEPT + 2 * generation, real_parts(self._numbers, generation)
        masses = [part.weight * part.n for part in real]
        v1 = self.n + sum(masses)
        v1 = np.where(v1 > 0, v1, np.nan)
        degrees = v1 - (self.n + sum(part.weight**2 * part.n for part in real)) / v1
        degrees = np.where(degrees > 0, degrees, np.nan)  # one sample fits nothing
        mean, covariance, level = self.means / v1, self.covariances / degrees, self.within
        for part, mass in zip(real, masses, strict=True):
            inner = part.weight * np.maximum(part.n - 1.0, 0.0)
            level = level + inner
            if part.source == "kept":
                mean[part.origin] += mass / v1
                covariance[part.origin] += inner / degrees
            else:
                self.variance[own] = (mass / v1) ** 2 / np.maximum(part.n, 1.0)
                self.beta[own] = (inner / degrees) ** 2 / np.maximum(part.n - 1.0, 1.0)
        pooled = np.sum(mean**2 * self.variance, axis=0) + self.variance[own]
        between, spread = self._between(real, mean, pooled, v1, degrees)
        self.m[generation] = pooled + self._numbers.at("model_error", generation)
        self.s[generation] = level / degrees + between
        self.variance[own] += self._numbers.at("model_error", generation)
        self.beta[own] += spread
        mean[own] = covariance[own] = 1.0
        self.mean, self.covariance = mean, covariance
        self.a[generation] = np.sum(covariance**2 * self.alpha, axis=0)
        self.b[generation] = np.sum(covariance**2 * self.beta, axis=0)

    def _between(
        self, real: list[Part], mean: Array, pooled: Array, v1: Array, degrees: Array
    ) -> tuple[Array, Array]:
        """Traces of QC and (QC)² as in `gaussian._train`; keeps C of batches with the model."""
        squares, pairs, crossed, shared = self.squares, self.pairs, self.crossed, 0.0
        for part in real:
            mass, own_square = part.weight * part.n, 1.0 / np.maximum(part.n, 1.0)
            squares = squares + mass * own_square
            pairs = pairs + (mass * own_square) ** 2
            if part.source == "kept":
                pairs = pairs + 2.0 * mass * self.with_real[part.origin]
                crossed = crossed + mass * self.to_real[:, part.origin]
                to_model = mean[part.origin] * self.variance[part.origin]
            else:
                to_model = mass / v1 * own_square
            shared = shared + mass * to_model**2
        self.to_model = crossed / v1
        shared = shared + np.sum(self.sizes * self.to_model**2, axis=0)
        total = v1 / degrees
        between = squares / degrees - total * pooled
        spread = pairs / degrees**2 - 2.0 * total * shared / degrees + (total * pooled) ** 2
        return between, spread
