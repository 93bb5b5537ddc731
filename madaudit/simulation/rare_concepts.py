"""Rare concepts in a self-consuming loop: which are lost first, and when.

A concept is a share w of the data; a model that reproduces shares exactly still draws a finite
number of samples, and a concept of which none is drawn is gone. Counts of a rare concept are
Poisson, so its loss is that of a branching process with immigration, exactly (no sampling):
count_t ~ Poisson(n_real w + n_synthetic · count_{t−1} / n_{t−1}).

Derivation: docs/simulation.md §7.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from madaudit.errors import OptionError
from madaudit.simulation.loop import LoopSpec, require_samples
from madaudit.simulation.training_sets import Array


def zipf_weights(n_concepts: int, exponent: float = 1.0) -> Array:
    """Shares of concepts by rank, ∝ rank^−exponent, (n_concepts,), sum 1."""
    weights = np.arange(1, n_concepts + 1, dtype=float) ** -exponent
    shares: Array = weights / weights.sum()
    return shares


def chance_of_absence(spec: LoopSpec, weights: npt.ArrayLike) -> Array:
    """Chance that a generation's training set has no sample of a concept.

    Args:
        spec: a fresh or fully synthetic loop with pool "replace" and memory 1; λ plays no part,
            since it narrows a concept and does not change its share.
        weights: (concepts,), real share of each, well below 1.

    Returns:
        (generations + 1, concepts).

    Raises:
        OptionError: another loop or pool.
    """
    require_samples(spec)
    if spec.n_fixed or spec.pool != "replace" or spec.memory > 1:
        raise OptionError(
            f"rare concepts are not known for loop {spec.loop!r} with pool {spec.pool!r}, "
            f"n_fixed {spec.n_fixed} and memory {spec.memory}; allowed: fresh or synthetic, pool "
            f"'replace', memory 1"
        )
    w = np.asarray(weights, dtype=float)
    real, synthetic = [float(spec.initial)], [0.0]
    for t in range(1, spec.generations + 1):
        passed = spec.filter_at(t)
        real.append(round(spec.at("n_fresh", t) * (1.0 - passed.fpr)))
        synthetic.append(round(spec.at("n_synthetic", t) * (1.0 - passed.tpr)))
    totals = np.add(real, synthetic)
    absent = np.empty((spec.generations + 1, len(w)))
    for last in range(spec.generations + 1):
        # The generating function at 0, taken back through the generations.
        argument, exponent = 0.0, np.zeros_like(w)
        for t in range(last, -1, -1):
            exponent += real[t] * w * (argument - 1.0)
            if t:
                argument = float(np.exp(synthetic[t] / totals[t - 1] * (argument - 1.0)))
        absent[last] = np.exp(exponent)
    return absent


def lost_share(spec: LoopSpec, weights: npt.ArrayLike) -> Array:
    """Expected share of the real data that belongs to absent concepts, (generations + 1,)."""
    result: Array = chance_of_absence(spec, weights) @ np.asarray(weights, dtype=float)
    return result
