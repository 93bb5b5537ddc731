"""The Gaussian loop that trains on the last model's samples alone, beside real ones.

The case of every default, so it must be fast: a model is its predecessor, the kept real pieces and
new noise, and a generation costs some sixty products a cell. The moments are those that `gaussian`
gives part by part. Derivation: docs/simulation.md §3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from madaudit.simulation.training_sets import (
    Array,
    Numbers,
    Part,
    entering_synthetic,
    real_parts,
)
from madaudit.simulation.wasserstein import Moments

_N_KEPT = 3


class _Weights(NamedTuple):
    """How one generation's fit weighs its parts, each (cells,).

    Attributes:
        total, degrees: V1 and D.
        n, inner: of the synthetic samples, of weight 1: their number, and n − 1 or 0.
    """

    total: Array
    degrees: Array
    n: Array
    inner: Array


def replaced_moments(numbers: Numbers) -> Moments:
    """The law of every generation, (generations + 1, cells), as `moments_by_generation` has it.

    Args:
        numbers: of a loop with pool "replace" and memory 1.
    """
    loop = _Replacement(numbers)
    for generation in range(numbers.spec.generations + 1):
        loop.train(generation)
    return Moments(loop.m, loop.s, loop.a, loop.b)


class _Replacement:
    """The last model, and what it shares with the kept real pieces.

    Attributes:
        m, s, a, b: (generations + 1, cells), the models' moments (`Moments`).
        to_real: (3, cells), covariance of the model's mean with each kept piece's.
        shares: (3, cells), coefficient of each kept piece's covariance in the model's.
        kept_beta: (3, cells), β of each kept piece's covariance.
        free: (cells,), what is left of β that comes from no kept piece.
    """

    def __init__(self, numbers: Numbers):
        self._numbers = numbers
        self.m, self.s, self.a, self.b = np.zeros((4, numbers.spec.generations + 1, numbers.cells))
        self.to_real, self.shares, self.kept_beta = np.zeros((3, _N_KEPT, numbers.cells))
        self.free = np.zeros(numbers.cells)

    def train(self, generation: int) -> None:
        """Fit a model on the real parts and draws of the last: `gaussian._train` in O(1)."""
        parts, last = real_parts(self._numbers, generation), max(generation - 1, 0)
        real = [part for part in parts if part.n.any()]
        bias = self._numbers.at("bias", generation)
        n = entering_synthetic(self._numbers, generation) if generation else 0.0 * bias
        weights = _weigh(real, n)
        self._fit_spread(generation, real, weights, bias)
        inside = bias * self.s[last]
        pooled, between, spread = self._pool(
            real, weights, self.m[last] + inside / np.maximum(n, 1.0)
        )
        within = weights.inner * inside + sum(_inner(part) for part in real)
        self.free = self.free + spread
        self.m[generation] = pooled + self._numbers.at("model_error", generation)
        self.s[generation] = within / weights.degrees + between
        self.b[generation] = self.free + np.sum(self.shares**2 * self.kept_beta, axis=0)

    def _fit_spread(
        self, generation: int, real: list[Part], weights: _Weights, bias: Array
    ) -> None:
        """α and β: (h λ)² of the last model's, what a Wishart draw adds, and the real parts'."""
        last, spare = max(generation - 1, 0), np.maximum(weights.n - 1.0, 1.0)
        s, alpha, beta = self.s[last], self.a[last], self.b[last]
        h = weights.inner / weights.degrees * bias
        self.a[generation] = h**2 * (alpha + 2.0 * beta / spare)
        self.free = h**2 * (self.free + (s**2 + alpha + beta) / spare)
        self.shares = h * self.shares
        for part in real:
            share, spare = _inner(part) / weights.degrees, np.maximum(part.n - 1.0, 1.0)
            if part.source == "kept":
                self.shares[part.origin] += share
                self.kept_beta[part.origin] = 1.0 / spare
            else:
                self.free = self.free + share**2 / spare

    def _pool(
        self, real: list[Part], weights: _Weights, square: Array
    ) -> tuple[Array, Array, Array]:
        """Variance of the pooled mean, and the traces of QC and (QC)² of `gaussian._train`.

        C is diagonal but for the synthetic part's mean, of variance `square`, beside kept pieces.
        """
        mass, v1 = weights.n, weights.total
        squares, pairs = mass * square, (mass * square) ** 2
        to_synthetic, pooled, shared = mass * square, 0.0 * mass, 0.0 * mass
        # Kept pieces that this generation leaves out are shared with the last model all the same.
        to_real = mass * self.to_real / v1
        for part in real:
            own, weight = 1.0 / np.maximum(part.n, 1.0), part.weight * part.n
            squares, pairs = squares + weight * own, pairs + (weight * own) ** 2
            to_pooled = weight * own / v1
            if part.source == "kept":
                common = self.to_real[part.origin]
                pairs = pairs + 2.0 * mass * weight * common**2
                to_synthetic = to_synthetic + weight * common
                to_pooled = to_pooled + to_real[part.origin]
                to_real[part.origin] = to_pooled
            pooled, shared = pooled + weight * to_pooled, shared + weight * to_pooled**2
        to_synthetic = to_synthetic / v1
        pooled = (pooled + mass * to_synthetic) / v1
        shared = shared + mass * to_synthetic**2
        self.to_real = to_real
        between = (squares - v1 * pooled) / weights.degrees
        spread = (pairs - 2.0 * v1 * shared + (v1 * pooled) ** 2) / weights.degrees**2
        return pooled, between, spread


def _weigh(real: list[Part], n: Array) -> _Weights:
    total = n + sum(part.weight * part.n for part in real)
    total = np.where(total > 0, total, np.nan)
    degrees = total - (n + sum(part.weight**2 * part.n for part in real)) / total
    degrees = np.where(degrees > 0, degrees, np.nan)  # one sample fits nothing
    return _Weights(total, degrees, n, np.maximum(n - 1.0, 0.0))


def _inner(part: Part) -> Array:
    return np.asarray(part.weight * np.maximum(part.n - 1.0, 0.0))
