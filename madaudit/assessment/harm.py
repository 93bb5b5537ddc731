"""Harm of a self-consuming loop, and the risk level that follows from it.

Harm is absolute and an excess, in real standard deviations: the larger of the diversity lost,
1 − √s, and √(max(0, E[W2²] − E[W2²] of training on the real samples alone) / tr Σ0). The baseline
keeps the uncut number of real samples, so real samples lost to a cut count as harm, and a loop
that helps has none. In a fully synthetic loop s is the typical variance, since the mean of the
trace stays while every run's covariance goes to 0.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from madaudit.errors import OptionError
from madaudit.simulation import LoopSpec, effective_dimension, limit_of, moments_by_generation
from madaudit.simulation.trace import expected_log_det
from madaudit.simulation.training_sets import Numbers
from madaudit.simulation.wasserstein import Moments, real_only, relative_w2_squared

Array = npt.NDArray[np.float64]
Level = Literal["none", "low", "elevated", "high", "critical"]
LEVELS: tuple[Level, ...] = get_args(Level)

# Harm below which a level holds; "critical" is what is left.
LIMITS: Mapping[Level, float] = {"none": 0.001, "low": 0.01, "elevated": 0.05, "high": 0.2}
# Loops computed at once; more would not fit the memory of a small machine.
_CHUNK = 10_000


def level_of(harm: float, limits: Mapping[Level, float] = LIMITS) -> Level:
    """The risk level of a harm.

    Args:
        harm: fraction of the real standard deviation, ≥ 0; ∞ is critical.
        limits: harm below which each level but the last holds, ascending.
    """
    for name in LEVELS[:-1]:
        if harm < limits[name]:
            return name
    return LEVELS[-1]


def require_limits(limits: Mapping[Level, float]) -> None:
    """Refuse levels that are not complete and ascending.

    Raises:
        OptionError: they are not.
    """
    names, values = LEVELS[:-1], list(limits.values())
    if tuple(limits) != names or values != sorted(values) or min(values) <= 0:
        raise OptionError(
            f"levels are {dict(limits)}; they must be {', '.join(names)} with ascending harms "
            f"above 0"
        )


def counts_of(
    spec: LoopSpec, n_real: npt.ArrayLike, n_synthetic: npt.ArrayLike
) -> dict[str, Array]:
    """A data set's counts as numbers of a loop: what one generation is trained on.

    Args:
        spec: the loop; its own counts are not used.
        n_real: real samples in the data set, (cells,).
        n_synthetic: synthetic ones, (cells,).

    Returns:
        Overrides for `moments_by_generation`: the real samples are fresh in a fresh loop, fixed in
        an augmentation loop, and train the first model of a synthetic loop, whose later ones have
        as many samples as the data set.
    """
    real, synthetic = np.broadcast_arrays(
        np.atleast_1d(np.asarray(n_real, dtype=float)), np.asarray(n_synthetic, dtype=float)
    )
    if spec.loop == "synthetic":
        return {"n_initial": real, "n_synthetic": real + synthetic}
    name = "n_fresh" if spec.loop == "fresh" else "n_fixed"
    return {name: real, "n_synthetic": synthetic, "n_initial": real}


def harm_of(
    spec: LoopSpec, numbers: Mapping[str, Array], n_alone: npt.ArrayLike
) -> tuple[Array, Array]:
    """Harm by generation and at convergence.

    Args:
        spec: the loop.
        numbers: overrides as in `moments_by_generation`, (cells,).
        n_alone: real samples of the baseline, uncut, (cells,) or a number.

    Returns:
        (generations + 1, cells) and (cells,); ∞ where the loop has no samples, or drifts for ever.
    """
    shape = np.broadcast_shapes((1,), *(value.shape for value in numbers.values()))
    given = {name: np.broadcast_to(value, shape) for name, value in numbers.items()}
    alone = np.broadcast_to(np.asarray(n_alone, dtype=float), shape)
    by_generation, at_limit = [], []
    for start in range(0, shape[0], _CHUNK):
        piece = slice(start, start + _CHUNK)
        cells = {name: value[piece] for name, value in given.items()}
        with np.errstate(divide="ignore", invalid="ignore"):  # loops without samples become ∞
            trace = moments_by_generation(spec, cells)
            level = typical_variance(spec, trace, cells)
            by_generation.append(_harm(spec, trace, alone[piece], level))
            end = limit_of(spec, cells).moments
            at_limit.append(_harm(spec, end, alone[piece], end.s))
    return np.concatenate(by_generation, axis=1), np.concatenate(at_limit)


def worst_harm(spec: LoopSpec, numbers: Mapping[str, Array], n_alone: npt.ArrayLike) -> Array:
    """The larger of harm at the last generation and at convergence, (cells,), and nothing else.

    Args:
        spec: the loop.
        numbers: overrides, (cells,).
        n_alone: real samples of the baseline, uncut, (cells,) or a number.
    """
    shape = np.broadcast_shapes((1,), *(value.shape for value in numbers.values()))
    given = {name: np.broadcast_to(value, shape) for name, value in numbers.items()}
    alone = np.broadcast_to(np.asarray(n_alone, dtype=float), shape)
    result = np.empty(shape)
    for start in range(0, shape[0], _CHUNK):
        piece = slice(start, start + _CHUNK)
        cells = {name: value[piece] for name, value in given.items()}
        with np.errstate(divide="ignore", invalid="ignore"):  # loops without samples become ∞
            trace = moments_by_generation(spec, cells)
            level = typical_variance(spec, trace, cells)
            last = Moments(*(series[-1] for series in trace))
            end = limit_of(spec, cells).moments
            result[piece] = np.maximum(
                _harm(spec, last, alone[piece], level[-1]), _harm(spec, end, alone[piece], end.s)
            )
    return result


def worst(by_generation: Array, at_limit: Array) -> Array:
    """The larger of harm at the last generation and at convergence, (cells,)."""
    larger: Array = np.maximum(by_generation[-1], at_limit)
    return larger


def _harm(spec: LoopSpec, moments: Moments, alone: Array, level: Array) -> Array:
    d = effective_dimension(spec.eigenvalues)
    error = float(spec.at("model_error", spec.generations))
    lost = 1.0 - np.sqrt(np.maximum(level, 0.0))
    excess = relative_w2_squared(moments, d) - (real_only(alone, d) + error)
    harm = np.maximum(np.maximum(lost, 0.0), np.sqrt(np.maximum(excess, 0.0)))
    return np.asarray(np.where(np.isnan(harm), np.inf, harm))


def typical_variance(spec: LoopSpec, trace: Moments, cells: Mapping[str, Array]) -> Array:
    """The variance level that a single run has: below E s where no real samples hold it.

    Args:
        spec: the loop.
        trace: its moments, (generations + 1, cells).
        cells: overrides that gave them, (cells,).
    """
    if spec.loop != "synthetic":
        return trace.s
    # Two samples at least: one has no covariance whose determinant could be told.
    at_least = {
        name: np.maximum(np.round(cells[name]), 2.0) if name.startswith("n_") else cells[name]
        for name in cells
    }
    log_det = expected_log_det(Numbers(spec, at_least), trace)
    return np.minimum(trace.s, np.exp(log_det / spec.dim))


def at_prevalence(spec: LoopSpec, n: float, prevalence: npt.ArrayLike) -> dict[str, Array]:
    """A loop's numbers for a data set of n samples with a synthetic share."""
    share = np.atleast_1d(np.asarray(prevalence, dtype=float))
    return counts_of(spec, n * (1.0 - share), n * share)


def without_counts(spec: LoopSpec) -> LoopSpec:
    """The loop with its counts taken out, ready for a data set's own."""
    return dataclasses.replace(spec, n_fresh=0, n_fixed=0, n_synthetic=0, n_initial=None)
