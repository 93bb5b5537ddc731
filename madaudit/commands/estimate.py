"""`madaudit estimate`: the effective real fraction p, from what a store holds.

Marks give the certain floor. With a calibration the graded scores give the tiers above it, overall
and by stratum, and each sample its posterior; with labels what people saw stands above all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import click
import numpy as np

from madaudit.commands.combined import Clusters, Concepts, Wanted, count_store
from madaudit.commands.counted import Counted, Labels
from madaudit.commands.estimate_summary import print_estimate
from madaudit.commands.estimate_words import (
    assumptions_of,
    floor_assumptions,
    floor_flags,
    score_flags,
)
from madaudit.commands.gold import GoldLabels, gold_labels
from madaudit.commands.label_files import LabelSet, read_labels
from madaudit.commands.posteriors import write_posteriors
from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.commands.store_estimate import Estimate
from madaudit.commands.store_strata import tell_strata
from madaudit.commands.store_tiers import (
    Composite,
    Gold,
    Population,
    Request,
    estimate_population,
    population_of,
    settings_of,
)
from madaudit.commands.stratum import StrataTold, Stratum
from madaudit.commands.watermark_checks import Sketch, watermark_checks
from madaudit.errors import OptionError, StoreError
from madaudit.estimation import Floor, MarkTally, estimate_floor
from madaudit.estimation.calibration import Calibration
from madaudit.estimation.prevalence import Estimate as Tiers
from madaudit.estimation.tiers import fits
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey
from madaudit.types import Interval

__all__ = ["Asked", "Estimate", "ask", "command", "estimate", "require_finished", "tell"]

BY_CHANCE = (
    "a check with p-values calls a sample marked at its own threshold, so the floor may hold by "
    "chance that threshold times the samples tested; what holds for the whole data set stands "
    "under watermarks"
)


def estimate(
    store: str,
    *,
    calibration: str | Calibration | None = None,
    labels: str | LabelSet | None = None,
    by: Sequence[str] = (),
    composite: Composite = "real",
    level: float = 0.95,
    posteriors: bool = True,
) -> Estimate:
    """The effective real fraction of a scanned data set.

    Args:
        store: folder or URL of the store.
        calibration: folder of one, "default", or the calibration itself; None for marks alone.
        labels: a file of `label read`, or a CSV file with shard, ordinal and label of a simple
            random sample; None for none.
        by: columns to stratify by; "domain" is the host of the URL, "year" the year in its path,
            "cluster" the concept by embeddings that the scan kept.
        composite: photos with generated parts count as real, as synthetic, or stand apart
            (out of the denominator).
        level: of all intervals.
        posteriors: write each sample's combined score and posterior into the store, which only
            a calibration gives.

    Raises:
        StoreError: no store, or none of its shards is finished.
        OptionError: an unknown column or value.
        InputError: no calibration or labels there, or of other detectors or another store.
    """
    _require(composite, level)
    opened = Store(store.rstrip("/"))
    survey = opened.survey()
    require_finished(opened, survey)
    asked = ask(opened, survey, calibration=calibration, by=by)
    counted = count_store(opened, survey, asked.wanted)
    request = asked.request(survey, composite, level)
    known = tell(opened, survey, asked, counted, request, labels=labels)
    if asked.wanted.calibration is not None and posteriors:
        _write_posteriors(opened, survey, asked.wanted, known, request)
    return known


@dataclass(frozen=True)
class Asked:
    """What is to be counted of a store.

    Attributes:
        wanted: calibration, strata and near-duplicate clusters.
        flags: why clusters that are there are of no use.
    """

    wanted: Wanted
    flags: tuple[str, ...] = ()

    def request(
        self, survey: Survey, composite: Composite = "real", level: float = 0.95
    ) -> Request:
        settings = settings_of(self.wanted.calibration, level)
        return Request(settings, composite, survey.is_sampled)


def ask(
    store: Store, survey: Survey, *, calibration: str | Calibration | None, by: Sequence[str]
) -> Asked:
    """Read what an estimate rests on besides the rows.

    Raises:
        InputError: no calibration there, or one of other detectors.
    """
    ruler = _calibration(calibration, survey)
    clusters, stale = _clusters(store, survey)
    wanted = Wanted(ruler, tuple(by), clusters, _concepts(store, survey, by))
    return Asked(wanted, stale)


def tell(
    store: Store,
    survey: Survey,
    asked: Asked,
    counted: Counted,
    request: Request,
    *,
    labels: str | LabelSet | None = None,
    sketches: Mapping[str, Sketch] | None = None,
) -> Estimate:
    """What counts of all finished shards say of p.

    Raises:
        InputError: labels that cannot be read, or of another store.
    """
    gold = None
    if labels is not None:
        given = read_labels(labels) if isinstance(labels, str) else labels
        gold = gold_labels(store, survey, given, counted, asked.wanted, request.composite)
        settings = replace(request.settings, checks=given.label_checks(request.composite))
        request = replace(request, settings=settings)
    known = _conclude(survey, counted, request, asked.wanted, gold)
    checks = watermark_checks(store, survey, level=request.settings.level, sketches=sketches)
    extra = (BY_CHANCE,) if checks else ()
    return replace(
        known,
        watermarks=checks,
        assumptions=(*known.assumptions, *extra),
        flags=(*known.flags, *asked.flags),
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


def _clusters(store: Store, survey: Survey) -> tuple[Clusters | None, tuple[str, ...]]:
    """Near-duplicate clusters, or why those that are there are of no use."""
    from madaudit.commands.store_clusters import read_store_clusters

    try:
        return read_store_clusters(store, survey), ()
    except StoreError as error:
        return None, (f"near-duplicates are not allowed for: {error}",)


def _concepts(store: Store, survey: Survey, by: Sequence[str]) -> Concepts | None:
    if "cluster" not in by:
        return None
    from madaudit.commands.concepts import concepts_of

    return concepts_of(store, survey)


def _calibration(given: str | Calibration | None, survey: Survey) -> Calibration | None:
    if given is None:
        return None
    from madaudit.commands.calibration_files import read_calibration

    found = read_calibration(given) if isinstance(given, str) else given
    found.require_fits(survey.manifest["identities"])
    return found


# ---- what is known


def _conclude(
    survey: Survey,
    counted: Counted,
    request: Request,
    wanted: Wanted,
    gold: GoldLabels | None,
) -> Estimate:
    """All tiers over all rows and by stratum."""
    total = counted.tally
    known = Estimate(
        total,
        _floor(total, request),
        floor_assumptions(is_sampled=survey.is_sampled, composite=request.composite),
        floor_flags(survey, total),
        calibration=wanted.calibration,
        counted=counted,
    )
    strata = [
        _stratum(number, labels, MarkTally.of(row), wanted.by, request)
        for number, (labels, row) in enumerate(zip(counted.labels, counted.tallies, strict=True))
    ]
    strata = [replace(one, counted=counted) for one in strata] if wanted.by else []
    if wanted.calibration is None and gold is None and wanted.clusters is None:
        return replace(known, strata=_ordered(strata))
    tiers = _tiers(population_of(counted), request, known, gold.whole if gold else None)
    distinct = None
    if wanted.clusters is not None:
        population = Population.distinct(counted.cells.together())
        distinct = _tiers(population, request, known, gold.distinct if gold else None)
    told = StrataTold([])
    if strata:
        closed = tiers.model_based.closed.point if tiers.model_based else None
        of_strata = gold.strata if gold else {}
        told = tell_strata(counted, strata, request, wanted.calibration, of_strata, closed)
        if not fits(tiers.model_based):
            told = replace(told, strata=[one.led_by_marks() for one in told.strata])
    return replace(
        known,
        tiers=tiers,
        distinct=distinct,
        strata=_ordered(told.strata),
        worst=told.worst,
        course=told.course,
        undecided=_undecided(population_of(counted), request, known, gold),
        assumptions=assumptions_of(tiers, known, total, gold),
        flags=(
            *known.flags,
            *score_flags(tiers, wanted.calibration),
            *(gold.flags if gold else ()),
        ),
    )


def _tiers(population: Population, request: Request, known: Estimate, gold: Gold | None) -> Tiers:
    return estimate_population(
        population,
        request,
        floor=known.floor.all_marks,
        calibration=known.calibration,
        gold=gold,
    )


def _undecided(
    population: Population, request: Request, known: Estimate, gold: GoldLabels | None
) -> Interval | None:
    """From undecided labels all real to all synthetic."""
    if gold is None or gold.undecided is None:
        return None
    floor = known.floor.all_marks
    low, high = (
        estimate_population(population, request, floor=floor, gold=one).adjudicated
        for one in gold.undecided
    )
    if low is None or high is None:
        return None
    return Interval(low.low, None, high.high, low.level)


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


@click.command("estimate", no_args_is_help=True)
@click.argument("store", metavar="STORE")
@click.option("--calibration", metavar="DIR", help="Known samples' scores: a folder, or default.")
@click.option("--labels", metavar="FILE", help="What people saw: of label read, or CSV.")
@click.option("--by", metavar="COL,…", help="Strata: columns, domain, year or cluster.")
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
    labels: str | None,
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
        labels=labels,
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
