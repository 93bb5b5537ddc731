"""Where to cut a store: the threshold of an estimate with a calibration, and who is hurt by it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from madaudit.assessment import (
    BIASES,
    MARKS_ONLY,
    CutOptions,
    FoundCut,
    Threshold,
    best_cut,
    find_cut,
)
from madaudit.estimation.sketch import bin_edges
from madaudit.types import Interval

if TYPE_CHECKING:
    from madaudit.commands.estimate import Estimate
    from madaudit.estimation.calibration import Calibration
    from madaudit.simulation import LoopSpec


@dataclass(frozen=True)
class Group:
    """What the cut drops of one group.

    Attributes:
        kind: "generator", "real source" (both of the calibration) or "stratum" (of the store).
        name: of the group.
        dropped: share of its samples, with an exact binomial interval.
    """

    kind: str
    name: str
    dropped: Interval

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "dropped": self.dropped.to_dict()}


class Basis(NamedTuple):
    """What a cut is computed from.

    Attributes:
        n: samples.
        prevalence: interval of π, with an upper end below 1.
        tier: that gave it.
        least_detected: ρ, share of synthetic samples that score like the calibration's at least.
        assumptions: what the cut rests on beside the estimate, in words.
    """

    n: float
    prevalence: Interval
    tier: str
    least_detected: float
    assumptions: tuple[str, ...]


@dataclass(frozen=True)
class Advice:
    """Where to cut a store.

    Attributes:
        threshold: the cut and the whole curve.
        basis: what it is computed from.
        calibration: fingerprint of the calibration whose log-ratio the scores are.
        hurt: who is hurt, the hardest hit of each kind first.
    """

    threshold: Threshold
    basis: Basis
    calibration: str
    hurt: tuple[Group, ...]

    def to_dict(self) -> dict[str, Any] | str:
        """As `risk --json` has it; the curve stands beside it there."""
        if self.threshold.action == "do not filter":
            return "do not filter"
        content = self.threshold.to_dict()
        del content["curve"]
        return content


def advise(
    known: Estimate, loop: LoopSpec, *, bias: Interval | None = None, tolerance: float = 0.01
) -> Advice | None:
    """Where to cut a store; None without a calibration of both sides, or a tier above the bound.

    Args:
        known: the store's estimate.
        loop: which loop, λ, dimension and generations.
        bias: interval of λ; None takes the loop's own as known.
        tolerance: harm that is accepted.
    """
    given = _given(known, bias)
    if given is None:
        return None
    calibration = given.calibration
    threshold = best_cut(
        calibration.real_counts.counts,
        calibration.synthetic_counts.counts,
        given.basis,
        loop,
        tolerance=tolerance,
        options=given.options,
    )
    hurt = _hurt(threshold, known, calibration)
    return Advice(threshold, given.basis, calibration.fingerprint, hurt)


def cuts_by_bias(
    known: Estimate, loop: LoopSpec, *, tolerance: float = 0.01
) -> dict[float, FoundCut]:
    """The cut for each λ of `BIASES`; none where `advise` gives none.

    Args:
        known: the store's estimate.
        loop: which loop, dimension and generations.
        tolerance: harm that is accepted.
    """
    given = _given(known, None)
    if given is None:
        return {}
    return {
        value: find_cut(
            given.calibration.real_counts.counts,
            given.calibration.synthetic_counts.counts,
            given.basis,
            replace(loop, bias=value),
            tolerance=tolerance,
            options=given.options,
        )
        for value in BIASES
    }


class _Given(NamedTuple):
    """A calibration of both sides, the basis, and what else a cut is told."""

    calibration: Calibration
    basis: Basis
    options: CutOptions


def _given(known: Estimate, bias: Interval | None) -> _Given | None:
    calibration, basis = known.calibration, basis_of(known)
    if calibration is None or basis is None:
        return None
    if not calibration.real_counts.counts.any() or not calibration.synthetic_counts.counts.any():
        return None
    options = CutOptions(
        edges=cell_edges(),
        bias=bias,
        marked=min(known.floor.all_marks.low, basis.prevalence.high),
        least_detected=basis.least_detected,
    )
    return _Given(calibration, basis, options)


def cell_edges() -> np.typing.NDArray[np.float64]:
    """Edges of a sketch's cells, (1027,); below the first bin lies all that is finite."""
    return np.concatenate([[-MARKS_ONLY], bin_edges(), [np.inf]])


def basis_of(known: Estimate) -> Basis | None:
    """The highest tier with an upper end, and what a cut by it assumes.

    A lower bound says nothing about how much is left after a cut, so where it is the headline the
    cut rests on the closed model instead, and says so.
    """
    tiers, calibration = known.tiers, known.calibration
    if tiers is None or calibration is None:
        return None
    share = calibration.least_detected
    told = share if share is not None else 1.0
    if tiers.tier in ("adjudicated", "model_based") and tiers.prevalence.high < 1.0:
        prevalence = tiers.prevalence
        if tiers.tier == "model_based":  # a set: its ends go with the ends of ρ
            prevalence = Interval(prevalence.low, None, prevalence.high, prevalence.level)
        return Basis(known.n, prevalence, tiers.tier, told, (_of_generators(share),))
    if tiers.model_based is None:
        return None
    assumption = (
        f"the headline ({known.tier}) has no upper end, so the cut rests on the closed "
        f"model-based interval: that the set's synthetic samples score like the calibration's, "
        f"which a generator that it lacks would break"
    )
    return Basis(known.n, tiers.model_based.closed, "model_based", 1.0, (assumption,))


def _of_generators(share: float | None) -> str:
    if share is None:
        return "the set's synthetic samples score like the calibration's (not measured)"
    return (
        f"at least a share of {share:.2g} of the set's synthetic samples scores like the "
        f"calibration's, and no cut finds the others"
    )


def _hurt(threshold: Threshold, known: Estimate, calibration: Calibration) -> tuple[Group, ...]:
    groups: list[Group] = []
    sides = {"generator": calibration.synthetic, "real source": calibration.real}
    for kind, sketches in sides.items():
        counts = {name: sketch.counts for name, sketch in sketches.items() if sketch.counts.any()}
        groups += _worst_first(kind, threshold.dropped_of(counts))
    if threshold.cut == MARKS_ONLY:
        marked = {stratum_name(one.by): one.floor.all_marks.low for one in known.strata}
        groups += _worst_first("stratum", {k: Interval(v, v, v) for k, v in marked.items()})
        return tuple(groups)
    strata = {stratum_name(one.by): one.sketch.counts for one in known.strata}
    strata = {name: counts for name, counts in strata.items() if counts.any()}
    return (*groups, *_worst_first("stratum", threshold.dropped_of(strata)))


def _worst_first(kind: str, dropped: dict[str, Interval]) -> list[Group]:
    ordered = sorted(dropped.items(), key=lambda item: (-(item[1].point or 0.0), item[0]))
    return [Group(kind, name, share) for name, share in ordered]


def stratum_name(by: dict[str, str]) -> str:
    """A stratum's values in words."""
    return ", ".join(f"{column} {value or '(none)'}" for column, value in by.items())
