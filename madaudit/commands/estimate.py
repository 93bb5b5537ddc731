"""`madaudit estimate`: the effective real fraction p, from what a store holds.

Marks give the certain floor. With a calibration the graded scores give the tiers above it, overall
and by stratum, and each sample its posterior; with labels what people saw stands above all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import click
import numpy as np

from madaudit.commands.combined import Counted, Labels, Wanted, count_store
from madaudit.commands.estimate_summary import print_estimate
from madaudit.commands.observability import blindness_in_words, imageless_in_words
from madaudit.commands.posteriors import write_posteriors
from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.commands.store_strata import (
    Course,
    StrataTold,
    Stratum,
    WorstStrata,
    effective_real,
    tell_strata,
)
from madaudit.commands.store_tiers import (
    Composite,
    Population,
    Request,
    estimate_population,
    population_of,
    settings_of,
)
from madaudit.commands.watermark_checks import WatermarkCheck, watermark_checks
from madaudit.errors import OptionError, StoreError
from madaudit.estimation import Floor, MarkTally, ScoreSketch, estimate_floor
from madaudit.estimation.calibration import Calibration
from madaudit.estimation.prevalence import Estimate as Tiers
from madaudit.reports.wording import percent, plural
from madaudit.scanning.store import Store, Survey
from madaudit.types import Interval

BY_CHANCE = (
    "a check with p-values calls a sample marked at its own threshold, so the floor may hold by "
    "chance that threshold times the samples tested; what holds for the whole data set stands "
    "under watermarks"
)
# Real sources from which their shift can be modelled.
_FEW_SOURCES = 10
# Values of the columns to counts.
Strata = Mapping[tuple[str, ...], MarkTally]


@dataclass(frozen=True, eq=False)
class Estimate:
    """What is known of p.

    Attributes:
        tally: counts over all rows.
        floor: of the synthetic share π.
        assumptions: what the numbers rest on.
        flags: what a reader must know before using them.
        strata: largest first.
        watermarks: what each check with p-values says of the data set.
        tiers: from scores and labels; None where there are neither.
        distinct: the same with every near-duplicate cluster counted once; None without clusters.
        calibration: whose combiner made the scores.
        counted: combined scores by stratum; see `sketch`.
        worst: strata against the whole, the number of them allowed for.
        course: over the years, where the strata are years.
    """

    tally: MarkTally
    floor: Floor
    assumptions: tuple[str, ...]
    flags: tuple[str, ...]
    strata: tuple[Stratum, ...] = field(default=())
    watermarks: tuple[WatermarkCheck, ...] = ()
    tiers: Tiers | None = None
    distinct: Tiers | None = None
    calibration: Calibration | None = None
    counted: Counted | None = None
    worst: WorstStrata | None = None
    course: Course | None = None

    @property
    def n(self) -> int:
        return self.tally.n

    @property
    def tier(self) -> str:
        """The headline's."""
        return self.tiers.tier if self.tiers else "floor"

    @property
    def prevalence(self) -> Interval:
        """The headline's interval of π."""
        return self.tiers.prevalence if self.tiers else self.floor.all_marks

    @property
    def p(self) -> Interval:
        return effective_real(self.prevalence) if self.tiers else self.floor.effective_real()

    @property
    def p_distinct(self) -> Interval | None:
        return self.distinct.p if self.distinct else None

    @property
    def sketch(self) -> ScoreSketch:
        """Combined scores of all samples; marked ones lie in the last cell, as +∞ does."""
        return self.counted.sketch() if self.counted else ScoreSketch()

    def to_dict(self) -> dict[str, Any]:
        tiers = self.tiers.to_dict()["tiers"] if self.tiers else {}
        return {
            "n": self.tally.n,
            "p": self.p.to_dict(),
            "p_distinct": self.p_distinct.to_dict() if self.p_distinct else None,
            "tier": self.tier,
            "tiers": {
                "floor": self.floor.to_dict(),
                "detectable": tiers.get("detectable"),
                "model_based": tiers.get("model_based"),
                "adjudicated": tiers.get("adjudicated"),
            },
            "composite_share": self.tally.share(self.tally.composite),
            "calibration": self.calibration.fingerprint if self.calibration else None,
            "assumptions": list(self.assumptions),
            "flags": list(self.flags),
            "strata": [stratum.to_dict() for stratum in self.strata],
            "worst": self._worst(),
            "trend": self.course.to_dict() if self.course else None,
            "watermarks": [check.to_dict() for check in self.watermarks],
        }

    def _worst(self) -> dict[str, Any] | None:
        if self.worst is None:
            return None
        names = {stratum.number: stratum.by for stratum in self.strata}
        return {
            "limit": self.worst.limit,
            "n_above": self.worst.n_above,
            "strata": [
                {
                    "by": names[one.number],
                    "low": one.low,
                    "low_model_based": one.low_model_based,
                    "p_value": one.p_value,
                }
                for one in self.worst.strata
            ],
        }


def estimate(
    store: str,
    *,
    calibration: str | Calibration | None = None,
    by: Sequence[str] = (),
    composite: Composite = "real",
    level: float = 0.95,
    posteriors: bool = True,
) -> Estimate:
    """The effective real fraction of a scanned data set.

    Args:
        store: folder or URL of the store.
        calibration: folder of one, "default", or the calibration itself; None for marks alone.
        by: columns to stratify by; "domain" is the host of the URL, "year" the year in its path.
        composite: photos with generated parts count as real, as synthetic, or stand apart
            (out of the denominator).
        level: of all intervals.
        posteriors: write each sample's combined score and posterior into the store, which only
            a calibration gives.

    Raises:
        StoreError: no store, or none of its shards is finished.
        OptionError: an unknown column or value.
        InputError: no calibration there, or one of other detectors.
    """
    _require(composite, level)
    opened = Store(store.rstrip("/"))
    survey = opened.survey()
    require_finished(opened, survey)
    ruler = _calibration(calibration, survey)
    wanted = Wanted(ruler, tuple(by))
    counted = count_store(opened, survey, wanted)
    request = Request(settings_of(ruler, level), composite, survey.is_sampled)
    known = _conclude(survey, counted, request, wanted)
    checks = watermark_checks(opened, survey, level=level)
    extra = (BY_CHANCE,) if checks else ()
    known = replace(known, watermarks=checks, assumptions=(*known.assumptions, *extra))
    if ruler is not None and posteriors:
        _write_posteriors(opened, survey, wanted, known, request)
    return known


def conclude(
    survey: Survey,
    total: MarkTally,
    strata: Strata,
    *,
    by: Sequence[str] = (),
    composite: Composite = "real",
    level: float = 0.95,
) -> Estimate:
    """What marks alone say of p, from counts that were taken before."""
    request = Request(settings_of(None, level), composite, survey.is_sampled)
    numbered = [
        _stratum(number, labels, tally, by, request)
        for number, (labels, tally) in enumerate(strata.items())
    ]
    return Estimate(
        total,
        _floor(total, request),
        _assumptions(is_sampled=survey.is_sampled, composite=composite),
        _flags(survey, total),
        _ordered(numbered),
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


def _require(composite: str, level: float) -> None:
    if composite not in get_args(Composite):
        raise OptionError(f"--composite is {composite!r}; allowed: real, synthetic, apart")
    if not 0.0 < level < 1.0:
        raise OptionError(f"--level is {level}; it must lie between 0 and 1")


def _calibration(given: str | Calibration | None, survey: Survey) -> Calibration | None:
    if given is None:
        return None
    from madaudit.commands.calibration_files import read_calibration

    found = read_calibration(given) if isinstance(given, str) else given
    found.require_fits(survey.manifest["identities"])
    return found


# ---- what is known


def _conclude(survey: Survey, counted: Counted, request: Request, wanted: Wanted) -> Estimate:
    """All tiers over all rows and by stratum."""
    total = counted.tally
    known = Estimate(
        total,
        _floor(total, request),
        _assumptions(is_sampled=survey.is_sampled, composite=request.composite),
        _flags(survey, total),
        calibration=wanted.calibration,
        counted=counted,
    )
    strata = [
        _stratum(number, labels, MarkTally.of(row), wanted.by, request)
        for number, (labels, row) in enumerate(zip(counted.labels, counted.tallies, strict=True))
    ]
    strata = [replace(one, counted=counted) for one in strata] if wanted.by else []
    if wanted.calibration is None:
        return replace(known, strata=_ordered(strata))
    tiers = estimate_population(
        population_of(counted),
        request,
        floor=known.floor.all_marks,
        calibration=wanted.calibration,
    )
    distinct = None
    if wanted.clusters is not None:
        distinct = estimate_population(
            Population.distinct(counted.cells.together()),
            request,
            floor=known.floor.all_marks,
            calibration=wanted.calibration,
        )
    told = StrataTold([])
    if strata:
        closed = tiers.model_based.closed.point if tiers.model_based else None
        told = tell_strata(counted, strata, request, wanted.calibration, {}, closed)
    return replace(
        known,
        tiers=tiers,
        distinct=distinct,
        strata=_ordered(told.strata),
        worst=told.worst,
        course=told.course,
        assumptions=_assumptions_of(tiers, known, total),
        flags=(*known.flags, *tiers.flags, *_source_flags(wanted.calibration)),
    )


def _floor(tally: MarkTally, request: Request) -> Floor:
    return estimate_floor(
        tally,
        is_sampled=request.is_sampled,
        level=request.settings.level,
        counts_composite=request.composite == "synthetic",
        drops_composite=request.composite == "apart",
    )


def _stratum(
    number: int, labels: Labels, tally: MarkTally, by: Sequence[str], request: Request
) -> Stratum:
    values = dict(zip(by, labels, strict=True))
    return Stratum(values, tally, _floor(tally, request), number=number)


def _ordered(strata: Sequence[Stratum]) -> tuple[Stratum, ...]:
    return tuple(sorted(strata, key=lambda one: (-one.tally.n, tuple(one.by.values()))))


def _write_posteriors(
    store: Store, survey: Survey, wanted: Wanted, known: Estimate, request: Request
) -> None:
    model = known.tiers.model_based if known.tiers else None
    write_posteriors(
        store,
        survey,
        wanted,
        np.array(model.p_synthetic) if model else None,
        {"estimate": {**known.to_dict(), "strata": [], "worst": None}},
        counts_composite=request.composite == "synthetic",
    )


# ---- in words


def _assumptions_of(tiers: Tiers, known: Estimate, total: MarkTally) -> tuple[str, ...]:
    """What the headline rests on; what the floor says of itself only where it leads."""
    marks, composites = known.assumptions[0], known.assumptions[-1]
    if tiers.tier == "floor":
        return known.assumptions
    has_marks = total.synthetic > 0
    return (*tiers.assumptions, *((marks,) if has_marks else ()), composites)


def _source_flags(calibration: Calibration) -> tuple[str, ...]:
    n = sum(1 for sketch in calibration.real.values() if sketch.n > 0)
    if not 0 < n < _FEW_SOURCES:
        return ()
    told = (
        f"the calibration's real samples are of {plural(n, 'source')}: from fewer than "
        f"{_FEW_SOURCES} nobody can tell how far scores of other real samples lie"
    )
    return (told,)


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


@click.command("estimate", no_args_is_help=True)
@click.argument("store", metavar="STORE")
@click.option("--calibration", metavar="DIR", help="Known samples' scores: a folder, or default.")
@click.option("--by", metavar="COL,…", help="Strata: columns of the store, domain or year.")
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
    help="Level of all intervals.",
)
@click.option(
    "--posteriors/--no-posteriors",
    default=True,
    show_default=True,
    help="Write each sample's score and posterior, with a calibration.",
)
@common_options
@guarded
def command(
    store: str,
    calibration: str | None,
    by: str | None,
    composite: Composite,
    level: float,
    posteriors: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Estimate the effective real fraction p from a store.

    \b
      madaudit estimate store
      madaudit estimate store --calibration default --by domain --json
    """
    columns = tuple(name.strip() for name in by.split(",") if name.strip()) if by else ()
    result = estimate(
        store,
        calibration=calibration,
        by=columns,
        composite=composite,
        level=level,
        posteriors=posteriors,
    )
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        print_estimate(result)
    return 0
