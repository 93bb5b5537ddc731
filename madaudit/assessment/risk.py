"""From the synthetic share of a data set to what it does to models trained on it.

Pure: an estimate of π and a loop in, a risk out. The interval of harm is the range over the box of
the intervals of π and λ, so it holds at least at one minus the sum of their error rates.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from madaudit.assessment.harm import (
    LIMITS,
    Array,
    Level,
    at_prevalence,
    harm_of,
    level_of,
    require_limits,
    without_counts,
    worst,
    worst_harm,
)
from madaudit.errors import OptionError
from madaudit.simulation import (
    LoopSpec,
    effective_dimension,
    moments_by_generation,
    n_effective,
)
from madaudit.simulation.few_samples import WIDE_SPREAD
from madaudit.types import Interval

# λ for which the level is given where nobody knows it.
BIASES = (1.0, 0.99, 0.9, 0.5)
# Generations looked ahead for the half-life and for crossing the tolerance.
HORIZON = 100
_N_PREVALENCES, _N_BIASES = 9, 5
_MOST_REAL = 1e15


class PrevalenceEstimate(Protocol):
    """What a risk needs of an estimate.

    Attributes:
        n: samples in the data set.
        prevalence: interval of π; `point` None where the data fix no single value.
    """

    @property
    def n(self) -> float: ...
    @property
    def prevalence(self) -> Interval: ...


class Strata(NamedTuple):
    """Strata or clusters: names, samples, and the intervals of their own π, each (strata,)."""

    names: Sequence[str]
    n: npt.NDArray[Any]
    low: Array
    high: Array


@dataclass(frozen=True)
class Tail:
    """The part of the data whose own loop exceeds the tolerance.

    Attributes:
        share_possible: share of samples in strata that exceed it at the upper end of harm.
        share_certain: the same at the lower end.
        strata: names of the former with their upper harm, worst first.
    """

    share_possible: float
    share_certain: float
    strata: tuple[tuple[str, float], ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "share_possible": self.share_possible,
            "share_certain": self.share_certain,
            "strata": [{"name": name, "harm": _json(harm)} for name, harm in self.strata],
        }


@dataclass(frozen=True)
class Risk:
    """What the synthetic share of a data set does to models trained on it.

    Attributes:
        level: of the upper end of harm, at the last generation or at convergence.
        level_at_low: of the lower end.
        rule: how the level comes about, in words.
        assumptions: what the numbers rest on.
        by_generation: intervals of harm.
        at_convergence: the same in the limit.
        n_effective_ratio: n_e / n_r, which never sets the level.
        by_bias: level for each λ of `BIASES`.
        half_life: generations until the variance is halved, at the upper end; None for not within
            `HORIZON`.
        generations_to_tolerance: until the upper end of harm exceeds the tolerance; None as there.
        fresh_real_needed: further fresh real samples a generation that keep the upper end of harm
            within the tolerance; 0 if it is, None if none suffice.
        tail: strata of their own; None where none were given.
    """

    level: Level
    level_at_low: Level
    rule: str
    assumptions: tuple[str, ...]
    by_generation: tuple[Interval, ...]
    at_convergence: Interval
    n_effective_ratio: Interval
    by_bias: Mapping[float, Level]
    half_life: int | None
    generations_to_tolerance: int | None
    fresh_real_needed: int | None
    tail: Tail | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; an unbounded number is null."""
        return {
            "level": self.level,
            "level_at_low": self.level_at_low,
            "rule": self.rule,
            "assumptions": list(self.assumptions),
            "harm": {
                "generation": [_interval(harm) for harm in self.by_generation],
                "convergence": _interval(self.at_convergence),
            },
            "n_effective_ratio": _interval(self.n_effective_ratio),
            "by_bias": {f"{bias:g}": level for bias, level in self.by_bias.items()},
            "half_life": self.half_life,
            "generations_to_tolerance": self.generations_to_tolerance,
            "fresh_real_needed": self.fresh_real_needed,
            "tail": self.tail.to_dict() if self.tail else None,
        }


class Box(NamedTuple):
    """Cells over the intervals of π and λ; the last is their point, if both have one.

    Attributes:
        prevalence, bias: (cells,).
        has_point: whether the last cell is the point.
        level: at which the box holds.
    """

    prevalence: Array
    bias: Array
    has_point: bool
    level: float


def assess_risk(
    estimate: PrevalenceEstimate,
    loop: LoopSpec,
    *,
    bias: Interval | None = None,
    tolerance: float = 0.01,
    limits: Mapping[Level, float] = LIMITS,
    strata: Strata | None = None,
) -> Risk:
    """The risk of training on a data set, generation after generation.

    Args:
        estimate: sample number and interval of π.
        loop: which loop, pool, λ, dimension and generations; its counts are not used.
        bias: interval of λ; None takes the loop's own λ as known.
        tolerance: harm that is accepted, as a fraction of the real standard deviation.
        limits: harm below which each level holds.
        strata: for the tail.

    Raises:
        OptionError: no samples, or a loop whose λ changes by generation beside an interval of λ.
    """
    require_limits(limits)
    if estimate.n < 2:
        raise OptionError(f"the risk needs at least 2 samples; the estimate has {estimate.n:g}")
    if bias is not None and isinstance(loop.bias, Sequence):
        raise OptionError("λ is given by generation and as an interval; give one of them")
    spec = without_counts(loop)
    box = box_of(estimate.prevalence, bias, spec)
    by_generation, at_limit = _harm_over(spec, estimate.n, box)
    upper = float(worst(by_generation, at_limit).max())
    lower = float(worst(by_generation, at_limit).min())
    worst_bias = float(box.bias.min())
    at_high = _with_bias(spec, worst_bias)
    return Risk(
        level_of(upper, limits),
        level_of(lower, limits),
        _rule(spec, tolerance, limits),
        _assumptions(spec, bias, estimate.n),
        tuple(in_range(row, box) for row in by_generation),
        in_range(at_limit, box),
        _effective_ratio(spec, estimate.n, box),
        {value: _level_at(spec, estimate, value, limits) for value in BIASES},
        _half_life(at_high, estimate.n, estimate.prevalence.high),
        _crossing(at_high, estimate.n, estimate.prevalence.high, tolerance),
        fresh_real_needed(at_high, estimate.n, estimate.prevalence.high, tolerance),
        _tail(spec, strata, box, tolerance) if strata is not None else None,
    )


def box_of(prevalence: Interval, bias: Interval | None, spec: LoopSpec) -> Box:
    """A grid over the intervals, their ends included."""
    last = float(spec.at("bias", spec.generations))
    known = bias or Interval(last, last, last, 1.0)
    shares = np.linspace(prevalence.low, prevalence.high, _N_PREVALENCES)
    factors = np.linspace(known.low, known.high, _N_BIASES) if bias else np.array([last])
    grid = np.array(np.meshgrid(shares, factors)).reshape(2, -1)
    level = max(0.0, prevalence.level + known.level - 1.0)
    has_point = prevalence.point is not None and known.point is not None
    if has_point:
        point = np.array([[prevalence.point], [known.point]], dtype=float)
        grid = np.concatenate([grid, point], axis=1)
    return Box(grid[0], grid[1], has_point, level)


def fresh_real_needed(spec: LoopSpec, n: float, prevalence: float, tolerance: float) -> int | None:
    """Further fresh real samples a generation that bring the harm within the tolerance.

    Args:
        spec: the loop, without counts.
        n: samples in the data set.
        prevalence: their synthetic share.
        tolerance: harm that is accepted.

    Returns:
        The least number to two digits, 0 if none is needed, None if none suffices (below 1e15).
    """
    real, synthetic = n * (1.0 - prevalence), n * prevalence

    def is_within(extra: Array) -> npt.NDArray[np.bool_]:
        numbers = {"n_synthetic": np.full_like(extra, synthetic), "n_fixed": 0.0 * extra}
        if spec.loop == "augmentation":
            numbers |= {"n_fixed": np.full_like(extra, real), "n_fresh": extra}
        else:
            numbers |= {"n_fresh": extra + (real if spec.loop == "fresh" else 0.0)}
        numbers["n_initial"] = np.maximum(numbers["n_fixed"] + numbers["n_fresh"], 2.0)
        fresh = dataclasses.replace(spec, loop="fresh", pool="replace", keep=None)
        return np.asarray(worst_harm(fresh, numbers, max(real, 2.0)) <= tolerance)

    now = worst_harm(spec, at_prevalence(spec, n, prevalence), real)
    if now[0] <= tolerance:
        return 0
    tried = np.unique(np.round(np.geomspace(1.0, _MOST_REAL, 1500)))
    within = np.nonzero(is_within(tried))[0]
    return int(tried[within[0]]) if len(within) else None


def _harm_over(spec: LoopSpec, n: float, box: Box) -> tuple[Array, Array]:
    numbers = at_prevalence(spec, n, box.prevalence)
    if not isinstance(spec.bias, Sequence):
        numbers["bias"] = box.bias
    return harm_of(spec, numbers, n * (1.0 - box.prevalence))


def _with_bias(spec: LoopSpec, bias: float) -> LoopSpec:
    return spec if isinstance(spec.bias, Sequence) else dataclasses.replace(spec, bias=bias)


def in_range(values: Array, box: Box) -> Interval:
    """The range of a number over a box, with its point, (cells,) to an interval."""
    point = float(values[-1]) if box.has_point else None
    return Interval(float(values.min()), point, float(values.max()), box.level)


def _effective_ratio(spec: LoopSpec, n: float, box: Box) -> Interval:
    if spec.loop == "synthetic":
        return Interval(0.0, 0.0, 0.0, box.level)
    real = n * (1.0 - box.prevalence)
    numbers = at_prevalence(spec, n, box.prevalence)
    if not isinstance(spec.bias, Sequence):
        numbers["bias"] = box.bias
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(real >= 2.0, n_effective(spec, numbers) / real, 0.0)
    return in_range(np.nan_to_num(ratio, nan=0.0), box)


def _level_at(
    spec: LoopSpec, estimate: PrevalenceEstimate, bias: float, limits: Mapping[Level, float]
) -> Level:
    known = dataclasses.replace(spec, bias=bias)
    box = box_of(estimate.prevalence, None, known)
    return level_of(float(worst(*_harm_over(known, estimate.n, box)).max()), limits)


def _half_life(spec: LoopSpec, n: float, prevalence: float) -> int | None:
    far = dataclasses.replace(_steady(spec), generations=HORIZON)
    numbers = at_prevalence(far, n, prevalence)
    if far.loop == "synthetic":
        lost = harm_of(far, numbers, n)[0][:, 0]
        return _first(1.0 - lost <= np.sqrt(0.5))
    return _first(moments_by_generation(far, numbers).s[:, 0] <= 0.5)


def _crossing(spec: LoopSpec, n: float, prevalence: float, tolerance: float) -> int | None:
    far = dataclasses.replace(_steady(spec), generations=HORIZON)
    harm, _ = harm_of(far, at_prevalence(far, n, prevalence), n * (1.0 - prevalence))
    return _first(harm[:, 0] > tolerance)


def _steady(spec: LoopSpec) -> LoopSpec:
    """Schedules end with the loop; beyond it the last values hold."""
    names = ("bias", "model_error", "filters")
    last: dict[str, Any] = {name: spec.at(name, spec.generations) for name in names}
    return dataclasses.replace(spec, **last)


def _first(reached: npt.NDArray[np.bool_]) -> int | None:
    places = np.nonzero(reached)[0]
    return int(places[0]) if len(places) else None


def _tail(spec: LoopSpec, strata: Strata, box: Box, tolerance: float) -> Tail:
    """Every stratum as a loop of its own, at the corners of its intervals."""
    ends = []
    for prevalence in (strata.low, (strata.low + strata.high) / 2.0, strata.high):
        for bias in sorted({float(box.bias.min()), float(box.bias.max())}):
            n = np.asarray(strata.n, dtype=float)
            at = _with_bias(spec, bias)
            numbers = {
                name: value * n for name, value in at_prevalence(at, 1.0, prevalence).items()
            }
            ends.append(worst_harm(at, numbers, n * (1.0 - prevalence)))
    low, high = np.min(ends, axis=0), np.max(ends, axis=0)
    total = float(np.sum(strata.n))
    exceeding = np.nonzero(high > tolerance)[0]
    ordered = exceeding[np.argsort(-high[exceeding], kind="stable")]
    return Tail(
        float(np.sum(strata.n[high > tolerance])) / total,
        float(np.sum(strata.n[low > tolerance])) / total,
        tuple((strata.names[place], float(high[place])) for place in ordered),
    )


def _rule(spec: LoopSpec, tolerance: float, limits: Mapping[Level, float]) -> str:
    steps = ", ".join(f"{name} below {value:g}" for name, value in limits.items())
    return (
        f"harm is the larger of the diversity lost and the excess error over training on the real "
        f"samples alone, in real standard deviations; the level is that of its upper end at "
        f"generation {spec.generations} or at convergence: {steps}, else critical; "
        f"tolerance {tolerance:g}"
    )


def _assumptions(spec: LoopSpec, bias: Interval | None, n: float) -> tuple[str, ...]:
    last = spec.at("bias", spec.generations)
    factor = f"λ in [{bias.low:g}, {bias.high:g}]" if bias else f"λ = {last:g}, taken as known"
    same = f"({spec.loop} loop, pool {spec.pool})"
    space = "1 dimension" if spec.dim == 1 else f"{spec.dim} dimensions"
    kind = f"Gaussian fits in {space} with model error {spec.model_error}"
    told = (
        f"every later data set has the same numbers and share as this one {same}",
        f"the synthetic samples come from models of this loop, with {factor}",
        f"models are {kind}; for other models read the level as a ranking",
    )
    d = effective_dimension(spec.eigenvalues)
    if (d + 1.0) / max(n - 1.0, 1.0) <= WIDE_SPREAD:
        return told
    few = f"{n:g} samples are few for {spec.dim} dimensions: harm is approximate, and rather high"
    return (*told, few)


def _interval(interval: Interval) -> dict[str, Any]:
    return {name: _json(value) for name, value in interval.to_dict().items()}


def _json(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
