"""`madaudit report`: one offline HTML file and its JSON twin from a store."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click
import numpy as np

from madaudit.commands.estimate import Estimate, conclude, require_finished
from madaudit.commands.observability import blindness_in_words
from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.commands.store_rows import MarkRows, domain, mark_rows
from madaudit.commands.watermark_checks import watermark_counts
from madaudit.estimation import MarkTally
from madaudit.estimation.tally import NO_MARK, REAL
from madaudit.limits import MAX_DOMAINS
from madaudit.reports import RENDERERS, build_renderer
from madaudit.reports.audit_report import (
    AuditReport,
    Count,
    Fault,
    GroupCount,
    Hit,
    Method,
    ToolCount,
)
from madaudit.reports.wording import percent
from madaudit.scanning.store import Store, Survey
from madaudit.types import LABELS

_TABLE_ROWS = 50
_HITS = 24
_HITS_PER_SHARD = 8
_CAPTION = 160
_FLOOR_IN_WORDS = (
    "The floor counts samples whose own metadata or watermark says that a generative model made "
    "them. "
    "Most generated images carry no such mark, so the true share can be anything above it."
)
_COLUMNS = ("key", "url", "caption", "error", "width", "height")


@dataclass(frozen=True)
class ReportFiles:
    """Where the report lies, and its one sentence."""

    paths: dict[str, str]
    answer: str

    def to_dict(self) -> dict[str, Any]:
        return {"paths": self.paths, "answer": self.answer}


def report(store: str, *, format: Sequence[str] = ("html", "json")) -> ReportFiles:
    """Write the audit report into the store's folder `report/`.

    Args:
        store: folder or URL of the store.
        format: names of renderers.

    Raises:
        StoreError: no store, or none of its shards is finished.
        OptionError: unknown format.
    """
    renderers = [build_renderer(name) for name in format]
    opened = Store(store.rstrip("/"))
    content = assemble(opened)
    paths = {}
    for renderer in renderers:
        with opened.create(f"report/{renderer.file_name}") as file:
            file.write(renderer.render(content))
        paths[renderer.name] = f"{opened.url}/report/{renderer.file_name}"
    return ReportFiles(paths, content.answer)


@dataclass
class _Gathered:
    """What one walk over the rows collects."""

    tools: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    validated: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    models: dict[tuple[str, str, str], Counter[str]] = field(default_factory=dict)
    shards: dict[str, MarkTally] = field(default_factory=dict)
    domains: dict[str, MarkTally] = field(default_factory=dict)
    hits: list[Hit] = field(default_factory=list)
    faults: dict[str, Fault] = field(default_factory=dict)


def assemble(store: Store) -> AuditReport:
    """Everything the report shows, from the store alone."""
    survey = store.survey()
    manifest = survey.manifest
    require_finished(store, survey)
    gathered = _Gathered()
    for marker in survey.markers:
        _gather_shard(store, marker["shard"], survey.looks_at, gathered)
    total = sum(gathered.shards.values(), MarkTally())
    known = conclude(survey, total, {})
    floor = known.floor.all_marks
    domains = {name: tally for name, tally in gathered.domains.items() if name}
    return AuditReport(
        title=manifest["root"] or ", ".join(manifest["inputs"]),
        answer=blindness_in_words(survey, total) or _answer(known, is_sampled=survey.is_sampled),
        in_words=_in_words(known),
        p=known.p,
        floor=floor,
        validated_floor=known.floor.validated,
        tier="floor",
        n_samples=sum(marker["n_samples"] for marker in survey.markers),
        n_rows=total.n,
        is_sampled=survey.is_sampled,
        observability=_observability(total),
        funnel=_funnel(total),
        tools=_tools(gathered, total),
        shards=_groups(gathered.shards),
        n_shards=len(gathered.shards),
        domains=_groups(domains),
        n_domains=len(domains),
        hits=tuple(gathered.hits[:_HITS]),
        faults=_faults(survey, gathered),
        thumbnails=manifest["plan"]["thumbnails"],
        method=_method(manifest, known),
        watermarks=watermark_counts(store, survey, level=floor.level),
    )


def _gather_shard(
    store: Store, shard: str, detectors: dict[str, str], gathered: _Gathered
) -> None:
    pictures = store.thumbnails(shard)
    tally = MarkTally()
    n_hits = 0
    for rows in mark_rows(store, shard, detectors, _COLUMNS):
        tally += rows.tally()
        _gather_tools(rows, gathered)
        _gather_domains(rows, gathered.domains)
        _gather_faults(rows, shard, gathered.faults)
        hits = _hits(rows, shard, pictures, _HITS_PER_SHARD - n_hits)
        n_hits += len(hits)
        if len(gathered.hits) < 10 * _HITS:
            gathered.hits += hits
    gathered.shards[shard] = tally
    gathered.hits.sort(key=lambda hit: hit.thumbnail is None)


def _gather_tools(rows: MarkRows, gathered: _Gathered) -> None:
    weights = rows.weights()
    for detector, details in rows.details.items():
        for index, detail in details.items():
            if detail.get("label") not in LABELS:
                continue
            name = (str(detail.get("tool") or "unnamed"), detail["label"], detector)
            gathered.tools[name] += weights[index]
            if detail.get("validation") in ("valid", "trusted"):
                gathered.validated[name] += weights[index]
            if detail.get("model"):
                gathered.models.setdefault(name, Counter())[str(detail["model"])] += 1


def _gather_domains(rows: MarkRows, domains: dict[str, MarkTally]) -> None:
    column = rows.rows.column("url")
    if column.null_count == len(column):
        return
    hosts = [domain(url) for url in column.to_pylist()]
    places = {host: number for number, host in enumerate(dict.fromkeys(hosts))}
    codes = np.fromiter((places[host] for host in hosts), dtype=np.int64, count=len(hosts))
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(places) + 1))
    for host, number in places.items():
        members = order[starts[number] : starts[number + 1]]
        name = host if host in domains or len(domains) < MAX_DOMAINS else "(further domains)"
        domains[name] = domains.get(name, MarkTally()) + rows.tally(members)


def _gather_faults(rows: MarkRows, shard: str, faults: dict[str, Fault]) -> None:
    weights = rows.weights()
    for index in np.flatnonzero(rows.masks.broken).tolist():
        status = rows.rows.column("status")[index].as_py()
        known = faults.get(status)
        if known is None:
            error = rows.rows.column("error")[index].as_py() or ""
            key = rows.rows.column("key")[index].as_py()
            faults[status] = Fault(status, float(weights[index]), error, f"{shard} {key}")
        else:
            n = known.n + float(weights[index])
            faults[status] = Fault(status, n, known.example, known.where)


def _hits(rows: MarkRows, shard: str, pictures: dict[int, bytes], most: int) -> list[Hit]:
    """The first hits of these rows, those with a picture before the others."""
    ordinals = rows.rows.column("ordinal").to_numpy()
    marked = np.flatnonzero((rows.verdicts != NO_MARK) & (rows.verdicts != REAL)).tolist()
    marked.sort(key=lambda index: (ordinals[index] not in pictures, index))
    return [_hit(rows, shard, index, pictures) for index in marked[: max(most, 0)]]


def _hit(rows: MarkRows, shard: str, index: int, pictures: dict[int, bytes]) -> Hit:
    row = {name: rows.rows.column(name)[index].as_py() for name in ("ordinal", *_COLUMNS)}
    details = [found[index] for found in rows.details.values() if index in found]
    width, height = row["width"], row["height"]
    return Hit(
        shard=shard,
        ordinal=row["ordinal"],
        key=row["key"],
        says=tuple(str(detail.get("says") or "marked") for detail in details),
        label=LABELS[rows.verdicts[index]],
        caption=_cut(row["caption"]),
        url=_cut(row["url"]),
        size=f"{width} × {height}" if width and height else "",
        thumbnail=pictures.get(row["ordinal"]),
    )


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= _CAPTION:
        return text or None
    return text[: _CAPTION - 1] + "…"


def _answer(known: Estimate, *, is_sampled: bool) -> str:
    floor = known.floor.all_marks
    if floor.low == 0:
        return (
            "No sample carries a mark of having been generated; that proves nothing about the "
            "samples without marks, so p is not bounded yet."
        )
    basis = f"at level {floor.level:g}" if is_sampled else "counted, not estimated"
    return (
        f"At least {percent(floor.low)} of this data set is synthetic: the effective real "
        f"fraction p is at most {percent(known.p.high, floor.low)} (certain floor, {basis})."
    )


def _in_words(known: Estimate) -> tuple[str, ...]:
    tally = known.tally
    hidden = tally.share(tally.hidden + tally.partly)
    sentences = [_FLOOR_IN_WORDS]
    if hidden > 0.005:
        sentences.append(
            f"For {percent(hidden)} of samples some or all marks could not have been seen, "
            f"mostly because images were re-encoded or are broken, or because there are none."
        )
    return tuple(sentences)


def _observability(tally: MarkTally) -> tuple[Count, ...]:
    def row(name: str, n: float, meaning: str) -> Count:
        return Count(name, n, tally.share(n), meaning)

    return (
        row(
            "would have been seen",
            tally.observable - tally.bare,
            "the file carries metadata of its own",
        ),
        row(
            "may have been stripped",
            tally.bare,
            "a whole file without any metadata: whether it ever had any, nobody says",
        ),
        row(
            "could be seen in part",
            tally.partly,
            "re-encoded, with a mark in the EXIF column that the pipeline kept",
        ),
        row(
            "could not be seen",
            tally.hidden,
            "re-encoded, broken, without an image, or of a format whose metadata is not read",
        ),
    )


def _funnel(tally: MarkTally) -> tuple[Count, ...]:
    def row(name: str, n: float, meaning: str) -> Count:
        return Count(name, n, tally.share(n), meaning)

    return (
        row("synthetic", tally.synthetic, "a generative model made most pixels: the floor"),
        row("synthetic, signature valid", tally.validated, "part of the row above"),
        row(
            "composite",
            tally.composite,
            "a photo with generated parts; not counted in the floor",
        ),
        row("real", tally.real, "the mark says camera, film or human; it proves no more"),
        row(
            "nothing",
            tally.unmarked,
            "no mark, which proves nothing",
        ),
    )


def _tools(gathered: _Gathered, total: MarkTally) -> tuple[ToolCount, ...]:
    ordered = sorted(gathered.tools.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        ToolCount(
            *name,
            float(n),
            total.share(float(n)),
            float(gathered.validated[name]),
            tuple(model for model, _ in gathered.models.get(name, Counter()).most_common(3)),
        )
        for name, n in ordered[:_TABLE_ROWS]
    )


def _groups(tallies: dict[str, MarkTally]) -> tuple[GroupCount, ...]:
    """Groups with most synthetic samples first."""
    ordered = sorted(tallies.items(), key=lambda item: (-item[1].synthetic, -item[1].n, item[0]))
    return tuple(
        GroupCount(
            name,
            tally.weight,
            tally.share(tally.synthetic),
            tally.share(tally.composite),
            tally.share(tally.hidden),
            tally.share(tally.broken),
        )
        for name, tally in ordered[:_TABLE_ROWS]
    )


def _faults(survey: Survey, gathered: _Gathered) -> tuple[Fault, ...]:
    faults = sorted(gathered.faults.values(), key=lambda fault: -fault.n)
    for problem in survey.problems():
        place = "" if problem["offset"] is None else f" at byte {problem['offset']}"
        where = f"{problem['shard']}{place}"
        faults.append(Fault("shard in quarantine", 1, problem["message"], where))
    return tuple(faults[:200])


def _method(manifest: dict[str, Any], known: Estimate) -> Method:
    from madaudit.commands.detectors import list_detectors

    verified = {item["name"]: item.get("verified", "") for item in list_detectors().detectors}
    plan = manifest["plan"]
    words = ["madaudit", "scan", *manifest["inputs"], "-o", "STORE"]
    words += ["--detectors", ",".join(plan["detectors"]), "--tier", plan["tier"]]
    if manifest.get("format", "auto") != "auto":
        words += ["--format", manifest["format"]]
    if plan["n_sample"] is not None:
        words += ["--sample", str(plan["n_sample"]), "--seed", str(plan["seed"])]
    for name, options in plan["options"].items():
        for key, value in options.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            words += ["--option", f"{name}.{key}={text}"]
    return Method(
        known.assumptions,
        known.flags,
        tuple((n, v, verified.get(n, "")) for n, v in manifest["detectors"].items()),
        {
            "madaudit": manifest["madaudit"],
            "Python": manifest["python"],
            "store schema": str(manifest["schema"]),
        },
        manifest["fingerprint"],
        shlex.join(words) + "\nmadaudit report STORE",
    )


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
@common_options
@guarded
def command(store: str, formats: str, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Write the audit report: one offline HTML file and its JSON twin.

    \b
      madaudit report store
    """
    result = report(store, format=[name.strip() for name in formats.split(",") if name.strip()])
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        click.echo(result.answer)
        for path in result.paths.values():
            click.echo(f"  {path}")
    return 0
