"""One offline HTML file: no network, no reference to anything outside itself.

Its only script sorts and filters tables; the page's policy names that script's digest, so nothing
that a data set holds could run even if it got through the escaping.
"""

from __future__ import annotations

import base64
import hashlib
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from madaudit.reports import charts
from madaudit.reports.audit_report import AuditReport
from madaudit.reports.base import Renderer
from madaudit.reports.charts.axes import number
from madaudit.reports.wording import TIER_WORDS, count, percent, visible


@dataclass(frozen=True)
class HtmlRenderer(Renderer):
    """A page to read, print and sign."""

    name: ClassVar[str] = "html"
    file_name: ClassVar[str] = "index.html"

    def render(self, report: AuditReport) -> bytes:
        script = _own("tables.js")
        text = (
            _environment()
            .get_template("report.html.j2")
            .render(
                report=report,
                charts=_draw(report),
                tier_words=TIER_WORDS,
                style=Markup(_own("style.css")),  # noqa: S704 — the package's own file
                script=Markup(script),  # noqa: S704
                script_hash=f"sha256-{_digest(script)}",
            )
        )
        return text.encode("utf-8", "replace")


@cache
def _environment() -> Environment:
    """The compiled templates, which take longer to make than a page."""
    environment = Environment(
        loader=PackageLoader("madaudit.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "count": count,
        "short": short,
        "picture": _picture,
    }
    return environment


def short(value: float | None) -> str:
    """A number for a table: three digits, a dash where there is none."""
    if value is None:
        return "–"
    return "no bound" if math.isinf(value) else number(value)


def _draw(report: AuditReport) -> dict[str, Any]:
    """All charts that the report has numbers for."""
    drawn: dict[str, Any] = {
        "scores": [
            charts.draw_scores(shown, f"scores-{place}")
            for place, shown in enumerate(report.scores)
        ]
    }
    beside = report.multiples
    if beside is not None:
        drawn["multiples"] = [
            charts.draw_multiple(group, beside, f"multiple-{place}")
            for place, group in enumerate(beside.groups)
        ]
    if len(report.trend) > 1:
        drawn["trend"] = charts.draw_trend(report.trend, "trend")
    if report.loop is not None:
        drawn["harm"] = charts.draw_harm(report.loop, "harm")
        drawn["variance"] = charts.draw_variance(report.loop, "variance")
    if report.phase is not None:
        drawn["phase"] = charts.draw_phase(report.phase, "phase")
    if report.cuts is not None:
        drawn["cuts"] = charts.draw_cuts(report.cuts, "cuts")
    return drawn


def _own(name: str) -> str:
    """A file of this package, never one from a data set."""
    return files("madaudit.reports").joinpath("templates", name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """SHA-256 as content policies have it; a browser hashes what stands between the tags."""
    return base64.b64encode(hashlib.sha256(f"\n{script}".encode()).digest()).decode()


def _shown(value: Any) -> Any:
    """Every text that the template puts out, before it is escaped; finished HTML stays."""
    return visible(value) if type(value) is str else value


def _picture(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
