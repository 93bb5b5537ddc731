"""An AuditReport to bytes: a new renderer is one file and one line in RENDERERS."""

from __future__ import annotations

from typing import cast

from madaudit import registry
from madaudit.reports.audit_report import AuditReport
from madaudit.reports.base import Renderer

__all__ = ["RENDERERS", "AuditReport", "Renderer", "build_renderer"]

RENDERERS: dict[str, str] = {
    "card": "madaudit.reports.card:CardRenderer",
    "html": "madaudit.reports.html:HtmlRenderer",
    "json": "madaudit.reports.json:JsonRenderer",
    "markdown": "madaudit.reports.markdown:MarkdownRenderer",
}


def build_renderer(name: str) -> Renderer:
    """A renderer by name.

    Raises:
        OptionError: no such renderer; the message lists the known ones.
    """
    return cast(Renderer, registry.build("renderers", RENDERERS, name, {}))
