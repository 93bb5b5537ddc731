"""What `madaudit estimate` says on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from madaudit.commands.stratum import Stratum
from madaudit.reports.wording import count, percent, plural, visible

if TYPE_CHECKING:
    from madaudit.commands.store_estimate import Estimate
    from madaudit.types import Interval

_STRATA = 50
_WORST = 10
_HEADLINES = {
    "floor": "certain floor: marks alone",
    "detectable": "at least so much is synthetic; nothing bounds it from above",
    "model_based": "set for unseen generators, by the calibration",
    "adjudicated": "what people saw in labelled samples",
}


def print_estimate(estimate: Estimate) -> None:
    """The answer first, then what stands behind it, then what a reader must know."""
    if estimate.tiers is None:
        _print_floor(estimate)
    else:
        _print_tiers(estimate)
    for check in estimate.watermarks:
        click.echo(f"  watermark {check.in_words()}")
    for flag in estimate.flags:
        click.echo(f"  note: {flag}")
    for assumption in estimate.assumptions:
        click.echo(f"  assumes: {assumption}")
    for stratum in estimate.strata[:_STRATA]:
        click.echo(f"  {name_of(stratum)}: {_stratum_in_words(stratum)}")
    if len(estimate.strata) > _STRATA:
        click.echo(
            f"  … and {count(len(estimate.strata) - _STRATA)} more strata; --json has them all"
        )
    _print_worst(estimate)
    _print_course(estimate)


def name_of(stratum: Stratum) -> str:
    """A stratum's values, safe to print."""
    parts = (f"{column} {value or '(none)'}" for column, value in stratum.by.items())
    return visible(", ".join(parts))


def _print_floor(estimate: Estimate) -> None:
    floor = estimate.floor.all_marks
    click.echo(
        f"p, the effective real fraction, is at most {percent(1 - floor.low, floor.low)}: "
        f"{percent(floor.low)} of {count(estimate.tally.n)} rows are at least synthetic "
        f"(certain floor; with validated signatures {percent(estimate.floor.validated.low)})"
    )
    click.echo(f"  composites: {percent(estimate.tally.share(estimate.tally.composite))}")


def _print_tiers(estimate: Estimate) -> None:
    tiers = estimate.tiers
    if tiers is None:
        return
    click.echo(
        f"p, the effective real fraction, is {_range(estimate.p)} of {count(estimate.tally.n)} "
        f"rows ({_HEADLINES[estimate.tier]})"
    )
    if estimate.p_distinct:
        click.echo(f"  every near-duplicate cluster counted once: {_range(estimate.p_distinct)}")
    floor = estimate.floor
    validated = f"(validated: {percent(floor.validated.low)})"
    rows = [("floor", f"at least {percent(floor.all_marks.low)} carry a mark {validated}")]
    if tiers.detectable:
        rows.append(("detectable", f"at least {percent(tiers.detectable.low)}"))
    if tiers.model_based:
        model = tiers.model_based
        told = f"if of an unknown one a share of {model.least_detected:.2g} is told"
        rows.append(("model-based", f"{_range(model.closed)} if no generator is unknown"))
        rows.append(("", f"{_range(model.sensitivity)} {told}"))
    if tiers.adjudicated:
        rows.append(
            ("adjudicated", f"{_range(tiers.adjudicated)} by {count(tiers.n_labels)} labels")
        )
    click.echo("  synthetic share π by tier:")
    for name, text in rows:
        click.echo(f"    {name:<12} {text}")
    if tiers.model_based and tiers.model_based.generators:
        shares = tiers.model_based.generators.shares
        for name, share in sorted(shares.items(), key=lambda item: -(item[1].point or 0.0)):
            click.echo(f"      {visible(name)}: {_range(share)}")
    click.echo(f"  composites: {percent(estimate.tally.share(estimate.tally.composite))}")


def _stratum_in_words(stratum: Stratum) -> str:
    if stratum.prevalence is None:
        return f"at least {percent(stratum.floor.all_marks.low)} of {count(stratum.tally.n)}"
    return f"synthetic {_range(stratum.prevalence)} of {count(stratum.tally.n)}"


def _print_worst(estimate: Estimate) -> None:
    worst = estimate.worst
    if worst is None:
        return
    names = {stratum.number: name_of(stratum) for stratum in estimate.strata}
    click.echo(
        f"  {plural(worst.n_above, 'stratum').replace('stratums', 'strata')} above the whole's "
        f"{percent(worst.limit)}, the number of strata allowed for; by their lower bounds:"
    )
    for one in worst.strata[:_WORST]:
        if one.low > 0:
            click.echo(f"    {names[one.number]}: at least {percent(one.low)}")


def _print_course(estimate: Estimate) -> None:
    course = estimate.course
    if course is None:
        return
    low, point, high = course.trend.log_odds_per_unit
    click.echo(
        f"  trend over {visible(course.column)}: log odds {point:+.3g} a unit "
        f"({low:+.3g} to {high:+.3g}; p = {course.trend.p_value:.2g})"
    )


def _range(interval: Interval) -> str:
    """An interval of a fraction in words."""
    low, high = interval.low, interval.high
    middle = "" if interval.point is None else f", about {percent(interval.point)}"
    if low <= 0.0 and high >= 1.0:
        return "not bounded"
    if high >= 1.0:
        return f"at least {percent(low)}{middle}"
    if low <= 0.0:
        return f"at most {percent(high)}{middle}"
    return f"{percent(low)} to {percent(high)}{middle}"
