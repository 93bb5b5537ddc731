"""`madaudit estimate`: the effective real fraction p, from what a store holds.

This version knows one tier, the certain floor: samples with a mark of having been generated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import click
import numpy as np

from madaudit.commands.observability import blindness_in_words, imageless_in_words
from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.commands.store_rows import group_labels, mark_rows, needed_columns
from madaudit.commands.watermark_checks import WatermarkCheck, watermark_checks
from madaudit.errors import OptionError, StoreError
from madaudit.estimation import Floor, MarkTally, estimate_floor
from madaudit.limits import MAX_STRATA
from madaudit.reports.wording import count, percent, plural, visible
from madaudit.scanning.store import Store, Survey
from madaudit.types import Interval

Composite = Literal["real", "synthetic", "apart"]
BY_CHANCE = (
    "a check with p-values calls a sample marked at its own threshold, so the floor may hold by "
    "chance that threshold times the samples tested; what holds for the whole data set stands "
    "under watermarks"
)
# Values of the columns to counts.
Strata = dict[tuple[str, ...], MarkTally]


@dataclass(frozen=True)
class Stratum:
    """One stratum: its values by column, its counts and its floor."""

    by: dict[str, str]
    tally: MarkTally
    floor: Floor

    def to_dict(self) -> dict[str, Any]:
        return {"by": self.by, "n": self.tally.n, "floor": self.floor.to_dict()}


@dataclass(frozen=True)
class Estimate:
    """What is known of p.

    Attributes:
        tally: counts over all rows.
        floor: of the synthetic share π.
        assumptions: what the numbers rest on.
        flags: what a reader must know before using them.
        strata: largest first.
        watermarks: what each check with p-values says of the data set.
    """

    tally: MarkTally
    floor: Floor
    assumptions: tuple[str, ...]
    flags: tuple[str, ...]
    strata: tuple[Stratum, ...] = field(default=())
    watermarks: tuple[WatermarkCheck, ...] = ()

    @property
    def p(self) -> Interval:
        return self.floor.effective_real()

    def to_dict(self) -> dict[str, Any]:
        return {
            "n": self.tally.n,
            "p": self.p.to_dict(),
            "p_distinct": None,
            "tier": "floor",
            "tiers": {
                "floor": self.floor.to_dict(),
                "detectable": None,
                "model_based": None,
                "adjudicated": None,
            },
            "composite_share": self.tally.share(self.tally.composite),
            "assumptions": list(self.assumptions),
            "flags": list(self.flags),
            "strata": [stratum.to_dict() for stratum in self.strata],
            "watermarks": [check.to_dict() for check in self.watermarks],
        }


def estimate(
    store: str,
    *,
    by: Sequence[str] = (),
    composite: Composite = "real",
    level: float = 0.95,
) -> Estimate:
    """The effective real fraction of a scanned data set.

    Args:
        store: folder or URL of the store.
        by: columns to stratify by; "domain" is the host of the URL.
        composite: photos with generated parts count as real, as synthetic, or stand apart
            (out of the denominator).
        level: of sampling bounds.

    Raises:
        StoreError: no store, or none of its shards is finished.
        OptionError: an unknown column or value.
    """
    if composite not in get_args(Composite):
        raise OptionError(f"--composite is {composite!r}; allowed: real, synthetic, apart")
    opened = Store(store.rstrip("/"))
    survey = opened.survey()
    total, strata = _tally(opened, survey, by)
    known = conclude(survey, total, strata, by=by, composite=composite, level=level)
    checks = watermark_checks(opened, survey, level=level)
    extra = (BY_CHANCE,) if checks else ()
    return replace(known, watermarks=checks, assumptions=(*known.assumptions, *extra))


def conclude(
    survey: Survey,
    total: MarkTally,
    strata: Strata,
    *,
    by: Sequence[str] = (),
    composite: Composite = "real",
    level: float = 0.95,
) -> Estimate:
    """What is known of p, from counts that were taken before."""

    def floor_of(tally: MarkTally) -> Floor:
        return estimate_floor(
            tally,
            is_sampled=survey.is_sampled,
            level=level,
            counts_composite=composite == "synthetic",
            drops_composite=composite == "apart",
        )

    ordered = sorted(strata.items(), key=lambda item: (-item[1].n, item[0]))
    return Estimate(
        total,
        floor_of(total),
        _assumptions(is_sampled=survey.is_sampled, composite=composite),
        _flags(survey, total),
        tuple(
            Stratum(dict(zip(by, labels, strict=True)), tally, floor_of(tally))
            for labels, tally in ordered
        ),
    )


def require_finished(store: Store, survey: Survey) -> None:
    """Refuse a store of which nothing can be said.

    Raises:
        StoreError: none of its shards is finished.
    """
    if not survey.markers:
        raise StoreError(
            f"cannot estimate from store {store.url}: none of its shards is finished; "
            f"run the scan again"
        )


def _tally(store: Store, survey: Survey, by: Sequence[str]) -> tuple[MarkTally, Strata]:
    """Counts over all finished shards, in all and by stratum."""
    require_finished(store, survey)
    total = MarkTally()
    strata: Strata = {}
    extra = needed_columns(store.columns(survey.markers[0]["shard"]), by) if by else []
    for marker in survey.markers:
        of_shard = MarkTally()
        for rows in mark_rows(store, marker["shard"], survey.looks_at, extra):
            of_shard += rows.tally()
            if by:
                _add_strata(strata, rows, by)
        total += of_shard
    return total, strata


def _add_strata(strata: Strata, rows: Any, by: Sequence[str]) -> None:
    columns = [group_labels(rows, column) for column in by]
    labels = list(zip(*columns, strict=True))
    places = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    codes = np.fromiter((places[label] for label in labels), dtype=np.int64, count=len(labels))
    for label, number in places.items():
        if label not in strata and len(strata) >= MAX_STRATA:
            label = ("(further strata)",) * len(by)  # noqa: PLW2901 — the rest goes together
        strata[label] = strata.get(label, MarkTally()) + rows.tally(codes == number)


def _assumptions(*, is_sampled: bool, composite: Composite) -> tuple[str, ...]:
    words = {
        "real": "composites (photos with generated parts) count as real",
        "synthetic": "composites (photos with generated parts) count as synthetic",
        "apart": "composites (photos with generated parts) are left out of all shares",
    }
    basis = (
        "the floor is a sample's: its lower end is an exact binomial bound at the effective "
        "number of samples"
        if is_sampled
        else "the floor is a census of marks: it has no sampling error"
    )
    return (
        "marks are not forged (the validated floor assumes it of signed ones alone)",
        basis,
        "a sample without a mark may be anything, so the floor says nothing about an upper end",
        words[composite],
    )


def _flags(survey: Survey, tally: MarkTally) -> tuple[str, ...]:
    flags: list[str] = []
    n_shards = len(survey.manifest["shards"])
    n_finished = len(survey.markers)
    if n_finished < n_shards:
        flags.append(
            f"{plural(n_shards - n_finished, 'shard')} of {n_shards} not finished and not counted"
        )
    n_quarantined = len(survey.quarantine)
    if n_quarantined:
        flags.append(f"{plural(n_quarantined, 'shard')} in quarantine: something is wrong there")
    flags += filter(None, (blindness_in_words(survey, tally), imageless_in_words(survey)))
    hidden = tally.share(tally.hidden)
    if hidden > 0:
        flags.append(f"marks of {percent(hidden)} of samples could not have been seen")
    partly = tally.share(tally.partly)
    if partly > 0:
        flags.append(
            f"of {percent(partly)} of samples only some marks could have been seen "
            f"(re-encoded, with a mark in the EXIF column)"
        )
    bare = tally.share(tally.bare)
    if bare > 0:
        flags.append(
            f"{percent(bare)} of samples carry no metadata at all: whether they ever did, "
            f"nobody says"
        )
    return tuple(flags)


def _print(estimate: Estimate) -> None:
    floor = estimate.floor.all_marks
    click.echo(
        f"p, the effective real fraction, is at most {percent(1 - floor.low, floor.low)}: "
        f"{percent(floor.low)} of {count(estimate.tally.n)} rows are at least synthetic "
        f"(certain floor; with validated signatures {percent(estimate.floor.validated.low)})"
    )
    click.echo(f"  composites: {percent(estimate.tally.share(estimate.tally.composite))}")
    for check in estimate.watermarks:
        click.echo(f"  watermark {check.in_words()}")
    for flag in estimate.flags:
        click.echo(f"  note: {flag}")
    for assumption in estimate.assumptions:
        click.echo(f"  assumes: {assumption}")
    for stratum in estimate.strata[:50]:
        name = ", ".join(f"{column} {value or '(none)'}" for column, value in stratum.by.items())
        click.echo(
            f"  {visible(name)}: at least {percent(stratum.floor.all_marks.low)} of "
            f"{count(stratum.tally.n)}"
        )
    if len(estimate.strata) > 50:
        click.echo(f"  … and {len(estimate.strata) - 50} more strata; --json has them all")


@click.command("estimate", no_args_is_help=True)
@click.argument("store", metavar="STORE")
@click.option("--by", metavar="COL,…", help="Strata: columns of the store, or domain.")
@click.option(
    "--composite",
    type=click.Choice(get_args(Composite)),
    default="real",
    show_default=True,
    help="How photos with generated parts count.",
)
@click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Level of sampling bounds.",
)
@common_options
@guarded
def command(
    store: str,
    by: str | None,
    composite: Composite,
    level: float,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Estimate the effective real fraction p from a store.

    \b
      madaudit estimate store
      madaudit estimate store --by domain --json
    """
    columns = tuple(name.strip() for name in by.split(",") if name.strip()) if by else ()
    result = estimate(store, by=columns, composite=composite, level=level)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        _print(result)
    return 0
