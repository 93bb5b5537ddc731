"""E W2² where the samples are few for the dimension, which no closed form reaches.

Its mean error and variance level are exact at any number of samples; what is approximate is the
mean root of the covariance's eigenvalues, once they spread widely. It is measured there on
replicates by sufficient statistics, whose own mean error and trace are known exactly and take most
of the noise away (control variates).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from madaudit.simulation.loop import LoopSpec
from madaudit.simulation.monte_carlo import simulate_replicates
from madaudit.simulation.training_sets import Array
from madaudit.simulation.wasserstein import Moments

# Spread γ up to which the closed form was within 1.1 % of Monte Carlo (docs/simulation.md §4).
WIDE_SPREAD = 0.05
# Spread in one dimension up to which its error cannot be seen by 4,000 replicates.
_UNSEEN_SPREAD = 0.025
# Eigenvalues of a replicate cost d³; beyond this dimension they would take minutes.
MOST_DIMENSIONS = 200
_WORK, _FEWEST, _MOST = 4e6, 16, 4000


def narrow_spread(dim: int) -> float:
    """The spread γ up to which replicates do not tell the closed form from the truth.

    It is off by γ/2 of itself at most, upwards (the skewness of a loop's covariance is at most
    twice a Wishart's), and a standard error of 4,000 replicates is about 1.7 % / d^¾; so it is
    within three quarters of one.
    """
    return float(_UNSEEN_SPREAD / dim**0.75)


class Measured(NamedTuple):
    """E W2² by generation and its standard error, (generations + 1,), of so many replicates."""

    w2_squared: Array
    error: Array
    n_replicates: int


def measure_w2(spec: LoopSpec, moments: Moments) -> Measured:
    """E W2² of every generation by replicates, with exact moments as control variates.

    The same loop gives the same numbers: the seed is fixed.

    Args:
        spec: the loop, of at most `MOST_DIMENSIONS`.
        moments: its exact ones, of one cell.
    """
    n = int(np.clip(_WORK / spec.dim**3, _FEWEST, _MOST))
    runs = simulate_replicates(spec, n, np.random.default_rng(0))
    scale = float(np.sum(spec.eigenvalues))
    means, errors = np.empty((2, spec.generations + 1))
    for generation in range(spec.generations + 1):
        known = np.stack(
            [
                runs.mean_error[generation] - scale * moments.m[generation, 0],
                runs.variance_ratio[generation] - moments.s[generation, 0],
            ]
        )
        measured = runs.w2_squared[generation]
        design = np.column_stack([np.ones(n), known.T])
        fit = np.linalg.lstsq(design, measured, rcond=None)[0]
        rest = measured - known.T @ fit[1:]
        means[generation] = rest.mean()
        errors[generation] = rest.std(ddof=3) / np.sqrt(n)
    return Measured(means, errors, n)
