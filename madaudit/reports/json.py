"""The report's JSON twin, for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from madaudit.reports.audit_report import AuditReport
from madaudit.reports.base import Renderer


@dataclass(frozen=True)
class JsonRenderer(Renderer):
    """All numbers of the report, no pictures."""

    name: ClassVar[str] = "json"
    file_name: ClassVar[str] = "summary.json"

    def render(self, report: AuditReport) -> bytes:
        text = json.dumps(report.to_dict(), ensure_ascii=False, allow_nan=False, indent=2)
        return text.encode("utf-8", "replace") + b"\n"
