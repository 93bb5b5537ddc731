"""The Gaussian loop that trains on a sample of its whole pool, in constant work a generation.

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

    T is Σ N_g μ_g, and L is Σ N_g λ_g Σ_g.

    Attributes:
        m, s, a, b: (generations + 1, cells), the models' moments (`Moments`).
        n_real, n: (cells,), real samples gathered, and Σ N.
        within, squares, both: (cells,), Σ N λ s, Σ N m, Σ N m λ s.
        own_alpha, own_beta: (cells,), Σ N λ² 2 b and Σ N λ² (s² + a + b), what draws add.
        variance: (cells,), Var T.
        crossed: (cells,), Σ_g N_g Cov(μ_g, T)².
        pairs: (cells,), Σ_gh N_g N_h Cov(μ_g, μ_h)².
        alpha, beta: (cells,), second moments of L.
        of_mean, of_covariance: (cells,), coefficients of T and L in the last model.
    """

    def __init__(self, numbers: Numbers):
        self._numbers = numbers
        length, cells = numbers.spec.generations + 1, numbers.cells
        self.m, self.s, self.a, self.b = np.zeros((4, length, cells))
        both, later, _ = kept_real(numbers)
        self.n_real, self._size = both + later, both + later
        self.n, self.within, self.squares, self.both = np.zeros((4, cells))
        self.own_alpha, self.own_beta, self.pairs, self.variance = np.zeros((4, cells))
        self.crossed, self.alpha, self.beta = np.zeros((3, cells))
        self.of_mean, self.of_covariance = np.zeros((2, cells))

    def train_first(self) -> None:
        """Generation 0, on real samples alone."""
        n = sum((part.n for part in real_parts(self._numbers, 0)), 0.0 * self.n)
        self.s[0] = np.where(n > 1, 1.0, np.nan)
        self.b[0] = 1.0 / np.maximum(n - 1.0, 1.0)
        self.m[0] = 1.0 / np.maximum(n, 1.0) + self._numbers.at("model_error")

    def gather(self, generation: int) -> None:
        """Add the last model's samples to the pool."""
        n = entering_synthetic(self._numbers, generation)
        bias = self._numbers.at("bias", generation)
        self.n_real = self.n_real + entering_real(self._numbers, generation)
        m, s, alpha, beta = (each[generation - 1] for each in (self.m, self.s, self.a, self.b))
        to_model = self.variance * self.of_mean
        self.pairs = self.pairs + n * (2.0 * self.crossed * self.of_mean**2 + n * m**2)
        self.crossed = self.crossed * (1.0 + n * self.of_mean) ** 2 + n * (to_model + n * m) ** 2
        self.variance = self.variance + 2.0 * n * to_model + n**2 * m
        drawn, share = n * bias, self.of_covariance
        self.alpha = self.alpha * (1.0 + 2.0 * drawn * share) + drawn**2 * alpha
        self.beta = self.beta * (1.0 + 2.0 * drawn * share) + drawn**2 * beta
        self.n = self.n + n
        self.within = self.within + drawn * s
        self.squares = self.squares + n * m
        self.both = self.both + drawn * m * s
        self.own_alpha = self.own_alpha + drawn * bias * 2.0 * beta
        self.own_beta = self.own_beta + drawn * bias * (s**2 + alpha + beta)

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
        self.of_mean = share / v1
        # Of a real sample's coefficient in E Σ̂ the pooled mean takes back v² n / V1.
        self.of_covariance = share * (1.0 - 1.0 / v1) / degrees
        noise = (v**2 * n_real + share * self.within) / v1**2
        of_models = self.of_mean**2 * self.variance
        between = share * self.squares - v1 * (of_models + noise)
        self.s[generation] = (v * n_real + share * self.within + between) / degrees
        self.m[generation] = of_models + noise + self._numbers.at("model_error", generation)
        self.a[generation] = (
            self.of_covariance**2 * self.alpha + share * self.own_alpha / degrees**2
        )
        self.b[generation] = (
            self.of_covariance**2 * self.beta
            + (v**2 * n_real + share * self.own_beta) / degrees**2
            + self._spread(share, v1, degrees, of_models)
        )

    def _spread(self, share: Array, v1: Array, degrees: Array, pooled: Array) -> Array:
        """The trace of (QC)² of `gaussian._train`; draws about their source are not in C."""
        shared = self.crossed * self.of_mean**2 * share
        pairs = share**2 * self.pairs + 2.0 * share * self.both
        return np.asarray((pairs - 2.0 * v1 * shared + (v1 * pooled) ** 2) / degrees**2)
