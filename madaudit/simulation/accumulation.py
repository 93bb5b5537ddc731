"""The Gaussian loop whose synthetic samples stay for ever, in constant work a generation.

Batches keep their means, and their weights change by one common factor a generation; so all that
the next generation needs of them are running sums. The moments are those that `gaussian` gives
part by part, where time grows with the fourth power of the generations.
Derivation: docs/simulation.md §3.
"""

from __future__ import annotations

import numpy as np

from madaudit.simulation.training_sets import (
    Array,
    Numbers,
    Part,
    entering_real,
    entering_synthetic,
    real_parts,
)
from madaudit.simulation.wasserstein import Moments

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
    """Running sums over the batches g of sizes N_g in the pool, and over the kept real pieces r.

    T is the sum of all their samples, each times its weight; L the same of their scatters, each
    batch's in units of its λ s. Fresh real samples are in neither, since they do not stay.

    Attributes:
        m, s, a, b: (generations + 1, cells), the models' moments (`Moments`).
        v1, degrees: (cells,), V1 and D of the last fit.
        variance, with_kept: (cells,) Var T, and (3, cells) Cov(T, x̄_r).
        of_model: (3, cells), Cov(μ̂, x̄_r) of the last fit.
        crossed: (cells,), Σ_g N_g Cov(x̄_g, T)².
        pairs: (cells,), Σ_gh N_g N_h Cov(x̄_g, x̄_h)².
        with_real: (3, cells), Σ_g N_g Cov(x̄_g, x̄_r)².
        n, within, squares: (cells,), Σ N_g, Σ (N_g − 1) λ s and Σ N_g Var x̄_g.
        alpha, beta: (cells,), second moments of L.
        shares: (3, cells), coefficient of each kept piece's covariance in the first model's.
    """

    def __init__(self, numbers: Numbers):
        self._numbers = numbers
        length, cells = numbers.spec.generations + 1, numbers.cells
        self.m, self.s, self.a, self.b = np.zeros((4, length, cells))
        self.v1, self.degrees, self.variance, self.crossed, self.pairs = np.zeros((5, cells))
        self.n, self.within, self.squares, self.alpha, self.beta = np.zeros((5, cells))
        self.with_kept, self.of_model, self.with_real, self.shares = np.zeros((4, _N_KEPT, cells))
        self._kept = self._keep(0)

    def _keep(self, generation: int) -> list[Part]:
        """Begin T and L with the kept real pieces of a training set, which it returns."""
        self.variance, self.beta = np.zeros((2, self._numbers.cells))
        self.with_kept = np.zeros_like(self.with_kept)
        parts = [
            part
            for part in real_parts(self._numbers, generation)
            if part.source == "kept" and part.n.any()
        ]
        for part in parts:
            mass, inner = part.weight * part.n, _inner(part)
            self.variance = self.variance + part.weight * mass
            self.with_kept[part.origin] = mass / np.maximum(part.n, 1.0)
            self.beta = self.beta + inner**2 / np.maximum(part.n - 1.0, 1.0)
        return parts

    def add_batch(self, generation: int) -> None:
        """Draw a batch from the last model: its mean is the model's and noise of λ s / N."""
        n = entering_synthetic(self._numbers, generation)
        bias = self._numbers.at("bias", generation)
        last = generation - 1
        to_model, beta_to_model = self.variance / self.v1, self.beta / self.degrees
        if generation == 1:  # the first model's real samples need not be those that stay
            to_model, beta_to_model = self._change_kept()
        noise = bias * self.s[last] / np.maximum(n, 1.0)
        square = self.m[last] + noise
        self.pairs = self.pairs + n * (2.0 * self.crossed / self.v1**2 + n * square**2)
        own = to_model + n * square
        self.crossed = self.crossed * (1.0 + n / self.v1) ** 2 + n * own**2
        self.variance = self.variance + 2.0 * n * to_model + n**2 * square
        for part in self._kept:
            of_model = self.of_model[part.origin]
            self.with_kept[part.origin] += n * of_model
            self.with_real[part.origin] += n * of_model**2
        self.n = self.n + n
        self.squares = self.squares + n * square
        self._add_scatter(n, bias, last, beta_to_model)

    def _change_kept(self) -> tuple[Array, Array]:
        """Begin anew with the pieces that stay; covariances of T and L with the first model."""
        self._kept = self._keep(1)
        to_model, beta = np.zeros((2, self._numbers.cells))
        for part in self._kept:
            to_model += part.weight * part.n * self.of_model[part.origin]
            beta += _inner(part) * self.shares[part.origin] / np.maximum(part.n - 1.0, 1.0)
        return to_model, beta

    def _add_scatter(self, n: Array, bias: Array, last: int, beta_to_model: Array) -> None:
        """L grows by (N − 1) λ times the last model's covariance and what a Wishart draw adds."""
        spare, inner = np.maximum(n - 1.0, 1.0), np.maximum(n - 1.0, 0.0) * bias
        s, alpha, beta = self.s[last], self.a[last], self.b[last]
        # No kept or fresh real piece has α, so all of a model's is in L.
        alpha_to_model = alpha * self.degrees
        self.within = self.within + inner * s
        self.alpha = self.alpha + inner * (
            2.0 * alpha_to_model + inner * (alpha + 2.0 * beta / spare)
        )
        self.beta = self.beta + inner * (
            2.0 * beta_to_model + inner * (beta + (s**2 + alpha + beta) / spare)
        )

    def train(self, generation: int) -> None:
        """Fit a model on the real parts and the pool: `gaussian._train` in running sums."""
        real = [*self._kept, *self._fresh(generation)]
        v1 = self.n + sum(part.weight * part.n for part in real)
        v1 = np.where(v1 > 0, v1, np.nan)
        degrees = v1 - (self.n + sum(part.weight**2 * part.n for part in real)) / v1
        degrees = np.where(degrees > 0, degrees, np.nan)  # one sample fits nothing
        self.v1, self.degrees = v1, degrees
        level, noise, beta = self.within, 0.0 * v1, self.beta
        for part in real:
            inner = _inner(part)
            level = level + inner
            if part.source == "fresh":
                noise = noise + part.weight**2 * part.n
                beta = beta + inner**2 / np.maximum(part.n - 1.0, 1.0)
                continue
            self.of_model[part.origin] = self.with_kept[part.origin] / v1
            if generation == 0:
                self.shares[part.origin] = inner / degrees
        pooled = (self.variance + noise) / v1**2
        between, spread = self._between(real, pooled)
        self.m[generation] = pooled + self._numbers.at("model_error", generation)
        self.s[generation] = level / degrees + between
        self.a[generation] = self.alpha / degrees**2
        self.b[generation] = beta / degrees**2 + spread

    def _fresh(self, generation: int) -> list[Part]:
        if not generation:
            return []
        n, one = entering_real(self._numbers, generation), np.ones(self._numbers.cells)
        part = Part("fresh", generation, n, self._numbers.at("real_weight"), one)
        return [part] if n.any() else []

    def _between(self, real: list[Part], pooled: Array) -> tuple[Array, Array]:
        """Traces of QC and (QC)² as in `gaussian._train`."""
        v1, degrees = self.v1, self.degrees
        squares, pairs, shared = self.squares, self.pairs, self.crossed / v1**2
        for part in real:
            mass, own_square = part.weight * part.n, 1.0 / np.maximum(part.n, 1.0)
            squares = squares + mass * own_square
            pairs = pairs + (mass * own_square) ** 2
            to_model = mass / v1 * own_square
            if part.source == "kept":
                pairs = pairs + 2.0 * mass * self.with_real[part.origin]
                to_model = self.of_model[part.origin]
            shared = shared + mass * to_model**2
        between = (squares - v1 * pooled) / degrees
        spread = (pairs - 2.0 * v1 * shared + (v1 * pooled) ** 2) / degrees**2
        return between, spread


def _inner(part: Part) -> Array:
    return np.asarray(part.weight * np.maximum(part.n - 1.0, 0.0))
