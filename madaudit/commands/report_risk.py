"""The report's part on what follows: risk in plain words, the cut, and what their charts show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from madaudit.commands.chart_files import (
    cut_picture,
    loop_picture,
    phase_picture,
)
from madaudit.commands.loop_request import Known, LoopRequest
from madaudit.reports.audit_report import CutAdvice, RiskSummary, TailRow
from madaudit.reports.pictures import BEYOND_SCORES, CutPicture, LoopPicture, PhasePicture
from madaudit.reports.wording import count, percent
from madaudit.types import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from madaudit.assessment import Risk, Strata
    from madaudit.commands.store_threshold import Advice
    from madaudit.simulation import LoopSpec

_TAIL_ROWS = 50
# Harm below which nothing is said of it: a hundredth of what the level "none" allows.
_LEAST_TOLD = 1e-5
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
        loop_picture(bands, request.loop, request.pool, phase.bias),
        phase_picture(phase),
        cut_picture(threshold) if threshold is not None else None,
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
    is_told = low >= _LEAST_TOLD
    least = f"by at least {percent(_rounded(low))} of the real spread" if is_told else ""
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
            if threshold.cut is not None and threshold.cut > BEYOND_SCORES
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
