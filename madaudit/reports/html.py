"""One offline HTML file: no script, no network, no reference to anything outside itself."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from typing import ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined

from madaudit.reports.audit_report import AuditReport
from madaudit.reports.base import Renderer


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
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {
            "percent": percent,
            "count": count,
            "picture": _picture,
            "visible": visible,
        }
        text = environment.get_template("report.html.j2").render(report=report)
        return text.encode("utf-8", "replace")


def percent(share: float) -> str:
    """A fraction for a reader: two significant digits, never 0 for what is not nothing."""
    if share == 0:
        return "0 %"
    digits = max(0, min(6, 1 - math.floor(math.log10(100 * abs(share)))))
    return f"{100 * share:.{digits}f} %"


def count(number: float) -> str:
    """A count in groups of three digits; weighted counts are rounded."""
    return f"{number:,.0f}".replace(",", "\u202f")


def visible(text: str) -> str:
    """Text with characters that reverse or hide what stands beside them made visible."""
    return "".join(c if c.isprintable() or c == " " else f"\\u{ord(c):04x}" for c in text)


def _picture(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
