"""The report's sentences and small tables, from counts."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from typing import Any

from madaudit.commands.report_rows import Gathered
from madaudit.estimation import MarkTally
from madaudit.reports.audit_report import Count, Fault, GroupCount, Method, ToolCount
from madaudit.reports.wording import TIER_WORDS, percent
from madaudit.scanning.survey import Survey
from madaudit.types import Interval

TABLE_ROWS = 200
_FAULTS = 200
_FLOOR_IN_WORDS = (
    "The floor counts samples whose own metadata or watermark says that a generative model made "
    "them. "
    "Most generated images carry no such mark, so the true share can be anything above it."
)


def answer(floor: Interval, p: Interval, tier: str, *, is_sampled: bool) -> str:
    """The report's one sentence: p, its interval and the tier."""
    basis = f"at level {floor.level:g}" if is_sampled else "counted, not estimated"
    if p.point is not None:
        return (
            f"The effective real fraction p of this data set is {percent(p.point)}, between "
            f"{percent(p.low)} and {percent(p.high)} at level {p.level:g} "
            f"({tier.replace('_', '-')} tier: {TIER_WORDS[tier]})."
        )
    if tier != "floor" and p.high >= 1.0:
        least = f"; it is at least {percent(p.low)}" if p.low > 0 else ""
        return (
            f"Nothing bounds the effective real fraction p of this data set from above yet{least} "
            f"(level {p.level:g}, {tier.replace('_', '-')} tier: {TIER_WORDS[tier]})."
        )
    if tier != "floor":
        share = 1.0 - p.high
        ends = f"at most {percent(p.high, share)}" + (
            f" and at least {percent(p.low)}" if p.low > 0 else ""
        )
        return (
            f"The effective real fraction p of this data set is {ends}, at level {p.level:g} "
            f"({tier.replace('_', '-')} tier: {TIER_WORDS[tier]})."
        )
    if floor.low == 0:
        return (
            "No sample carries a mark of having been generated; that proves nothing about the "
            "samples without marks, so p is not bounded yet."
        )
    return (
        f"At least {percent(floor.low)} of this data set is synthetic: the effective real "
        f"fraction p is at most {percent(p.high, floor.low)} (certain floor, {basis})."
    )


def in_words(tally: MarkTally, tier: str) -> tuple[str, ...]:
    hidden = tally.share(tally.hidden + tally.partly)
    sentences = [_FLOOR_IN_WORDS] if tier == "floor" else []
    if hidden > 0.005:
        sentences.append(
            f"For {percent(hidden)} of samples some or all marks could not have been seen, "
            f"mostly because images were re-encoded or are broken, or because there are none."
        )
    return tuple(sentences)


def observability(tally: MarkTally) -> tuple[Count, ...]:
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


def funnel(tally: MarkTally) -> tuple[Count, ...]:
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


def tools(gathered: Gathered, total: MarkTally) -> tuple[ToolCount, ...]:
    ordered = sorted(gathered.tools.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        ToolCount(
            *name,
            float(n),
            total.share(float(n)),
            float(gathered.validated[name]),
            tuple(model for model, _ in gathered.models.get(name, Counter()).most_common(3)),
        )
        for name, n in ordered[:TABLE_ROWS]
    )


def groups(tallies: dict[str, MarkTally]) -> tuple[GroupCount, ...]:
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
        for name, tally in ordered[:TABLE_ROWS]
    )


def faults(survey: Survey, broken: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Broken samples by kind, then everything in quarantine."""
    found = list(broken)
    for problem in survey.problems():
        place = "" if problem["offset"] is None else f" at byte {problem['offset']}"
        where = f"{problem['shard']}{place}"
        found.append(Fault("shard in quarantine", 1, problem["message"], where))
    return tuple(found[:_FAULTS])


def method(
    manifest: Mapping[str, Any],
    assumptions: tuple[str, ...],
    flags: tuple[str, ...],
    how: str,
) -> Method:
    """How the numbers came about; `how` is the report's own command."""
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
        assumptions,
        flags,
        tuple((n, v, verified.get(n, "")) for n, v in manifest["detectors"].items()),
        {
            "madaudit": manifest["madaudit"],
            "Python": manifest["python"],
            "store schema": str(manifest["schema"]),
        },
        manifest["fingerprint"],
        f"{shlex.join(words)}\n{how}",
    )
