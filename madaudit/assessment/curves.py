"""The numbers behind a risk's two pictures: trajectories with bands, and the phase diagram.

Plain values in frozen dataclasses; whoever draws them needs no loop and no array. Bands are the
range over the box of the intervals of π and λ, as in `risk`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from madaudit.assessment.harm import (
    LIMITS,
    Array,
    Level,
    at_prevalence,
    counts_of,
    harm_of,
    level_of,
    typical_variance,
    without_counts,
    worst_harm,
)
from madaudit.assessment.risk import PrevalenceEstimate, box_of, in_range
from madaudit.simulation import LoopSpec, LoopTrace, effective_dimension, n_effective, predict
from madaudit.simulation.gaussian import moments_by_generation
from madaudit.simulation.wasserstein import relative_w2_squared
from madaudit.types import Interval

# Cells of a phase diagram along the synthetic share (logarithmic) and along λ.
_N_SHARES, _N_BIASES = 41, 26
_LEAST_SHARE, _MOST_SHARE, _LEAST_BIAS = 1e-4, 0.99, 0.5


@dataclass(frozen=True)
class Trajectory:
    """A data set's loop by generation, with bands over what is not known of π and λ.

    Attributes:
        harm: by generation from 0 on, in real standard deviations.
        variance: level of a single run's variance against real, by generation.
        w2_squared: E W2² / tr Σ0 by generation.
        tolerance: harm that is accepted.
    """

    harm: tuple[Interval, ...]
    variance: tuple[Interval, ...]
    w2_squared: tuple[Interval, ...]
    tolerance: float

    def to_dict(self) -> dict[str, Any]:
        return {
            **{
                name: [_finite(each) for each in getattr(self, name)]
                for name in ("harm", "variance", "w2_squared")
            },
            "tolerance": self.tolerance,
        }


@dataclass(frozen=True)
class PhaseDiagram:
    """Harm over synthetic share and λ at the data set's size, with the data set on it.

    Attributes:
        n: samples of the data set, at which all cells are computed.
        shares: synthetic shares along one axis, ascending, about evenly spaced in the logarithm.
        biases: λ along the other, ascending.
        harm: the larger of the last generation's and the limit's, a row for each λ; ∞ possible.
        levels: risk level of each cell, likewise.
        n_effective_ratio: n_e / n_r, likewise; ∞ possible.
        tolerated: for each λ, the largest share of the axis whose harm, and that of all smaller
            ones, is within the tolerance; None where the smallest already exceeds it.
        boundary: for each λ, the smallest share of the axis at which synthetic samples do worse
            than none (n_e < n_r); None where none does.
        tolerance: harm that is accepted.
        share, bias: the data set's intervals of π and λ.
    """

    n: float
    shares: tuple[float, ...]
    biases: tuple[float, ...]
    harm: tuple[tuple[float, ...], ...]
    levels: tuple[tuple[Level, ...], ...]
    n_effective_ratio: tuple[tuple[float, ...], ...]
    tolerated: tuple[float | None, ...]
    boundary: tuple[float | None, ...]
    tolerance: float
    share: Interval
    bias: Interval

    def to_dict(self) -> dict[str, Any]:
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def trajectory_of(
    estimate: PrevalenceEstimate,
    loop: LoopSpec,
    *,
    bias: Interval | None = None,
    tolerance: float = 0.01,
) -> Trajectory:
    """What a data set's loop does by generation, with bands.

    Args:
        estimate: sample number and interval of π.
        loop: which loop, λ, dimension and generations; its counts are not used.
        bias: interval of λ; None takes the loop's own as known.
        tolerance: harm that is accepted.
    """
    spec = without_counts(loop)
    box = box_of(estimate.prevalence, bias, spec)
    numbers = at_prevalence(spec, estimate.n, box.prevalence)
    if not isinstance(spec.bias, Sequence):
        numbers["bias"] = box.bias
    harm, _ = harm_of(spec, numbers, estimate.n * (1.0 - box.prevalence))
    with np.errstate(divide="ignore", invalid="ignore"):
        moments = moments_by_generation(spec, numbers)
        variance = typical_variance(spec, moments, numbers)
        w2 = relative_w2_squared(moments, effective_dimension(spec.eigenvalues))

    def bands(rows: Array, missing: float) -> tuple[Interval, ...]:
        return tuple(in_range(np.where(np.isnan(row), missing, row), box) for row in rows)

    return Trajectory(bands(harm, np.inf), bands(variance, 0.0), bands(w2, np.inf), tolerance)


def trace_of(estimate: PrevalenceEstimate, loop: LoopSpec) -> LoopTrace:
    """The loop of a data set at the point of π, or at its upper end where it has none.

    At least two real samples are left, since a loop without any has no trace.

    Raises:
        OptionError: fewer than two samples.
    """
    prevalence, spec = estimate.prevalence, without_counts(loop)
    share = prevalence.high if prevalence.point is None else prevalence.point
    n_real = max(round(estimate.n * (1.0 - share)), min(2, round(estimate.n)))
    n_synthetic = round(estimate.n) - n_real
    if spec.loop == "synthetic":
        counts: dict[str, Any] = {"n_initial": n_real, "n_synthetic": n_real + n_synthetic}
    else:
        name = "n_fresh" if spec.loop == "fresh" else "n_fixed"
        counts = {name: n_real, "n_synthetic": n_synthetic, "n_initial": n_real}
    return predict(dataclasses.replace(spec, **counts))


def phase_of(
    estimate: PrevalenceEstimate,
    loop: LoopSpec,
    *,
    bias: Interval | None = None,
    tolerance: float = 0.01,
    limits: Mapping[Level, float] = LIMITS,
) -> PhaseDiagram:
    """Harm over synthetic share and λ, at a data set's size.

    Args:
        estimate: sample number and interval of π.
        loop: which loop, dimension and generations; its counts are not used, and its λ only to
            place the data set.
        bias: interval of λ; None takes the loop's own as known.
        tolerance: harm that is accepted.
        limits: harm below which each level holds.
    """
    last = float(loop.at("bias", loop.generations))
    known = bias or Interval(last, last, last, 1.0)
    spec = dataclasses.replace(without_counts(loop), bias=last)
    shares, biases = _axes(estimate.prevalence, known)
    share, factor = (grid.ravel() for grid in np.meshgrid(shares, biases))
    n_real = estimate.n * (1.0 - share)
    numbers = {**counts_of(spec, n_real, estimate.n * share), "bias": factor}
    harm = worst_harm(spec, numbers, n_real).reshape(len(biases), -1)
    ratio = np.zeros_like(harm)
    if spec.loop != "synthetic":
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.nan_to_num(n_effective(spec, numbers) / n_real, nan=0.0, posinf=np.inf)
        ratio = ratio.reshape(harm.shape)
    return PhaseDiagram(
        float(estimate.n),
        tuple(shares.tolist()),
        tuple(biases.tolist()),
        tuple(map(tuple, harm.tolist())),
        tuple(tuple(level_of(value, limits) for value in row) for row in harm.tolist()),
        tuple(map(tuple, ratio.tolist())),
        tuple(_last_within(shares, row <= tolerance) for row in harm),
        tuple(_first_beyond(shares, row) for row in ratio),
        tolerance,
        estimate.prevalence,
        known,
    )


def _axes(prevalence: Interval, bias: Interval) -> tuple[Array, Array]:
    """Both axes, wide enough for the data set's own intervals."""
    least = min([_LEAST_SHARE, *(end / 2.0 for end in (prevalence.low, prevalence.high) if end)])
    shares = np.geomspace(max(least, 1e-9), _MOST_SHARE, _N_SHARES)
    return shares, np.linspace(min(_LEAST_BIAS, bias.low), 1.0, _N_BIASES)


def _last_within(shares: Array, is_within: np.typing.NDArray[np.bool_]) -> float | None:
    n_within = int(np.argmin(is_within)) if not is_within.all() else len(shares)
    return float(shares[n_within - 1]) if n_within else None


def _first_beyond(shares: Array, ratio: Array) -> float | None:
    places = np.nonzero(ratio < 1.0 - 1e-9)[0]
    return float(shares[places[0]]) if len(places) else None


def _plain(value: Any) -> Any:
    if isinstance(value, Interval):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _finite(interval: Interval) -> dict[str, Any]:
    return {name: _plain(value) for name, value in interval.to_dict().items()}
