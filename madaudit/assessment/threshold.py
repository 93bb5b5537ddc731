"""Where to cut: the cut that loses fewest real samples and keeps harm within a tolerance.

A cut drops samples with a score at or above it. Each cut's harm carries what is uncertain: π, λ
and the kept shares, drawn together; its upper bound must lie within the tolerance. A share without
a point (a floor, a partially identified set) is not drawn but taken at both its ends.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from madaudit.assessment.cut_draws import (
    CutOptions,
    Draws,
    bounds_of,
    harm_of_draws,
    kept_numbers,
)
from madaudit.assessment.harm import Array, without_counts
from madaudit.assessment.risk import PrevalenceEstimate, fresh_real_needed
from madaudit.errors import OptionError
from madaudit.simulation import LoopSpec, n_effective
from madaudit.simulation.loop import require_number
from madaudit.types import Interval

#: A cut that drops samples with a mark that says synthetic, whose log-ratio is ∞, and no others.
MARKS_ONLY = 1e9
Action = Literal["do not filter", "cut", "no cut suffices"]
# Cuts looked at together where only the one that loses fewest is wanted.
_AT_ONCE = 32
# Cuts on the curve; pools that grow cost a hundred times a generation's work.
_MOST_CUTS, _MOST_CUTS_OF_POOLS = 256, 64


@dataclass(frozen=True)
class CutPoint:
    """One cut of the curve.

    Attributes:
        cut: samples with this score or a higher one are dropped; ∞ for no cut, `MARKS_ONLY` for
            marked samples alone.
        real_lost, synthetic_kept: shares.
        harm: interval.
        harm_bound: upper bound of harm, one-sided at the interval's level, which decides.
        n_effective_ratio: n_e over the uncut number of real samples, at the points.
    """

    cut: float
    real_lost: Interval
    synthetic_kept: Interval
    harm: Interval
    harm_bound: float
    n_effective_ratio: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "cut": self.cut if np.isfinite(self.cut) else None,
            "real_lost": self.real_lost.to_dict(),
            "synthetic_kept": self.synthetic_kept.to_dict(),
            "harm": _interval(self.harm),
            "harm_bound": _json(self.harm_bound),
            "n_effective_ratio": _json(self.n_effective_ratio),
        }


@dataclass(frozen=True)
class Threshold:
    """Where to cut, and what is left.

    Attributes:
        action: "do not filter", "cut" or "no cut suffices".
        cut: score at and above which a sample is dropped; None without a cut.
        real_lost, synthetic_kept, harm, harm_bound: of the action (see `CutPoint`); of the least
            harmful cut if none suffices.
        tolerance: harm that was accepted.
        curve: all cuts, from dropping most to dropping nothing.
        n_effective_cut: the cut that maximises n_e, for comparison; None for no cut.
        fresh_real_needed: fresh real samples a generation that would do instead, without a cut;
            0 where no cut is needed, None where none would do.
        edges: (bins + 1,) of the calibration's counts, for `dropped_of`.
    """

    action: Action
    cut: float | None
    real_lost: Interval
    synthetic_kept: Interval
    harm: Interval
    harm_bound: float
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
            "harm_bound": _json(self.harm_bound),
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


class FoundCut(NamedTuple):
    """A cut without its curve.

    Attributes:
        action, cut, real_lost: as in `Threshold`; where no cut suffices, nothing is lost.
    """

    action: Action
    cut: float | None
    real_lost: Interval

    def to_dict(self) -> dict[str, Any]:
        return {"action": self.action, "cut": self.cut, "real_lost": self.real_lost.to_dict()}


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
        tolerance: harm that is accepted; its upper bound, one-sided at the estimate's level, must
            not exceed it.
        options: edges, interval of λ, draws.

    Raises:
        OptionError: counts that do not fit one another, or a calibration with an empty side.
    """
    options = options or CutOptions()
    counts = _counts(real_counts, synthetic_counts, estimate, options)
    real, synthetic, edges = _coarse(counts, loop)
    spec = without_counts(loop)
    draws = Draws.make(real, synthetic, estimate.prevalence, spec, options)
    bounds = bounds_of(harm_of_draws(spec, estimate.n, draws), draws, estimate.prevalence.level)
    point = Draws.at_point(real, synthetic, estimate.prevalence, spec, options)
    curve = _curve(
        _Counts(real, synthetic, edges),
        bounds,
        harm_of_draws(spec, estimate.n, point),
        estimate,
        options,
    )
    ratios = _effective_ratios(spec, estimate.n, point)
    curve = tuple(
        dataclasses.replace(each, n_effective_ratio=float(ratio))
        for each, ratio in zip(curve, ratios, strict=True)
    )
    worst_bias = options.bias.low if options.bias else None
    fresh = _instead(spec, estimate, tolerance, worst_bias)
    return _choose(curve, tolerance, counts.edges, ratios, fresh)


def find_cut(
    real_counts: npt.ArrayLike,
    synthetic_counts: npt.ArrayLike,
    estimate: PrevalenceEstimate,
    loop: LoopSpec,
    *,
    tolerance: float = 0.01,
    options: CutOptions | None = None,
) -> FoundCut:
    """The cut of `best_cut`, in less time: cuts that lose more real samples are not looked at.

    Args and errors as there.
    """
    options = options or CutOptions()
    counts = _counts(real_counts, synthetic_counts, estimate, options)
    real, synthetic, edges = _coarse(counts, loop)
    spec, level = without_counts(loop), estimate.prevalence.level
    draws = Draws.make(real, synthetic, estimate.prevalence, spec, options)
    scores = _scores(edges, options)
    for end in range(len(scores), 0, -_AT_ONCE):
        piece = slice(max(end - _AT_ONCE, 0), end)
        some = dataclasses.replace(
            draws,
            real_kept=draws.real_kept[:, piece],
            synthetic_kept=draws.synthetic_kept[:, piece],
        )
        bound = bounds_of(harm_of_draws(spec, estimate.n, some), some, level)[2]
        within = np.nonzero(bound <= tolerance)[0]
        if len(within):
            place = piece.start + int(within[-1])
            lost = _share(float(real[place:].sum()), float(real.sum()), level)
            cut = scores[place] if np.isfinite(scores[place]) else None
            return FoundCut("do not filter" if cut is None else "cut", cut, lost)
    return FoundCut("no cut suffices", None, _share(0.0, float(real.sum()), level))


def _scores(edges: Array, options: CutOptions) -> list[float]:
    """Every cut, from the one that drops most to no cut."""
    return [*edges[:-1].tolist(), *([MARKS_ONLY] if options.marked > 0 else []), np.inf]


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
    within = [point for point in curve if point.harm_bound <= tolerance]
    # The curve ends with dropping nothing, so the last one within loses fewest real samples.
    chosen = within[-1] if within else min(curve, key=lambda point: point.harm_bound)
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
        chosen.harm_bound,
        tolerance,
        curve,
        best if np.isfinite(best) else None,
        0 if action == "do not filter" else fresh,
        edges,
    )


class _Counts(NamedTuple):
    """Calibration on the curve's bins, (bins,), and their edges, (bins + 1,)."""

    real: Array
    synthetic: Array
    edges: Array


def _curve(
    counts: _Counts,
    bounds: tuple[Array, Array, Array],
    point: Array,
    estimate: PrevalenceEstimate,
    options: CutOptions,
) -> tuple[CutPoint, ...]:
    """Every cut, from the lowest score to no cut; ratios of n_e are still to come."""
    real, synthetic, edges = counts
    prevalence = estimate.prevalence
    level = prevalence.level
    low, high, bound = bounds
    share = prevalence.high if prevalence.point is None else prevalence.point
    unmarked = max(1.0 - options.marked / share, 0.0) if share > 0 else 1.0
    points = []
    for j, score in enumerate(_scores(edges, options)):
        kept = _share(float(synthetic[:j].sum()), float(synthetic.sum()), level)
        points.append(
            CutPoint(
                score,
                _share(float(real[j:].sum()), float(real.sum()), level),
                _scaled(kept, unmarked if np.isfinite(score) else 1.0),
                Interval(
                    float(low[j]),
                    float(point[0, j]) if prevalence.point is not None else None,
                    float(high[j]),
                    level,
                ),
                float(bound[j]),
                0.0,
            )
        )
    return tuple(points)


def _scaled(share: Interval, factor: float) -> Interval:
    point = None if share.point is None else factor * share.point
    return Interval(factor * share.low, point, factor * share.high, share.level)


def _effective_ratios(spec: LoopSpec, n: float, point: Draws) -> Array:
    numbers, n_real = kept_numbers(spec, n, point)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(n_effective(spec, numbers) / max(float(n_real[0]), 1.0))


def _require_shares(options: CutOptions) -> None:
    require_number("marked", options.marked, high=1.0)
    require_number("least_detected", options.least_detected, high=1.0)


def _counts(
    real_counts: npt.ArrayLike,
    synthetic_counts: npt.ArrayLike,
    estimate: PrevalenceEstimate,
    options: CutOptions,
) -> _Counts:
    """The histograms with the edges that are given, or the bins' numbers."""
    _require_shares(options)
    real, synthetic = (np.asarray(c, dtype=float) for c in (real_counts, synthetic_counts))
    for what, counts in (("real_counts", real), ("synthetic_counts", synthetic)):
        _require_bins(what, counts, len(real))
        if counts.sum() <= 0:
            raise OptionError(f"{what} is empty; a cut needs calibration on both sides")
    edges = getattr(estimate, "edges", None) if options.edges is None else options.edges
    edges = np.arange(len(real) + 1.0) if edges is None else np.asarray(edges, dtype=float)
    if len(edges) != len(real) + 1:
        raise OptionError(f"edges has {len(edges)} scores for {len(real)} bins; give bins + 1")
    return _Counts(real, synthetic, edges)


def _coarse(counts: _Counts, loop: LoopSpec) -> _Counts:
    """The histograms on not too many bins, of about equal pooled mass."""
    real, synthetic, edges = counts
    most = _MOST_CUTS if loop.pool == "replace" else _MOST_CUTS_OF_POOLS
    if len(real) <= most:
        return counts
    mass = np.cumsum(real / real.sum() + synthetic / synthetic.sum())
    starts = np.unique(np.searchsorted(mass, np.linspace(0, 2, most + 1)[:-1]))
    starts = np.unique(np.append(0, starts[starts < len(real)]))
    joined = [np.add.reduceat(each, starts) for each in (real, synthetic)]
    return _Counts(joined[0], joined[1], edges[np.append(starts, len(real))])


def _require_bins(what: str, counts: Array, n_bins: int) -> None:
    if counts.ndim != 1 or len(counts) != n_bins or not np.all(counts >= 0):
        raise OptionError(
            f"{what} has shape {counts.shape}; it must hold a count, 0 or more, for each of the "
            f"{n_bins} bins"
        )


def _share(part: float, total: float, level: float) -> Interval:
    """A share with its exact binomial interval (Clopper and Pearson 1934)."""
    tail, rest = (1.0 - level) / 2.0, total - part
    low = float(betaincinv(part, rest + 1.0, tail)) if part > 0 else 0.0
    high = float(betaincinv(part + 1.0, rest, 1.0 - tail)) if rest > 0 else 1.0
    return Interval(low, part / total if total > 0 else None, high, level)


def _interval(interval: Interval) -> dict[str, Any]:
    return {name: _json(value) for name, value in interval.to_dict().items()}


def _json(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
