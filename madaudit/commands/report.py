"""`madaudit report`: an offline HTML file, its JSON twin, Markdown and a data card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from madaudit.commands.estimate import conclude, require_finished
from madaudit.commands.loop_options import loop_option, pool_option
from madaudit.commands.observability import blindness_in_words
from madaudit.commands.report_risk import Consequences, Known, LoopRequest, consequences
from madaudit.commands.report_rows import Gathered, gather
from madaudit.commands.report_scores import histograms, multiples_of, score_pictures, trend_of
from madaudit.commands.report_words import (
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
from madaudit.commands.watermark_checks import watermark_counts
from madaudit.errors import OptionError
from madaudit.estimation import MarkTally
from madaudit.reports import RENDERERS, build_renderer
from madaudit.reports.audit_report import AuditReport
from madaudit.scanning.store import Store, Survey
from madaudit.types import Interval

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
    loop: str = "fresh",
    pool: str = "replace",
    bias: float | None = None,
    model_error: float = 0.0,
    dim: int = 1,
    generations: int = 10,
    tolerance: float = 0.01,
    pictures: str = "stored",
) -> ReportFiles:
    """Write the audit report into the store's folder `report/`.

    Args:
        store: folder or URL of the store.
        format: names of renderers.
        loop: as in `risk`, like all that follow.
        pool: what becomes of old synthetic samples.
        bias: λ; None for not known.
        model_error: ε², as a fraction of the real variance.
        dim: dimension of the Gaussian that stands for a model.
        generations: at which harm is told, beside convergence.
        tolerance: harm that is accepted.
        pictures: "stored" shows what the scan kept; "inputs" also reads unmarked samples from
            the inputs, at the places that the store names.

    Raises:
        StoreError: no store, or none of its shards is finished.
        OptionError: unknown format, or a loop that cannot be.
    """
    if pictures not in PICTURES:
        raise OptionError(f"--pictures is {pictures!r}; allowed: {', '.join(PICTURES)}")
    renderers = [build_renderer(name) for name in format]
    opened = Store(store.rstrip("/"))
    request = LoopRequest(loop, pool, bias, model_error, dim, generations, tolerance)
    content = assemble(opened, request, reads_inputs=pictures == "inputs")
    paths = {}
    for renderer in renderers:
        with opened.create(f"report/{renderer.file_name}") as file:
            file.write(renderer.render(content))
        paths[renderer.name] = f"{opened.url}/report/{renderer.file_name}"
    return ReportFiles(paths, content.answer)


def assemble(
    store: Store, request: LoopRequest | None = None, *, reads_inputs: bool = False
) -> AuditReport:
    """Everything the report shows.

    Args:
        store: to read.
        request: the loop that is assumed.
        reads_inputs: as `report`'s pictures "inputs".
    """
    survey = store.survey()
    require_finished(store, survey)
    gathered = gather(store, survey)
    total = sum(gathered.shards.values(), MarkTally())
    known = conclude(survey, total, {})
    content = known.to_dict()
    p, tier = Interval(**content["p"]), content["tier"]
    floor = known.floor.all_marks
    told = _consequences(p, total, request or LoopRequest())
    base = _counted(store, survey, gathered, total)
    scores = histograms(store, survey)
    return replace(
        base,
        answer=blindness_in_words(survey, total)
        or answer(floor, p, tier, is_sampled=survey.is_sampled),
        in_words=in_words(total, tier),
        p=p,
        floor=floor,
        validated_floor=known.floor.validated,
        tier=tier,
        hits=(*gathered.hits, *gathered.draw.finish(survey, reads_inputs=reads_inputs)),
        method=method(
            survey.manifest, known.assumptions, known.flags, _command(request or LoopRequest())
        ),
        watermarks=watermark_counts(store, survey, level=floor.level),
        scores=score_pictures(scores),
        multiples=multiples_of(scores),
        tiers=_tiers(content["tiers"]),
        **told._asdict(),
    )


def _counted(store: Store, survey: Survey, gathered: Gathered, total: MarkTally) -> AuditReport:
    """The part of the report that is counted and assumes nothing."""
    domains = {name: tally for name, tally in gathered.domains.items() if name}
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
        hits=(),
        faults=faults(survey, gathered),
        thumbnails=manifest["plan"]["thumbnails"],
        method=method(manifest, (), (), ""),
        trend=trend_of(gathered.shards),
    )


def _consequences(p: Interval, total: MarkTally, request: LoopRequest) -> Consequences:
    point = None if p.point is None else 1.0 - p.point
    prevalence = Interval(1.0 - p.high, point, 1.0 - p.low, p.level)
    return consequences(
        Known(total.weight, prevalence), request, marked=total.share(total.synthetic)
    )


def _tiers(tiers: dict[str, Any]) -> tuple[tuple[str, Interval | None], ...]:
    names = ("low", "point", "high", "level")
    return tuple(
        (name, Interval(*(tier[end] for end in names)) if tier else None)
        for name, tier in tiers.items()
    )


def _command(request: LoopRequest) -> str:
    """The command that repeats the report; flags at their defaults are left out."""
    words = ["madaudit report STORE"]
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
@common_options
@guarded
def command(
    store: str, formats: str, as_json: bool, quiet: bool, verbose: bool, **options: Any
) -> int:
    """Write the audit report: one offline HTML file and its JSON twin.

    \b
      madaudit report store
      madaudit report store --format html,json,markdown,card --loop augmentation --bias 0.9
    """
    names = [name.strip() for name in formats.split(",") if name.strip()]
    result = report(store, format=names, **options)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        click.echo(result.answer)
        for path in result.paths.values():
            click.echo(f"  {path}")
    return 0
