"""The Gaussian loop that trains on a sample of all that was gathered, in generations squared.

The pool's sources keep their proportions, so running sums over the models say all of the next one.
The training set is taken as draws from the mixture of its sources, whose expected covariance is
exact whatever a source's share; a source may thus hold a fraction of a sample.
Derivation: docs/simulation.md §3.
"""

from __future__ import annotations

import numpy as np

from madaudit.simulation.training_sets import (
    Array,
    Numbers,
    entering_real,
    entering_synthetic,
    kept_real,
    real_parts,
)
from madaudit.simulation.wasserstein import Moments


def subsampled_moments(numbers: Numbers) -> Moments:
    """The law of every generation, (generations + 1, cells), as `moments_by_generation` has it.

    Args:
        numbers: of a loop with pool "subsample".
    """
    loop = _Subsampling(numbers)
    loop.train_first()
    for generation in range(1, numbers.spec.generations + 1):
        loop.gather(generation)
        loop.train(generation)
    return Moments(loop.m, loop.s, loop.a, loop.b)


class _Subsampling:
    """Running sums over the models g that gave N_g samples to the pool.

    Innovations are the models' own noise, one a generation. C is the covariance of their means.

    Attributes:
        m, s, a, b: (generations + 1, cells), the models' moments (`Moments`).
        variance, alpha, beta: (generations + 1, cells), second moments of the innovations.
        mean, covariance: (innovations, cells), the last model as a row over innovations.
        means, covariances: (innovations, cells), Σ N · row, Σ N λ · row.
        n_real, n: (cells,), real samples gathered, and Σ N.
        within, squares, both: (cells,), Σ N λ s, Σ N m, Σ N m λ s.
        own_alpha, own_beta: (cells,), Σ N λ² 2 b and Σ N λ² (s² + a + b), what draws add.
        pairs: (cells,), Σ_gh N_g N_h C_gh².
        sizes, scales: (models, cells), N and λ s.
        crossed: (models, cells), Σ_h N_h C_gh.
        to_model: (models, cells), C of each model with the last.
    """

    def __init__(self, numbers: Numbers):
        self._numbers = numbers
        length, cells = numbers.spec.generations + 1, numbers.cells
        self.m, self.s, self.a, self.b = np.zeros((4, length, cells))
        self.variance, self.alpha, self.beta = np.zeros((3, length, cells))
        self.mean, self.covariance, self.means, self.covariances = np.zeros((4, length, cells))
        both, later, _ = kept_real(numbers)
        self.n_real, self._size = both + later, both + later
        self.n, self.within, self.squares, self.both = np.zeros((4, cells))
        self.own_alpha, self.own_beta, self.pairs = np.zeros((3, cells))
        self.sizes, self.scales, self.crossed, self.to_model = np.zeros((4, length, cells))

    def train_first(self) -> None:
        """Generation 0, on real samples alone."""
        n = sum((part.n for part in real_parts(self._numbers, 0)), 0.0 * self.n)
        self.s[0] = np.where(n > 1, 1.0, np.nan)
        self.beta[0] = self.b[0] = 1.0 / np.maximum(n - 1.0, 1.0)
        self.variance[0] = self.m[0] = 1.0 / np.maximum(n, 1.0) + self._numbers.at("model_error")
        self.mean[0] = self.covariance[0] = 1.0
        self.to_model[0] = self.m[0]

    def gather(self, generation: int) -> None:
        """Add the last model's samples to the pool."""
        n, bias = (
            entering_synthetic(self._numbers, generation),
            self._numbers.at("bias", generation),
        )
        self.n_real = self.n_real + entering_real(self._numbers, generation)
        last = generation - 1
        m, s = self.m[last], self.s[last]
        row, sizes = self.to_model, self.sizes
        self.pairs = self.pairs + n * (2.0 * np.sum(sizes * row**2, axis=0) + n * m**2)
        self.crossed[:last] += n * row[:last]
        self.crossed[last] = np.sum(sizes * row, axis=0) + n * m
        sizes[last], self.scales[last] = n, bias * s
        self.n = self.n + n
        self.means += n * self.mean
        self.covariances += n * bias * self.covariance
        self.within = self.within + n * bias * s
        self.squares = self.squares + n * m
        self.both = self.both + n * m * bias * s
        spread = s**2 + self.a[last] + self.b[last]
        self.own_alpha = self.own_alpha + n * bias**2 * 2.0 * self.b[last]
        self.own_beta = self.own_beta + n * bias**2 * spread

    def train(self, generation: int) -> None:
        """Fit a model on n draws of the pool, real ones of weight v among them."""
        v, gathered = self._numbers.at("real_weight"), self.n_real + self.n
        if generation == 1:
            self._size = gathered
        share = np.minimum(1.0, self._size / np.maximum(gathered, 1.0))
        n_real = self.n_real * share
        v1 = v * n_real + share * self.n
        v1 = np.where(v1 > 0, v1, np.nan)
        degrees = v1 - (v**2 * n_real + share * self.n) / v1
        degrees = np.where(degrees > 0, degrees, np.nan)
        mean = share * self.means / v1
        # Of a real sample's coefficient in E Σ̂ the pooled mean takes back v² n / V1.
        covariance = share * self.covariances * (1.0 - 1.0 / v1) / degrees
        noise = (v**2 * n_real + share * self.within) / v1**2
        pooled = np.sum(mean**2 * self.variance, axis=0) + noise
        between = share * self.squares - v1 * pooled
        self.s[generation] = (v * n_real + share * self.within + between) / degrees
        error = self._numbers.at("model_error", generation)
        self.m[generation] = pooled + error
        self.variance[generation] = noise + error
        self.alpha[generation] = share * self.own_alpha / degrees**2
        self.beta[generation] = (v**2 * n_real + share * self.own_beta) / degrees**2
        self.to_model = share * self.crossed / v1
        self.beta[generation] += self._spread(share, v1, degrees, pooled - noise)
        self.to_model[generation] = self.m[generation]
        mean[generation] = covariance[generation] = 1.0
        self.mean, self.covariance = mean, covariance
        self.a[generation] = np.sum(covariance**2 * self.alpha, axis=0)
        self.b[generation] = np.sum(covariance**2 * self.beta, axis=0)

    def _spread(self, share: Array, v1: Array, degrees: Array, pooled: Array) -> Array:
        """The trace of (QC)² of `gaussian._train`; draws about their source are not in C."""
        shared = np.sum(self.sizes * self.to_model**2, axis=0) * share
        pairs = share**2 * self.pairs + 2.0 * share * self.both
        return np.asarray((pairs - 2.0 * v1 * shared + (v1 * pooled) ** 2) / degrees**2)
