"""A loop's trajectory, from the exact moments or from replicates, and where it ends."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import digamma

from madaudit.simulation.few_samples import MOST_DIMENSIONS, measure_w2, narrow_spread
from madaudit.simulation.gaussian import moments_by_generation
from madaudit.simulation.limits import Limit, limit_of
from madaudit.simulation.loop import LoopSpec, require_number, require_samples
from madaudit.simulation.monte_carlo import Replicates, simulate_replicates
from madaudit.simulation.training_sets import Array, Numbers, entering_synthetic
from madaudit.simulation.wasserstein import (
    Moments,
    effective_dimension,
    effective_samples,
    relative_spread,
    relative_w2_squared,
)

# Distance from the fixed point, as a share of the first one, that counts as converged.
CONVERGED = 0.01


@dataclass(frozen=True)
class TraceRow:
    """One generation.

    Attributes:
        generation: 0 is the first model.
        w2_squared: E W2² from the real distribution, in squared units of the data.
        mean_error: E‖μ_t − μ_0‖².
        variance_ratio: E tr Σ_t / tr Σ0; stays 1 in a fully synthetic loop at λ = 1, so read
            `typical_variance` there.
        typical_variance: exp(E ln(det Σ_t / det Σ0) / d), what a single run has; 0 where Σ_t is
            singular.
        log_det_ratio: E ln(det Σ_t / det Σ0); −∞ where Σ_t is singular.
        spread: γ, relative variance of the eigenvalues; above `narrow_spread` w2_squared is
            measured (exact trace); None (Monte Carlo, which needs no such number).
        w2_error: standard error of w2_squared; None where that is in closed form.
        seed: of the replicates; None in an exact trace.
    """

    generation: int
    w2_squared: float
    mean_error: float
    variance_ratio: float
    typical_variance: float
    log_det_ratio: float
    spread: float | None = None
    w2_error: float | None = None
    seed: int | None = None

    def to_dict(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        optional = ("spread", "w2_error", "seed")
        return {
            name: _finite(value)
            for name, value in values.items()
            if value is not None or name not in optional
        }


@dataclass(frozen=True)
class FixedPoint:
    """Where the loop ends.

    Attributes:
        w2_squared, mean_error, variance_ratio: as in `TraceRow`; ∞ where the mean drifts for ever.
        contraction: factor on the distance from it in a generation; 1 where there is none.
        generations_to_converge: until a hundredth of the distance is left; None for never.
        is_closed: False for a limit that is no fixed point in closed form.
        note: which kind of limit it is.
    """

    w2_squared: float
    mean_error: float
    variance_ratio: float
    contraction: float
    generations_to_converge: int | None
    is_closed: bool
    note: str

    def to_dict(self) -> dict[str, Any]:
        return {field.name: _finite(getattr(self, field.name)) for field in fields(self)}


@dataclass(frozen=True)
class LoopTrace:
    """What a loop does, generation by generation.

    Attributes:
        spec: the loop.
        method: "exact" or "monte carlo".
        rows: by seed, then by generation.
        fixed_point: where it ends.
        n_effective: real samples that alone would be as good as the loop's limit (the paper's
            n_e); ∞ where the loop makes no error.
        n_effective_ratio: the same over the loop's own real samples.
        flags: what a reader must know before using the numbers.
    """

    spec: LoopSpec
    method: Literal["exact", "monte carlo"]
    rows: tuple[TraceRow, ...]
    fixed_point: FixedPoint
    n_effective: float
    n_effective_ratio: float
    flags: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; a number that is infinite or undefined is null."""
        return {
            "family": "gaussian",
            "method": self.method,
            "loop": spec_to_dict(self.spec),
            "trace": [row.to_dict() for row in self.rows],
            "fixed_point": self.fixed_point.to_dict(),
            "n_effective": _finite(self.n_effective),
            "n_effective_ratio": _finite(self.n_effective_ratio),
            "flags": list(self.flags),
        }


def spec_to_dict(spec: LoopSpec) -> dict[str, Any]:
    """A loop's own options as JSON values."""
    result = {}
    for field in fields(spec):
        value = getattr(spec, field.name)
        if field.name == "filters":
            items = value if isinstance(value, (list, tuple)) else [value]
            value = [{"tpr": f.tpr, "fpr": f.fpr} for f in items if f is not None]
        result[field.name] = list(value) if isinstance(value, (list, tuple)) else value
    return result


def predict(spec: LoopSpec) -> LoopTrace:
    """What a Gaussian loop does in expectation, at any sample number.

    The mean error and the variance level are exact; E W2² is exact to second order in the spread
    of the covariance's eigenvalues. Generations where that is not enough, since the samples are
    few for the dimension, have it from replicates with a standard error, and a flag says so.

    Raises:
        OptionError: the loop has too few samples to train on.
    """
    require_samples(spec)
    moments = moments_by_generation(spec)
    d = effective_dimension(spec.eigenvalues)
    scale = float(np.sum(spec.eigenvalues))
    w2 = scale * relative_w2_squared(moments, d)[:, 0]
    log_det = expected_log_det(Numbers(spec), moments)[:, 0]
    spread = relative_spread(moments, d)[:, 0]
    wide, flags = _few(spec, spread)
    errors: list[float | None] = [None] * len(w2)
    correction = 1.0
    if wide.any():
        measured = measure_w2(spec, moments)
        w2 = np.where(wide, measured.w2_squared, w2)
        errors = [
            float(e) if is_wide else None for e, is_wide in zip(measured.error, wide, strict=True)
        ]
        correction = _deficit_ratio(moments, d, w2[-1] / scale)
    rows = tuple(
        TraceRow(
            generation,
            float(w2[generation]),
            float(scale * moments.m[generation, 0]),
            float(moments.s[generation, 0]),
            math.exp(log_det[generation] / spec.dim),
            float(log_det[generation]),
            float(spread[generation]),
            errors[generation],
        )
        for generation in range(spec.generations + 1)
    )
    return _concluded(spec, "exact", rows, flags, correction)


def _few(spec: LoopSpec, spread: Array) -> tuple[npt.NDArray[np.bool_], tuple[str, ...]]:
    """Which generations are measured on replicates, and what must be said of it."""
    most = narrow_spread(spec.dim)
    wide = spread > most
    if not wide.any():
        return wide, ()
    few = f"the samples are few for the dimension (spread {spread.max():.2g}, above {most:.2g})"
    if spec.dim > MOST_DIMENSIONS:
        return np.zeros_like(wide), (f"w2_squared is approximate: {few}; use Monte Carlo for it",)
    flag = (
        f"{few}: there w2_squared is measured on replicates, w2_error its standard error, and "
        f"that of the limit is approximate"
    )
    return wide, (flag,)


def _deficit_ratio(moments: Moments, d: float, relative: float) -> float:
    """Measured over closed loss of the mean root by spread, at the last generation."""
    m, s = float(moments.m[-1, 0]), float(moments.s[-1, 0])
    floor = m + (1.0 - math.sqrt(s)) ** 2
    closed = float(relative_w2_squared(moments, d)[-1, 0]) - floor
    return (relative - floor) / closed if closed > 0 else 1.0


def sample_loop(spec: LoopSpec, n_replicates: int, seeds: tuple[int, ...] = (0,)) -> LoopTrace:
    """What a Gaussian loop does, averaged over runs of it, at a cost independent of n.

    Args:
        spec: the loop.
        n_replicates: runs for each seed.
        seeds: one set of rows for each.

    Raises:
        OptionError: the loop has too few samples to train on, or too few runs are asked for.
    """
    require_samples(spec)
    require_number("monte_carlo", n_replicates, low=2, whole=True)
    rows: list[TraceRow] = []
    for seed in seeds:
        runs = simulate_replicates(spec, n_replicates, np.random.default_rng(seed))
        rows.extend(_averaged(spec, runs, seed))
    return _concluded(spec, "monte carlo", tuple(rows), ())


def _averaged(spec: LoopSpec, runs: Replicates, seed: int) -> list[TraceRow]:
    n = runs.w2_squared.shape[1]
    error = runs.w2_squared.std(axis=1, ddof=1) / np.sqrt(n)
    log_det = runs.log_det_ratio.mean(axis=1)
    return [
        TraceRow(
            generation,
            float(runs.w2_squared[generation].mean()),
            float(runs.mean_error[generation].mean()),
            float(runs.variance_ratio[generation].mean()),
            math.exp(log_det[generation] / spec.dim),
            float(log_det[generation]),
            None,
            float(error[generation]),
            seed,
        )
        for generation in range(spec.generations + 1)
    ]


def expected_log_det(numbers: Numbers, moments: Moments) -> Array:
    """E ln(det Σ_t / det Σ0), (generations + 1, cells); −∞ where Σ_t is singular.

    A fully synthetic loop that replaces is exact: each generation adds d ln λ + Σ_i ψ((n − i) / 2)
    − d ln((n − 1) / 2). Else a Wishart of the same level and spread stands in.

    Source: E ln det of a Wishart, e.g. Bishop 2006, eq. B.81; docs/simulation.md §6.
    """
    spec, dim = numbers.spec, numbers.spec.dim
    with np.errstate(divide="ignore"):
        if spec.loop == "synthetic" and spec.pool == "replace" and spec.memory == 1:
            steps = [_log_det_of_wishart(numbers.initial() - 1.0, dim)]
            for t in range(1, spec.generations + 1):
                n, bias = entering_synthetic(numbers, t), numbers.at("bias", t)
                steps.append(dim * np.log(bias) + _log_det_of_wishart(n - 1.0, dim))
            return np.cumsum(steps, axis=0)
        degrees = (dim + 1.0) / relative_spread(moments, float(dim))
        result: Array = dim * np.log(moments.s) + _log_det_of_wishart(degrees, dim)
        return result


def _log_det_of_wishart(degrees: Array, dim: int) -> Array:
    """E ln det (W / degrees) of Wisharts with the identity as scale; −∞ where singular."""
    many, few = degrees > 1e12 * dim, degrees <= dim - 1
    usual = np.where(many | few, dim + 1.0, degrees)
    total = np.zeros_like(usual)
    for place in range(dim):
        total += digamma((usual - place) / 2.0) - np.log(usual / 2.0)
    total = np.where(many, -dim * (dim + 1) / (2.0 * degrees), total)
    return np.where(few, -np.inf, total)


def _concluded(
    spec: LoopSpec,
    method: Literal["exact", "monte carlo"],
    rows: tuple[TraceRow, ...],
    flags: tuple[str, ...],
    correction: float = 1.0,
) -> LoopTrace:
    limit = limit_of(spec)
    scale, d = float(np.sum(spec.eigenvalues)), effective_dimension(spec.eigenvalues)
    w2 = _limiting_w2(limit, d, correction)
    real = float(spec.real_alone())
    error = float(spec.at("model_error", spec.generations))
    n_e = float(effective_samples(w2 - error, d))
    if method == "monte carlo" and limit.is_closed and _has_arrived(limit, spec.generations):
        # The mean of the last rows of all seeds has no error of a closed form in it.
        measured = np.mean([row.w2_squared for row in rows if row.generation == spec.generations])
        n_e = float(effective_samples(measured / scale - error, d))
    return LoopTrace(
        spec, method, rows, _fixed_point(limit, scale, scale * w2), n_e, n_e / real, flags
    )


def _has_arrived(limit: Limit, generations: int) -> bool:
    return float(limit.contraction[0]) ** generations <= 2.0 * CONVERGED


def _limiting_w2(limit: Limit, d: float, correction: float) -> float:
    """E W2² / tr Σ0 of the limit, its loss by spread corrected as the last generation's was."""
    m, s = float(limit.moments.m[0]), float(limit.moments.s[0])
    floor = m + (1.0 - math.sqrt(max(s, 0.0))) ** 2
    closed = float(relative_w2_squared(limit.moments, d)[0])
    return closed if not math.isfinite(closed) else floor + correction * (closed - floor)


def _fixed_point(limit: Limit, scale: float, w2_squared: float) -> FixedPoint:
    contraction = float(limit.contraction[0])
    needed = None
    if contraction < 1.0:
        needed = math.ceil(math.log(CONVERGED) / math.log(contraction)) if contraction > 0 else 1
    return FixedPoint(
        w2_squared,
        float(scale * limit.moments.m[0]),
        float(limit.moments.s[0]),
        contraction,
        needed,
        limit.is_closed,
        limit.note,
    )


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
