"""One offline HTML file: no script, no network, no reference to anything outside itself."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined

from madaudit.reports.audit_report import AuditReport
from madaudit.reports.base import Renderer
from madaudit.reports.wording import count, percent, visible


@dataclass(frozen=True)
class HtmlRenderer(Renderer):
    """A page to read, print and sign."""

    name: ClassVar[str] = "html"
    file_name: ClassVar[str] = "index.html"

    def render(self, report: AuditReport) -> bytes:
        environment = Environment(
            loader=PackageLoader("madaudit.reports"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {"percent": percent, "count": count, "picture": _picture}
        text = environment.get_template("report.html.j2").render(report=report)
        return text.encode("utf-8", "replace")


def _shown(value: Any) -> Any:
    """Every text that the template puts out, before it is escaped; finished HTML stays."""
    return visible(value) if type(value) is str else value


def _picture(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
