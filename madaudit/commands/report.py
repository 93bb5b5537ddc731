"""`madaudit report`: an offline HTML file, its JSON twin, Markdown and a data card."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from madaudit.commands.estimate import Estimate, ask, require_finished, tell
from madaudit.commands.label_files import read_labels
from madaudit.commands.loop_options import loop_option, pool_option
from madaudit.commands.loop_request import Known, LoopRequest
from madaudit.commands.observability import blindness_in_words
from madaudit.commands.report_people import copies_of, labels_of
from madaudit.commands.report_risk import Consequences, consequences
from madaudit.commands.report_rows import (
    Gathered,
    broken_samples,
    shown_samples,
    walk_store,
)
from madaudit.commands.report_scores import (
    combined_picture,
    histograms,
    multiples_of,
    multiples_of_strata,
    name_of,
    posterior_by_cell,
    score_pictures,
    trend_of,
)
from madaudit.commands.report_words import (
    TABLE_ROWS,
    answer,
    faults,
    funnel,
    groups,
    in_words,
    method,
    observability,
    tools,
)
from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.commands.watermark_checks import scored_detectors, watermark_counts
from madaudit.errors import OptionError
from madaudit.estimation import MarkTally
from madaudit.reports import RENDERERS, build_renderer
from madaudit.reports.audit_report import AuditReport, StratumRow
from madaudit.reports.pictures import ScorePicture
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey
from madaudit.types import Interval

if TYPE_CHECKING:
    from madaudit.assessment import Strata
    from madaudit.commands.store_threshold import Advice
    from madaudit.simulation import LoopSpec

PICTURES = ("stored", "inputs")


@dataclass(frozen=True)
class ReportFiles:
    """Where the report lies, and its one sentence."""

    paths: dict[str, str]
    answer: str

    def to_dict(self) -> dict[str, Any]:
        return {"paths": self.paths, "answer": self.answer}


def report(
    store: str,
    *,
    format: Sequence[str] = ("html", "json"),
    calibration: str | None = None,
    by: Sequence[str] = (),
    loop: str = "fresh",
    pool: str = "replace",
    bias: float | None = None,
    model_error: float = 0.0,
    dim: int = 1,
    generations: int = 10,
    tolerance: float = 0.01,
    pictures: str = "stored",
    labels: str | None = None,
    workers: int | None = None,
) -> ReportFiles:
    """Write the audit report into the store's folder `report/`.

    From a script, keep the call below `if __name__ == "__main__":`, since a large store is read
    by several processes.

    Args:
        store: folder or URL of the store.
        format: names of renderers.
        calibration: folder of one, or "default"; None for marks alone. Its counts are kept in
            the store; the samples' posteriors are written by `estimate` alone.
        by: columns of strata; "domain" is the host of the URL.
        loop: as in `risk`, like all that follow.
        pool: what becomes of old synthetic samples.
        bias: λ; None for not known.
        model_error: ε², as a fraction of the real variance.
        dim: dimension of the Gaussian that stands for a model.
        generations: at which harm is told, beside convergence.
        tolerance: harm that is accepted.
        pictures: "stored" shows what the scan kept; "inputs" also reads unmarked samples from
            the inputs, at the places that the store names.
        labels: what people saw, as in `estimate`; None for none.
        workers: processes that read the rows; None for one per processor where it pays.

    Raises:
        StoreError: no store, or none of its shards is finished.
        OptionError: unknown format, or a loop that cannot be.
    """
    if pictures not in PICTURES:
        raise OptionError(f"--pictures is {pictures!r}; allowed: {', '.join(PICTURES)}")
    renderers = [build_renderer(name) for name in format]
    opened = Store(store.rstrip("/"))
    request = LoopRequest(loop, pool, bias, model_error, dim, generations, tolerance)
    content = assemble(
        opened,
        request,
        calibration=calibration,
        labels=labels,
        by=by,
        reads_inputs=pictures == "inputs",
        workers=workers,
    )
    paths = {}
    for renderer in renderers:
        with opened.create(f"report/{renderer.file_name}") as file:
            file.write(renderer.render(content))
        paths[renderer.name] = f"{opened.url}/report/{renderer.file_name}"
    return ReportFiles(paths, content.answer)


def assemble(
    store: Store,
    request: LoopRequest | None = None,
    *,
    calibration: str | None = None,
    labels: str | None = None,
    by: Sequence[str] = (),
    reads_inputs: bool = False,
    workers: int | None = None,
) -> AuditReport:
    """Everything the report shows.

    Args:
        store: to read.
        request: the loop that is assumed.
        calibration: folder of one, or "default"; None for marks alone.
        labels: as in `report`.
        by: columns of strata.
        reads_inputs: as `report`'s pictures "inputs".
        workers: as in `report`.
    """
    request = request or LoopRequest()
    survey = store.survey()
    require_finished(store, survey)
    asked = ask(store, survey, calibration=calibration, by=by)
    gathered, counted = walk_store(
        store, survey, asked.wanted, needs_cells=labels is not None, workers=workers
    )
    total = sum(gathered.shards.values(), MarkTally())
    given = None if labels is None else read_labels(labels)
    known = tell(
        store,
        survey,
        asked,
        counted,
        asked.request(survey),
        labels=given,
        sketches=gathered.sketches,
    )
    told = _consequences(known, total, request)
    scores = histograms(gathered.sketches, scored_detectors(survey.looks_at))
    floor, content = known.floor.all_marks, known.to_dict()
    return replace(
        _counted(survey, gathered, total),
        answer=blindness_in_words(survey, total)
        or answer(floor, known.p, known.tier, is_sampled=survey.is_sampled),
        in_words=in_words(total, known.tier),
        p=known.p,
        floor=floor,
        validated_floor=known.floor.validated,
        tier=known.tier,
        hits=shown_samples(
            store, survey, gathered, posterior_by_cell(known), reads_inputs=reads_inputs
        ),
        faults=faults(survey, broken_samples(store, gathered)),
        method=method(
            survey.manifest,
            known.assumptions,
            known.flags,
            _command(request, calibration=calibration, labels=labels, by=by),
        ),
        watermarks=watermark_counts(known.watermarks),
        scores=(*_combined(known, told), *score_pictures(scores)),
        multiples=multiples_of_strata(known, ", ".join(by)) or multiples_of(scores),
        tiers=_tiers(content["tiers"]),
        strata=_strata(known),
        n_strata=len(known.strata),
        strata_by=", ".join(by),
        copies=copies_of(store, known),
        labels=None if given is None else labels_of(given, known),
        **told._asdict(),
    )


def _counted(survey: Survey, gathered: Gathered, total: MarkTally) -> AuditReport:
    """The part of the report that is counted and assumes nothing."""
    domains = gathered.domains.tallies()
    manifest = survey.manifest
    unknown = Interval(0.0, None, 1.0)
    return AuditReport(
        title=manifest["root"] or ", ".join(manifest["inputs"]),
        answer="",
        in_words=(),
        p=unknown,
        floor=unknown,
        validated_floor=unknown,
        tier="floor",
        n_samples=sum(marker["n_samples"] for marker in survey.markers),
        n_rows=total.n,
        is_sampled=survey.is_sampled,
        observability=observability(total),
        funnel=funnel(total),
        tools=tools(gathered, total),
        shards=groups(gathered.shards),
        n_shards=len(gathered.shards),
        domains=groups(domains),
        n_domains=len(domains),
        n_domain_rows=gathered.domains.n_rows,
        hits=(),
        faults=(),
        thumbnails=manifest["plan"]["thumbnails"],
        method=method(manifest, (), (), ""),
        trend=trend_of(gathered.shards),
    )


def _consequences(known: Estimate, total: MarkTally, request: LoopRequest) -> Consequences:
    return consequences(
        Known.of(total.weight, known.p),
        request,
        marked=total.share(total.synthetic),
        strata=_loops(known),
        advised=lambda loop, bias, tolerance: _advised(known, loop, bias, tolerance),
    )


def _loops(known: Estimate) -> Strata | None:
    """Strata as loops of their own."""
    from madaudit.assessment import Strata

    if not known.strata:
        return None
    shares = [one.prevalence or one.floor.all_marks for one in known.strata]
    return Strata(
        [name_of(one.by) for one in known.strata],
        np.array([one.tally.weight for one in known.strata]),
        np.array([share.low for share in shares]),
        np.array([share.high for share in shares]),
    )


def _advised(
    known: Estimate, loop: LoopSpec, bias: Interval | None, tolerance: float
) -> Advice | None:
    """The cut that `madaudit risk` gives, too; None without a calibration."""
    if known.calibration is None:
        return None
    from madaudit.commands.store_threshold import advise

    return advise(known, loop, bias=bias, tolerance=tolerance)


def _combined(known: Estimate, told: Consequences) -> tuple[ScorePicture, ...]:
    calibration = known.calibration
    if calibration is None:
        return ()
    real, synthetic = (
        np.asarray(counts.counts, dtype=float)
        for counts in (calibration.real_counts, calibration.synthetic_counts)
    )
    if not real.sum() or not synthetic.sum():
        return ()
    cut = told.cut.cut if told.cut else None
    shown = combined_picture(known, real, synthetic, cut)
    return (shown,) if shown else ()


def _strata(known: Estimate) -> tuple[StratumRow, ...]:
    return tuple(
        StratumRow(
            name_of(one.by),
            one.tally.weight,
            one.tally.share(one.tally.synthetic),
            one.prevalence or one.floor.all_marks,
        )
        for one in known.strata[:TABLE_ROWS]
    )


def _tiers(tiers: dict[str, Any]) -> tuple[tuple[str, Interval | None], ...]:
    names = ("low", "point", "high", "level")
    # The closed interval never leads; its set for unseen generators does.
    shown = {
        "floor": tiers["floor"],
        "detectable": tiers["detectable"],
        "closed": tiers["model_based"],
        "model_based": (tiers["model_based"] or {}).get("sensitivity"),
        "adjudicated": tiers["adjudicated"],
    }
    return tuple(
        (name, Interval(*(tier[end] for end in names)) if tier else None)
        for name, tier in shown.items()
    )


def _command(
    request: LoopRequest, *, calibration: str | None, labels: str | None, by: Sequence[str]
) -> str:
    """The command that repeats the report; flags at their defaults are left out."""
    words = ["madaudit report STORE"]
    if calibration is not None:
        words.append(f"--calibration {shlex.quote(calibration)}")
    if labels is not None:
        words.append(f"--labels {shlex.quote(labels)}")
    if by:
        words.append(f"--by {shlex.quote(','.join(by))}")
    for name, value in request._asdict().items():
        if value != LoopRequest._field_defaults[name]:
            words.append(f"--{name.replace('_', '-')} {value}")
    return " ".join(words)


@click.command("report", no_args_is_help=True)
@click.argument("store", metavar="STORE")
@click.option(
    "--format",
    "formats",
    default="html,json",
    show_default=True,
    metavar="A,B",
    help=f"Any of {', '.join(RENDERERS)}.",
)
@click.option("--calibration", metavar="DIR", help="Known samples' scores: a folder, or default.")
@click.option("--labels", metavar="FILE", help="What people saw: of label read, or CSV.")
@click.option("--by", metavar="COL,…", help="Strata: columns, domain, year or cluster.")
@loop_option
@pool_option
@click.option("--bias", type=float, metavar="λ", help="Variance that samplers keep; not known.")
@click.option("--model-error", type=float, default=0.0, show_default=True, metavar="ε²",
              help="Error that training adds, in real variances.")  # fmt: skip
@click.option("--dim", type=int, default=1, show_default=True, help="Dimension.")
@click.option("--generations", type=int, default=10, show_default=True, help="Of the loop.")
@click.option("--tolerance", type=float, default=0.01, show_default=True, help="Harm accepted.")
@click.option(
    "--pictures",
    type=click.Choice(PICTURES),
    default="stored",
    show_default=True,
    help="Also read unmarked samples from the inputs that the store names.",
)
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Default: what pays.")
@common_options
@guarded
def command(
    store: str,
    formats: str,
    by: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> int:
    """Write the audit report: one offline HTML file and its JSON twin.

    \b
      madaudit report store
      madaudit report store --format html,json,markdown,card --loop augmentation --bias 0.9
    """
    names = [name.strip() for name in formats.split(",") if name.strip()]
    columns = [name.strip() for name in by.split(",") if name.strip()] if by else []
    result = report(store, format=names, by=columns, **options)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        click.echo(result.answer)
        for path in result.paths.values():
            click.echo(f"  {path}")
    return 0
