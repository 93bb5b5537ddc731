"""Simulated scores: real ones standard normal, synthetic ones shifted, in bins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

#: Shift at which the area under the ROC curve is .9.
SHIFT = 1.8124
EDGES = np.r_[-np.inf, np.linspace(-3.0, 6.0, 127), np.inf]
COARSE_EDGES = np.r_[-np.inf, np.linspace(-1.5, 3.5, 15), np.inf]


class Drawn(NamedTuple):
    """Replicates of one setting, each (replicates, bins)."""

    real: np.ndarray
    synthetic: np.ndarray
    target: np.ndarray


def shares(shift: float = 0.0, edges: np.ndarray = EDGES) -> np.ndarray:
    """Probability of each bin for scores of N(shift, 1)."""
    return np.diff(norm.cdf(edges - shift))


def mixture(pi: float, *, edges: np.ndarray = EDGES, unseen: float = 0.0) -> np.ndarray:
    """Of a target; a share `unseen` of its synthetic samples is detected half as well."""
    synthetic = (1 - unseen) * shares(SHIFT, edges) + unseen * shares(SHIFT / 2, edges)
    return (1 - pi) * shares(0.0, edges) + pi * synthetic


def draw(
    pi: float,
    *,
    n: int,
    n_target: int,
    replicates: int = 1,
    seed: int = 0,
    edges: np.ndarray = EDGES,
    unseen: float = 0.0,
) -> Drawn:
    generator = np.random.default_rng(seed)
    return Drawn(
        generator.multinomial(n, shares(0.0, edges), replicates).astype(float),
        generator.multinomial(n, shares(SHIFT, edges), replicates).astype(float),
        generator.multinomial(
            n_target, mixture(pi, edges=edges, unseen=unseen), replicates
        ).astype(float),
    )
