"""What a renderer promises.

Invariants: everything that comes from a data set is escaped; the result refers to nothing outside
itself; the same report gives the same bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from madaudit.reports.audit_report import AuditReport


class Renderer(ABC):
    """Turns a report into one file.

    Class attributes:
        name: what users type.
        file_name: of the result.
    """

    name: ClassVar[str]
    file_name: ClassVar[str]

    @abstractmethod
    def render(self, report: AuditReport) -> bytes:
        """The file's bytes."""
