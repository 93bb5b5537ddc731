"""Markdown for a pull request: the answer, what follows, and where to look first.

Names from a data set stand in code spans, where neither markup, nor mentions, nor links act.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from madaudit.reports.audit_report import AuditReport
from madaudit.reports.base import Renderer
from madaudit.reports.wording import TIER_WORDS, count, percent, visible
from madaudit.types import Interval

_ROWS = 10
_LONGEST = 300
# What Markdown and HTML read as more than itself.
_ACTIVE = re.compile(r"([\\`*_{}\[\]<>#|~&@!]|:(?=[/\w])|(?<=www)\.)")


@dataclass(frozen=True)
class MarkdownRenderer(Renderer):
    """A comment's length of text; the page has the rest."""

    name: ClassVar[str] = "markdown"
    file_name: ClassVar[str] = "summary.md"

    def render(self, report: AuditReport) -> bytes:
        return f"{summary(report)}\n".encode("utf-8", "replace")


def summary(report: AuditReport, level: int = 2) -> str:
    """The report as Markdown.

    Args:
        report: to tell.
        level: of its first heading, 1 to 5.
    """
    mark = "#" * level
    parts = [f"{mark} madaudit: {code(report.title)}", f"**{plain(report.answer)}**"]
    if report.risk is not None:
        ends = dict.fromkeys((report.risk.level_at_low, report.risk.level))
        parts.append(f"**MAD risk: {' to '.join(ends)}.** {plain(' '.join(report.risk.says))}")
    if report.cut is not None:
        what = "Where to cut" if report.cut.action == "unknown" else report.cut.action.capitalize()
        parts.append(f"**{what}.** {plain(report.cut.says)}")
    parts.append(_numbers(report))
    parts += _section(f"{mark}# Who made it", _tools(report))
    parts += _section(f"{mark}# Where to look first", _shards(report))
    parts += _section(f"{mark}# Errors", _faults(report))
    parts += _section(f"{mark}# What to know before using these numbers", _notes(report))
    versions = ", ".join(f"{plain(k)} {plain(v)}" for k, v in report.method.versions.items())
    parts.append(f"{versions}, plan {code(report.method.fingerprint[:16])}")
    return "\n\n".join(parts)


def code(text: str) -> str:
    """Text of a data set as a code span, on one line and in a table, too."""
    shown = visible(text[:_LONGEST] + ("…" if len(text) > _LONGEST else ""))
    shown = shown.replace("|", "\\|") or " "
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown[0] == "`" or shown[-1] == "`" else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def plain(text: str) -> str:
    """Words with everything escaped that Markdown would read as more."""
    return _ACTIVE.sub(r"\\\1", visible(text[: _LONGEST * 10])).replace("\\@", "@\u2060")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells must be escaped already."""
    lines = [list(header), ["---"] * len(header), *map(list, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def interval_in_words(interval: Interval) -> str:
    """Low, point and high in one cell."""
    ends = f"{percent(interval.low)} to {percent(interval.high)}"
    return ends if interval.point is None else f"{percent(interval.point)} ({ends})"


def _numbers(report: AuditReport) -> str:
    rows = [
        ["samples", count(report.n_samples)],
        ["effective real fraction p", interval_in_words(report.p)],
        ["tier", f"{report.tier.replace('_', '-')}: {TIER_WORDS.get(report.tier, '')}"],
        ["synthetic by marks, at least", percent(report.floor.low)],
        ["of that, signature valid", percent(report.validated_floor.low)],
        *([f"samples whose marks {row.name}", percent(row.share)] for row in report.observability),
    ]
    if report.copies is not None:
        name = "p_distinct, each cluster of copies counted once"
        rows.insert(2, [plain(name), interval_in_words(report.copies.p)])
    if report.labels is not None:
        answers = ", ".join(f"{count(n)} {plain(a)}" for a, n in report.labels.answers.items())
        rows.insert(3, ["samples labelled by people", f"{count(report.labels.n)}: {answers}"])
    if report.is_sampled:
        rows.insert(1, ["of them drawn and scanned", count(report.n_rows)])
    return table(["", ""], rows)


def _section(title: str, content: str) -> list[str]:
    return [f"{title}\n\n{content}"] if content else []


def _tools(report: AuditReport) -> str:
    if not report.tools:
        return "No mark was found."
    return table(
        ["tool", "claims", "samples", "share"],
        (
            [code(row.tool), code(row.label), count(row.n), percent(row.share)]
            for row in report.tools[:_ROWS]
        ),
    )


def _shards(report: AuditReport) -> str:
    rows = [
        *((row, "shard") for row in report.shards[:_ROWS] if row.synthetic or row.broken),
        *((row, "domain") for row in report.domains[:_ROWS] if row.synthetic or row.broken),
    ]
    if not rows:
        return ""
    return table(
        ["", "", "samples", "synthetic, at least", "broken"],
        (
            [kind, code(row.name), count(row.n), percent(row.synthetic), percent(row.broken)]
            for row, kind in rows
        ),
    )


def _faults(report: AuditReport) -> str:
    if not report.faults:
        return ""
    return table(
        ["what", "how many", "where"],
        ([code(f.what), count(f.n), code(f.where)] for f in report.faults[:_ROWS]),
    )


def _notes(report: AuditReport) -> str:
    return "\n".join(
        f"- {plain(text)}" for text in (*report.method.flags, *report.method.assumptions)
    )
