"""The report's part on what follows: risk in plain words, the cut, and what their charts show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from madaudit.commands.loop_request import Known, LoopRequest
from madaudit.reports.audit_report import CutAdvice, RiskSummary, TailRow
from madaudit.reports.pictures import CutPicture, CutRow, LoopPicture, PhasePicture
from madaudit.reports.wording import count, percent
from madaudit.types import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from madaudit.assessment import PhaseDiagram, Risk, Strata, Threshold, Trajectory
    from madaudit.commands.store_threshold import Advice
    from madaudit.simulation import LoopSpec

_TAIL_ROWS = 50
# Cuts that are drawn and listed; more cannot be told apart.
_CUTS_SHOWN = 65
# A score that no cut of the curve has: marked samples alone are dropped.
_BEYOND = 1e6
# What a level looks like to people; the limits themselves stand in the rule.
_LEVEL_WORDS = {
    "none": "no difference that could be measured",
    "low": "a difference that only large measurements show",
    "elevated": "a difference that benchmarks show",
    "high": "visibly poorer or less varied results",
    "critical": "collapse: most of the variety or of the likeness to real data is lost",
}


class Consequences(NamedTuple):
    """What follows from an estimate; all None for fewer than two samples."""

    risk: RiskSummary | None
    cut: CutAdvice | None
    loop: LoopPicture | None
    phase: PhasePicture | None
    cuts: CutPicture | None


def consequences(
    known: Known,
    request: LoopRequest,
    *,
    marked: float,
    strata: Strata | None = None,
    advised: Callable[[LoopSpec, Interval | None, float], Advice | None],
) -> Consequences:
    """Risk, cut and their pictures.

    Args:
        known: sample number and interval of π.
        request: the loop.
        marked: share of samples with a mark, which can always be dropped.
        strata: loops of their own, for the tail.
        advised: from loop, interval of λ and tolerance to a cut; it gives None where nothing
            graded the samples.

    Raises:
        OptionError: a loop that cannot be.
    """
    from madaudit.assessment import assess_risk, phase_of, trajectory_of

    if known.n < 2:
        return Consequences(None, None, None, None, None)
    spec, bias = request.spec(), request.unknown_bias()
    risk = assess_risk(known, spec, bias=bias, tolerance=request.tolerance, strata=strata)
    bands = trajectory_of(known, spec, bias=bias, tolerance=request.tolerance)
    phase = phase_of(known, spec, bias=bias, tolerance=request.tolerance)
    advice = advised(spec, bias, request.tolerance)
    threshold = None if advice is None else advice.threshold
    return Consequences(
        _summary(risk, known),
        _advice(advice, marked),
        _loop(bands, request, phase.bias),
        _phase(phase),
        _cuts(threshold) if threshold is not None else None,
    )


def _summary(risk: Risk, known: Known) -> RiskSummary:
    tail = risk.tail
    return RiskSummary(
        risk.level,
        risk.level_at_low,
        _says(risk, known),
        len(risk.by_generation) - 1,
        risk.by_generation[-1],
        risk.at_convergence,
        risk.n_effective_ratio,
        tuple((float(bias), str(level)) for bias, level in risk.by_bias.items()),
        risk.generations_to_tolerance,
        risk.half_life,
        risk.fresh_real_needed,
        tail.share_certain if tail else None,
        tail.share_possible if tail else None,
        tuple(TailRow(name, harm) for name, harm in tail.strata[:_TAIL_ROWS]) if tail else (),
        len(tail.strata) if tail else 0,
        risk.rule,
        risk.assumptions,
    )


def _says(risk: Risk, known: Known) -> tuple[str, ...]:
    generations = len(risk.by_generation) - 1
    low = max(risk.by_generation[-1].low, risk.at_convergence.low)
    high = max(risk.by_generation[-1].high, risk.at_convergence.high)
    words = _LEVEL_WORDS[risk.level]
    if risk.level_at_low != risk.level:
        words = f"anything from {_LEVEL_WORDS[risk.level_at_low]} to {words}"
    told = "Models trained on such data generation after generation drift from real data"
    sentences = [f"{told} {_drift(low, high)}: {words}."]
    if known.prevalence.point is None and known.prevalence.high >= 1.0:
        sentences.append(
            "The upper end is open because nothing bounds the synthetic share from above yet; "
            "calibrated scores or labels would."
        )
    if risk.generations_to_tolerance is not None and math.isfinite(high):
        sentences.append(
            f"The tolerance may be crossed at generation {risk.generations_to_tolerance} of "
            f"{generations}."
            if risk.generations_to_tolerance <= generations
            else f"The tolerance may be crossed at generation {risk.generations_to_tolerance}."
        )
    if risk.fresh_real_needed:
        sentences.append(
            f"{count(risk.fresh_real_needed)} more fresh real samples a generation would keep it "
            f"within the tolerance."
        )
    return tuple(sentences)


def _drift(low: float, high: float) -> str:
    """How far, in words; one end may be 0 and the other without a bound."""
    if math.isinf(low):
        return "without any bound"
    least = f"by at least {percent(_rounded(low))} of the real spread" if low > 0 else ""
    if math.isinf(high):
        return (
            f"{least}, with no upper bound"
            if least
            else "by nothing at best and without bound at worst"
        )
    return f"by {percent(_rounded(low))} to {percent(_rounded(high))} of the real spread"


def _rounded(value: float) -> float:
    """Two significant digits, as many as such a number deserves."""
    return float(f"{value:.2g}")


def _advice(advice: Advice | None, marked: float) -> CutAdvice:
    drops = (
        f"Dropping the {percent(marked)} that are marked as generated loses no sample without "
        f"such a mark."
        if marked > 0
        else "There is no marked sample to drop."
    )
    if advice is None:
        return CutAdvice(
            "unknown",
            f"{drops} A cut by score needs graded scores and a calibration "
            f"(madaudit report STORE --calibration DIR).",
        )
    threshold = advice.threshold
    lost, kept = (_end(each) for each in (threshold.real_lost, threshold.synthetic_kept))
    says = {
        "do not filter": "Harm stays within the tolerance without dropping anything.",
        "cut": (
            f"Dropping the marked samples alone is enough; it keeps {kept} of synthetic ones."
            if threshold.cut is not None and threshold.cut > _BEYOND
            else f"The cut loses {lost} of real samples and keeps {kept} of synthetic ones."
        ),
        "no cut suffices": (
            f"Even the least harmful cut leaves too much harm; it would lose {lost} of real "
            f"samples."
        ),
    }[threshold.action]
    if threshold.action == "no cut suffices" and threshold.fresh_real_needed:
        says += f" {count(threshold.fresh_real_needed)} fresh real samples a generation would do."
    says += " What it rests on: " + "; ".join(advice.basis.assumptions) + "."
    return CutAdvice(
        threshold.action,
        says,
        threshold.cut,
        threshold.real_lost,
        threshold.synthetic_kept,
        threshold.harm,
    )


def _end(share: Interval) -> str:
    low, high = (percent(_rounded(end)) for end in (share.low, share.high))
    return low if low == high else f"{low} to {high}"


def _loop(bands: Trajectory, request: LoopRequest, bias: Interval) -> LoopPicture:
    return LoopPicture(
        request.loop, request.pool, bias, bands.harm, bands.variance, bands.tolerance
    )


def _phase(phase: PhaseDiagram) -> PhasePicture:
    return PhasePicture(
        phase.n,
        phase.shares,
        phase.biases,
        phase.levels,
        phase.tolerated,
        phase.tolerance,
        phase.share,
        phase.bias,
    )


def _cuts(threshold: Threshold) -> CutPicture | None:
    """The curve thinned to what can be told apart, the chosen cut always in it."""
    curve = threshold.curve
    step = max(1, -(-len(curve) // _CUTS_SHOWN))
    rows = tuple(
        CutRow(
            point.cut if math.isfinite(point.cut) else None,
            _middle(point.real_lost),
            _middle(point.synthetic_kept),
            point.harm,
            point.n_effective_ratio if math.isfinite(point.n_effective_ratio) else None,
        )
        for place, point in enumerate(curve)
        if not _BEYOND < point.cut < math.inf or point.cut == threshold.cut
        if place % step == 0 or point.cut == threshold.cut or place == len(curve) - 1
    )
    if sum(row.is_by_score for row in rows) < 2:
        return None
    return CutPicture(rows, threshold.cut, threshold.n_effective_cut, threshold.tolerance)


def _middle(share: Interval) -> float:
    return (share.low + share.high) / 2 if share.point is None else share.point
