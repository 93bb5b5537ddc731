"""Where to cut: the cut that loses fewest real samples and keeps harm within a tolerance.

A cut drops samples with a score at or above it. Each cut's harm carries what is uncertain: π, λ
and the kept shares, drawn together; its upper bound must lie within the tolerance. A share without
a point (a floor, a partially identified set) is not drawn but taken at both its ends. Cuts are
looked at on a coarse curve first, then on every bin between the chosen one and the next.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.assessment.cut_counts import (
    Counts,
    counts_for,
    joined,
    require_bins,
    share_of,
)
from madaudit.assessment.cut_draws import (
    CutOptions,
    Draws,
    bounds_of,
    harm_of_draws,
    kept_numbers,
)
from madaudit.assessment.harm import Array, without_counts
from madaudit.assessment.risk import PrevalenceEstimate, fresh_real_needed
from madaudit.simulation import LoopSpec, n_effective
from madaudit.types import Interval

Action = Literal["do not filter", "cut", "no cut suffices"]
# Cuts looked at together where only the one that loses fewest is wanted.
_AT_ONCE = 32


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
            require_bins(f"group {name!r}", histogram, len(self.edges) - 1)
            is_dropped = self.edges[:-1] >= (np.inf if self.cut is None else self.cut)
            result[name] = share_of(
                float(histogram[is_dropped].sum()), float(histogram.sum()), 0.95
            )
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
    counts = counts_for(real_counts, synthetic_counts, estimate, options)
    cuts = _Cuts.of(counts, estimate, loop, options)
    places = cuts.counts.shown(loop, options)
    bounds = cuts.bounds(places)
    within = np.nonzero(bounds[2] <= tolerance)[0]
    if len(within):
        finer = cuts.between(places, int(within[-1]))
        bounds = np.concatenate([bounds, cuts.bounds(finer)], axis=1)
        order = np.argsort(np.append(places, finer), kind="stable")
        places, bounds = np.append(places, finer)[order], bounds[:, order]
    point = cuts.point.at(places)
    ratios = _effective_ratios(cuts.spec, estimate.n, point)
    harms = harm_of_draws(cuts.spec, estimate.n, point)[0]
    curve = tuple(
        _cut_point(cuts, int(place), bounds[:, k], float(harms[k]), float(ratios[k]))
        for k, place in enumerate(places)
    )
    worst_bias = options.bias.low if options.bias else None
    fresh = _instead(cuts.spec, estimate, tolerance, worst_bias)
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
    counts = counts_for(real_counts, synthetic_counts, estimate, options)
    cuts = _Cuts.of(counts, estimate, loop, options)
    places = cuts.counts.shown(loop, options)
    for end in range(len(places), 0, -_AT_ONCE):
        start = max(end - _AT_ONCE, 0)
        within = np.nonzero(cuts.bounds(places[start:end])[2] <= tolerance)[0]
        if len(within):
            place = start + int(within[-1])
            finer = cuts.between(places, place)
            better = finer[cuts.bounds(finer)[2] <= tolerance]
            chosen = int(better[-1] if len(better) else places[place])
            score = float(cuts.scores[chosen])
            cut = score if np.isfinite(score) else None
            return FoundCut("do not filter" if cut is None else "cut", cut, cuts.lost(chosen))
    return FoundCut("no cut suffices", None, cuts.lost(len(cuts.scores)))


@dataclass(frozen=True)
class _Cuts:
    """All cuts of a calibration's bins, of which a few are looked at.

    Attributes:
        counts: on bins that can be told apart.
        estimate, spec, options: as `best_cut` has them, the loop without counts.
        draws, point: of all cuts.
        scores: of all cuts, ascending; ∞ for no cut.
    """

    counts: Counts
    estimate: PrevalenceEstimate
    spec: LoopSpec
    options: CutOptions
    draws: Draws
    point: Draws
    scores: Array

    @classmethod
    def of(
        cls, counts: Counts, estimate: PrevalenceEstimate, loop: LoopSpec, options: CutOptions
    ) -> _Cuts:
        fine, spec = joined(counts), without_counts(loop)
        given = (fine.real, fine.synthetic, estimate.prevalence, spec, options)
        return cls(
            fine, estimate, spec, options, Draws.make(*given), Draws.at_point(*given),
            fine.scores(options),
        )  # fmt: skip

    def bounds(self, places: npt.NDArray[np.intp]) -> Array:
        """Lower and upper end of harm and its one-sided bound, (3, places)."""
        some = self.draws.at(places)
        harms = harm_of_draws(self.spec, self.estimate.n, some)
        return np.array(bounds_of(harms, some, self.estimate.prevalence.level))

    def between(self, places: npt.NDArray[np.intp], k: int) -> npt.NDArray[np.intp]:
        """Cuts that lose less than the k-th place and more than the next."""
        end = places[k + 1] if k + 1 < len(places) else places[k]
        return np.arange(places[k] + 1, end)

    def lost(self, place: int) -> Interval:
        """Share of real samples that a cut drops."""
        real, level = self.counts.real, self.estimate.prevalence.level
        return share_of(float(real[place:].sum()), float(real.sum()), level)


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


def _cut_point(cuts: _Cuts, place: int, bounds: Array, harm: float, ratio: float) -> CutPoint:
    """One cut of the curve, from its bounds (3,) and its harm and n_e / n_r at the points."""
    prevalence, synthetic = cuts.estimate.prevalence, cuts.counts.synthetic
    level, score = prevalence.level, float(cuts.scores[place])
    share = prevalence.high if prevalence.point is None else prevalence.point
    unmarked = max(1.0 - cuts.options.marked / share, 0.0) if share > 0 else 1.0
    kept = share_of(float(synthetic[:place].sum()), float(synthetic.sum()), level)
    low, high, bound = (float(end) for end in bounds)
    point = harm if prevalence.point is not None else None
    return CutPoint(
        score,
        cuts.lost(place),
        _scaled(kept, unmarked if np.isfinite(score) else 1.0),
        Interval(low, point, high, level),
        bound,
        ratio,
    )


def _scaled(share: Interval, factor: float) -> Interval:
    point = None if share.point is None else factor * share.point
    return Interval(factor * share.low, point, factor * share.high, share.level)


def _effective_ratios(spec: LoopSpec, n: float, point: Draws) -> Array:
    numbers, n_real = kept_numbers(spec, n, point)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(n_effective(spec, numbers) / max(float(n_real[0]), 1.0))


def _interval(interval: Interval) -> dict[str, Any]:
    return {name: _json(value) for name, value in interval.to_dict().items()}


def _json(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
