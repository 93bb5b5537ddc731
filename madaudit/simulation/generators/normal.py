"""The Gaussian family as a generator that is fitted to samples: the theory's model, by sampling.

It is the fake that ships for the runner of loops, and the check of the theory on real samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from madaudit.errors import OptionError
from madaudit.simulation.generators.base import (
    DivergenceError,
    Generator,
    Progress,
    Samples,
    State,
    draw_weights,
)


@dataclass(frozen=True, eq=False)
class FittedNormal:
    """A fitted Gaussian.

    Attributes:
        mean: (d,).
        covariance: (d, d), with n − 1.
        shape: of one sample.
    """

    mean: npt.NDArray[np.float64]
    covariance: npt.NDArray[np.float64]
    shape: tuple[int, ...]

    def sample(self, n: int, *, bias: float, seed: int) -> Samples:
        generator = np.random.default_rng(seed)
        drawn = generator.multivariate_normal(
            self.mean, bias * self.covariance, size=n, method="eigh"
        )
        return Samples(drawn.astype(np.float32).reshape(n, *self.shape), np.zeros(n, np.int64))

    def state(self) -> State:
        return {
            "mean": self.mean,
            "covariance": self.covariance,
            "shape": np.array(self.shape, np.int64),
        }


@dataclass(frozen=True)
class Normal(Generator):
    """One Gaussian for all samples, by its mean and unbiased covariance."""

    name: ClassVar[str] = "normal"
    knob: ClassVar[str] = "variance, Σ × λ"
    version: ClassVar[int] = 1

    def fit(
        self,
        samples: Samples,
        *,
        seed: int,
        weights: npt.NDArray[np.float64] | None = None,
        progress: Progress | None = None,
    ) -> FittedNormal:
        if len(samples) < 2:
            raise OptionError(f"cannot fit a Gaussian to {len(samples)} samples; give at least 2")
        flat = samples.values.reshape(len(samples), -1).astype(np.float64)
        if not np.isfinite(flat).all():
            raise DivergenceError("samples are not finite")
        chances = draw_weights(weights, len(samples))
        mean = np.average(flat, axis=0, weights=chances)
        covariance = np.cov(flat, rowvar=False, aweights=chances).reshape(flat.shape[1], -1)
        return FittedNormal(mean, covariance, samples.values.shape[1:])

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedNormal:
        shape = tuple(int(side) for side in state["shape"])
        mean, covariance = state["mean"], state["covariance"]
        if covariance.shape != (mean.size, mean.size) or math.prod(shape) != mean.size:
            raise ValueError(f"{mean.shape}, {covariance.shape} and {shape} do not fit")
        return FittedNormal(mean, covariance, shape)
