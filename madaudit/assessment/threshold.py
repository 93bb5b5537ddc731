"""Where to cut: the cut that loses fewest real samples and keeps harm within a tolerance.

A cut drops samples with a score at or above it. Each cut's harm carries what is uncertain: π, λ
and the kept shares, drawn together; its upper end must lie within the tolerance. A share without a
point (a floor, a partially identified set) is not drawn but taken at both its ends.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, norm

from madaudit.assessment.harm import Array, counts_of, harm_of, without_counts, worst
from madaudit.assessment.risk import PrevalenceEstimate, fresh_real_needed
from madaudit.errors import OptionError
from madaudit.simulation import LoopSpec, n_effective
from madaudit.types import Interval

Action = Literal["do not filter", "cut", "no cut suffices"]
_MOST_CUTS = 256


@dataclass(frozen=True)
class CutOptions:
    """What a cut may be told beside the numbers it needs.

    Attributes:
        edges: (bins + 1,) ascending scores between which the counts lie; default the estimate's
            `edges`, else the bins' numbers.
        bias: interval of λ; None takes the loop's own as known.
        n_draws: draws of what is uncertain.
        seed: of the draws.
    """

    edges: npt.ArrayLike | None = None
    bias: Interval | None = None
    n_draws: int = 200
    seed: int = 0


@dataclass(frozen=True)
class CutPoint:
    """One cut of the curve.

    Attributes:
        cut: samples with this score or a higher one are dropped; ∞ for no cut.
        real_lost, synthetic_kept: shares.
        harm: interval.
        n_effective_ratio: n_e over the uncut number of real samples, at the points.
    """

    cut: float
    real_lost: Interval
    synthetic_kept: Interval
    harm: Interval
    n_effective_ratio: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "cut": self.cut if np.isfinite(self.cut) else None,
            "real_lost": self.real_lost.to_dict(),
            "synthetic_kept": self.synthetic_kept.to_dict(),
            "harm": _interval(self.harm),
            "n_effective_ratio": _json(self.n_effective_ratio),
        }


@dataclass(frozen=True)
class Threshold:
    """Where to cut, and what is left.

    Attributes:
        action: "do not filter", "cut" or "no cut suffices".
        cut: score at and above which a sample is dropped; None without a cut.
        real_lost, synthetic_kept, harm: of the action; of the least harmful cut if none suffices.
        tolerance: harm that was accepted.
        curve: all cuts, from dropping most to dropping nothing.
        n_effective_cut: the cut that maximises n_e, for comparison; None for no cut.
        fresh_real_needed: fresh real samples a generation that would do instead, without a cut;
            0 where no cut is needed, None where none would do.
    """

    action: Action
    cut: float | None
    real_lost: Interval
    synthetic_kept: Interval
    harm: Interval
    tolerance: float
    curve: tuple[CutPoint, ...]
    n_effective_cut: float | None
    fresh_real_needed: int | None
    edges: Array = field(repr=False, compare=False, default_factory=lambda: np.zeros(0))

    def to_dict(self) -> dict[str, Any]:
        return {
            "action": self.action,
            "cut": self.cut,
            "real_lost": self.real_lost.to_dict(),
            "synthetic_kept": self.synthetic_kept.to_dict(),
            "harm": _interval(self.harm),
            "tolerance": self.tolerance,
            "n_effective_cut": self.n_effective_cut,
            "fresh_real_needed": self.fresh_real_needed,
            "curve": [point.to_dict() for point in self.curve],
        }

    def dropped_of(self, groups: Mapping[str, npt.ArrayLike]) -> dict[str, Interval]:
        """Who is hurt: the share of each group that the cut drops.

        Args:
            groups: name to counts over the bins: a generator's calibration, or a stratum's real
                samples.

        Returns:
            Shares with exact binomial intervals; nothing is dropped without a cut.
        """
        result = {}
        for name, counts in groups.items():
            histogram = np.asarray(counts, dtype=float)
            _require_bins(f"group {name!r}", histogram, len(self.edges) - 1)
            is_dropped = self.edges[:-1] >= (np.inf if self.cut is None else self.cut)
            result[name] = _share(float(histogram[is_dropped].sum()), float(histogram.sum()), 0.95)
        return result


def best_cut(
    real_counts: npt.ArrayLike,
    synthetic_counts: npt.ArrayLike,
    estimate: PrevalenceEstimate,
    loop: LoopSpec,
    *,
    tolerance: float = 0.01,
    options: CutOptions | None = None,
) -> Threshold:
    """The cut that loses fewest real samples among those that keep harm within the tolerance.

    Args:
        real_counts: (bins,) histogram of the real calibration's scores.
        synthetic_counts: (bins,) of the synthetic calibration's.
        estimate: sample number and interval of π.
        loop: which loop, λ, dimension and generations; its counts are not used.
        tolerance: harm that is accepted; the upper end must not exceed it.
        options: edges, interval of λ, draws.

    Raises:
        OptionError: counts that do not fit one another, or a calibration with an empty side.
    """
    options = options or CutOptions()
    real, synthetic, edges = _coarse(real_counts, synthetic_counts, estimate, options)
    spec = without_counts(loop)
    level = estimate.prevalence.level
    draws = _Draws.make(real, synthetic, estimate.prevalence, spec, options)
    harms = _harm_of_draws(spec, estimate.n, draws)
    point = _harm_of_draws(spec, estimate.n, draws.at_point(real, synthetic, estimate.prevalence))
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(harms, [tail, 1.0 - tail], axis=0, method="inverted_cdf")
    ratios = _effective_ratios(spec, estimate, real, synthetic)
    curve = tuple(
        CutPoint(
            float(edges[j]) if j < len(real) else float("inf"),
            _share(float(real[j:].sum()), float(real.sum()), level),
            _share(float(synthetic[:j].sum()), float(synthetic.sum()), level),
            Interval(
                float(low[j]),
                float(point[0, j]) if estimate.prevalence.point is not None else None,
                float(high[j]),
                level,
            ),
            float(ratios[j]),
        )
        for j in range(len(real) + 1)
    )
    worst_bias = options.bias.low if options.bias else None
    return _choose(
        curve, tolerance, edges, ratios, _instead(spec, estimate, tolerance, worst_bias)
    )


def _instead(
    spec: LoopSpec, estimate: PrevalenceEstimate, tolerance: float, worst_bias: float | None
) -> int | None:
    at = spec if worst_bias is None else dataclasses.replace(spec, bias=worst_bias)
    return fresh_real_needed(at, estimate.n, estimate.prevalence.high, tolerance)


def _choose(
    curve: tuple[CutPoint, ...],
    tolerance: float,
    edges: Array,
    ratios: Array,
    fresh: int | None,
) -> Threshold:
    within = [point for point in curve if point.harm.high <= tolerance]
    # The curve ends with dropping nothing, so the last one within loses fewest real samples.
    chosen = within[-1] if within else min(curve, key=lambda point: point.harm.high)
    action: Action = "no cut suffices"
    if within:
        action = "cut" if np.isfinite(chosen.cut) else "do not filter"
    best = curve[int(np.argmax(np.nan_to_num(ratios, nan=-1.0, posinf=-1.0)))].cut
    return Threshold(
        action,
        chosen.cut if action == "cut" else None,
        chosen.real_lost,
        chosen.synthetic_kept,
        chosen.harm,
        tolerance,
        curve,
        best if np.isfinite(best) else None,
        0 if action == "do not filter" else fresh,
        edges,
    )


@dataclass(frozen=True)
class _Draws:
    """What is uncertain: prevalence and bias (draws,), kept shares (draws, cuts)."""

    prevalence: Array
    bias: Array
    real_kept: Array
    synthetic_kept: Array

    @classmethod
    def make(
        cls,
        real: Array,
        synthetic: Array,
        prevalence: Interval,
        spec: LoopSpec,
        options: CutOptions,
    ) -> _Draws:
        generator, n = np.random.default_rng(options.seed), options.n_draws
        last = float(spec.at("bias", spec.generations))
        known = options.bias or Interval(last, last, last)
        return cls(
            _drawn(generator, prevalence, n),
            _drawn(generator, known, n),
            _kept(generator, real, n),
            _kept(generator, synthetic, n),
        )

    def at_point(self, real: Array, synthetic: Array, prevalence: Interval) -> _Draws:
        share = prevalence.high if prevalence.point is None else prevalence.point
        return _Draws(
            np.array([share]),
            np.array([float(np.median(self.bias))]),
            _cumulated(real)[None],
            _cumulated(synthetic)[None],
        )


def _drawn(generator: np.random.Generator, interval: Interval, n: int) -> Array:
    """Draws that have an interval as theirs: normal on the arcsine scale, a side at a time.

    Without a point the ends in turn, so that a quantile of the draws is one of the worse end.
    """
    if interval.low == interval.high:
        return np.full(n, interval.high)
    if interval.point is None:
        return np.where(np.arange(n) % 2 == 0, interval.low, interval.high)
    low, point, high = (
        np.arcsin(np.sqrt(value)) for value in (interval.low, interval.point, interval.high)
    )
    z = norm.ppf((1.0 + interval.level) / 2.0)
    normal = generator.standard_normal(n)
    angle = point + np.where(normal < 0, point - low, high - point) / z * normal
    return np.asarray(np.sin(np.clip(angle, 0.0, np.pi / 2.0)) ** 2)


def _kept(generator: np.random.Generator, counts: Array, n: int) -> Array:
    """Draws of the shares below each cut: Dirichlet with one sample spread over the bins."""
    gammas = generator.standard_gamma(counts + 1.0 / len(counts), (n, len(counts)))
    return np.apply_along_axis(_cumulated, 1, gammas)


def _cumulated(counts: Array) -> Array:
    shares: Array = np.append(0.0, np.cumsum(counts)) / counts.sum()
    return np.minimum(shares, 1.0)


def _harm_of_draws(spec: LoopSpec, n: float, draws: _Draws) -> Array:
    """(draws, cuts); ∞ where nothing is left to train on."""
    shape = draws.real_kept.shape
    real = n * (1.0 - draws.prevalence)[:, None] * np.ones(shape)
    synthetic = n * draws.prevalence[:, None] * draws.synthetic_kept
    numbers = counts_of(spec, (real * draws.real_kept).ravel(), synthetic.ravel())
    numbers["bias"] = np.repeat(draws.bias, shape[1])
    return worst(*harm_of(spec, numbers, real.ravel())).reshape(shape)


def _effective_ratios(
    spec: LoopSpec, estimate: PrevalenceEstimate, real: Array, synthetic: Array
) -> Array:
    prevalence = estimate.prevalence
    share = prevalence.high if prevalence.point is None else prevalence.point
    n_real, n_synthetic = estimate.n * (1.0 - share), estimate.n * share
    numbers = counts_of(spec, n_real * _cumulated(real), n_synthetic * _cumulated(synthetic))
    with np.errstate(invalid="ignore"):
        return np.asarray(n_effective(spec, numbers) / max(n_real, 1.0))


def _coarse(
    real_counts: npt.ArrayLike,
    synthetic_counts: npt.ArrayLike,
    estimate: PrevalenceEstimate,
    options: CutOptions,
) -> tuple[Array, Array, Array]:
    """The histograms on at most 256 bins of about equal pooled mass, and their edges."""
    real, synthetic = (np.asarray(c, dtype=float) for c in (real_counts, synthetic_counts))
    for what, counts in (("real_counts", real), ("synthetic_counts", synthetic)):
        _require_bins(what, counts, len(real))
        if counts.sum() <= 0:
            raise OptionError(f"{what} is empty; a cut needs calibration on both sides")
    edges = getattr(estimate, "edges", None) if options.edges is None else options.edges
    edges = np.arange(len(real) + 1.0) if edges is None else np.asarray(edges, dtype=float)
    if len(edges) != len(real) + 1:
        raise OptionError(f"edges has {len(edges)} scores for {len(real)} bins; give bins + 1")
    if len(real) <= _MOST_CUTS:
        return real, synthetic, edges
    mass = np.cumsum(real / real.sum() + synthetic / synthetic.sum())
    starts = np.unique(np.searchsorted(mass, np.linspace(0, 2, _MOST_CUTS + 1)[:-1]))
    starts = np.unique(np.append(0, starts[starts < len(real)]))
    joined = [np.add.reduceat(counts, starts) for counts in (real, synthetic)]
    return joined[0], joined[1], edges[np.append(starts, len(real))]


def _require_bins(what: str, counts: Array, n_bins: int) -> None:
    if counts.ndim != 1 or len(counts) != n_bins or not np.all(counts >= 0):
        raise OptionError(
            f"{what} has shape {counts.shape}; it must hold a count, 0 or more, for each of the "
            f"{n_bins} bins"
        )


def _share(part: float, total: float, level: float) -> Interval:
    """A share with its exact binomial interval (Clopper and Pearson 1934)."""
    tail, rest = (1.0 - level) / 2.0, total - part
    low = float(beta.ppf(tail, part, rest + 1.0)) if part > 0 else 0.0
    high = float(beta.ppf(1.0 - tail, part + 1.0, rest)) if rest > 0 else 1.0
    return Interval(low, part / total if total > 0 else None, high, level)


def _interval(interval: Interval) -> dict[str, Any]:
    return {name: _json(value) for name, value in interval.to_dict().items()}


def _json(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
