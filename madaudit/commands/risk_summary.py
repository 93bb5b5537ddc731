"""A risk in words, for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING

from madaudit.assessment import MARKS_ONLY
from madaudit.reports.wording import count, percent, visible

if TYPE_CHECKING:
    from madaudit.assessment import FoundCut, Risk, SamplingBias, Threshold, Weighting
    from madaudit.commands.risk import Assessment
    from madaudit.commands.store_threshold import Advice
    from madaudit.types import Interval

# Strata or groups named one by one.
_NAMED = 20


def lines_of(assessment: Assessment) -> Iterator[str]:
    """The whole of it, line by line."""
    told = assessment.risk
    yield f"risk level: {_level(told)} (tier of the estimate: {assessment.tier})"
    yield from _harm(told)
    if assessment.sampling_bias:
        yield from _bias(assessment.sampling_bias)
    yield from _tail(told)
    if assessment.advice:
        yield from _cut(assessment.advice)
        if assessment.basis_risk:
            yield f"  on that interval the risk level is {_level(assessment.basis_risk)}"
    else:
        yield (
            "cut: unknown: a cut by score needs graded scores and a calibration of them "
            "(madaudit risk STORE --calibration DIR)"
        )
    for bias, threshold in assessment.by_bias.items():
        yield f"  at λ = {bias:g}: {_brief(threshold)}"
    if assessment.weighting:
        yield _weights(assessment.weighting)
    for assumption in told.assumptions:
        yield f"  assumes: {assumption}"
    yield f"  rule: {told.rule}"


def _level(told: Risk) -> str:
    low = told.level_at_low
    return str(told.level if told.level == low else f"{low} to {told.level}")


def _harm(told: Risk) -> Iterator[str]:
    end, last = told.at_convergence, told.by_generation[-1]
    yield (
        f"  harm in the limit: {_ends(end)} real standard deviations; "
        f"at generation {len(told.by_generation) - 1}: {_ends(last)}"
    )
    ratio = told.n_effective_ratio
    yield (
        f"  n_e/n_r, which never sets the level: {ratio.low:.2g} to {ratio.high:.2g} of the real "
        f"samples alone"
    )
    levels = ", ".join(f"λ = {bias:g}: {level}" for bias, level in told.by_bias.items())
    yield f"  level by λ, at the upper end of π: {levels}"
    if told.half_life is not None:
        yield f"  the variance may be halved at generation {told.half_life}"
    if told.generations_to_tolerance is not None:
        yield f"  the tolerance may be crossed at generation {told.generations_to_tolerance}"
    if told.fresh_real_needed:
        yield f"  {count(told.fresh_real_needed)} more fresh real samples a generation prevent it"


def _bias(measured: SamplingBias) -> Iterator[str]:
    yield (
        f"  λ measured on embeddings: {_span(measured.trace_ratio)} by the trace, "
        f"{_span(measured.det_ratio)} by the determinant in {measured.effective_rank:.3g} "
        f"directions ({count(measured.n_synthetic)} synthetic, {count(measured.n_real)} real "
        f"samples)"
    )
    if measured.is_selected:
        yield "  note: a detector chose the synthetic samples, so λ is selection-biased"


def _tail(told: Risk) -> Iterator[str]:
    if told.tail is None:
        return
    yield (
        f"  strata that exceed the tolerance hold {percent(told.tail.share_certain)} of "
        f"samples for certain, {percent(told.tail.share_possible)} at most"
    )
    for name, harm in told.tail.strata[:_NAMED]:
        yield f"    {visible(name)}: up to {_number(harm)}"


def _cut(advice: Advice) -> Iterator[str]:
    found = advice.threshold
    yield f"cut: {_brief(found)}"
    if found.action == "cut":
        yield (
            f"  harm after it: at most {found.harm_bound:.2g} (tolerance {found.tolerance:g}); "
            f"it keeps {_span(found.synthetic_kept)} of synthetic samples"
        )
    if found.action == "no cut suffices":
        yield f"  the least harmful cut leaves up to {found.harm_bound:.2g}, {_instead(found)}"
    if found.action == "cut" and found.fresh_real_needed:
        yield f"  or, without a cut, {_instead(found)}"
    best = found.n_effective_cut
    yield "  the cut that maximises n_e, for comparison: " + (
        "none" if best is None else f"score {best:.4g}"
    )
    for kind in ("generator", "real source", "stratum"):
        groups = [group for group in advice.hurt if group.kind == kind]
        for group in groups[:_NAMED] if found.cut is not None else []:
            yield f"    drops {_span(group.dropped)} of {kind} {visible(group.name)}"
    for assumption in advice.basis.assumptions:
        yield f"  assumes: {assumption}"


def _brief(found: Threshold | FoundCut) -> str:
    if found.action == "do not filter":
        return "do not filter: the harm stays within the tolerance without it"
    if found.action == "no cut suffices":
        return "no cut suffices to keep the harm within the tolerance"
    which = "marked samples alone" if found.cut == MARKS_ONLY else f"at score {found.cut:.4g}"
    return f"{which}, which loses {_span(found.real_lost)} of real samples"


def _instead(found: Threshold) -> str:
    if found.fresh_real_needed is None:
        return "and no number of fresh real samples would do; labels would narrow what is unknown"
    return f"{count(found.fresh_real_needed)} fresh real samples a generation would do"


def _weights(weighting: Weighting) -> str:
    return (
        f"in place of a cut, where it is known which are synthetic: a real sample weighs "
        f"{weighting.real_weight:.3g} beside a synthetic one's 1; harm {weighting.harm:.2g}, "
        f"without weights {weighting.harm_unweighted:.2g}"
    )


def _ends(harm: Interval) -> str:
    return f"{_number(harm.low)} to {_number(harm.high)}"


def _number(value: float) -> str:
    return f"{value:.2g}" if isfinite(value) else "∞"


def _span(share: Interval) -> str:
    point = "" if share.point is None else f"{share.point:.3g} "
    return f"{point}[{share.low:.3g}, {share.high:.3g}]"
