"""Reports made by hand, as the contract of renderers has them."""

from madaudit.contracts.made_reports import (
    HOSTILE,
    bare_report,
    hit,
    interval,
    method,
    report_of,
    thumbnail,
)

__all__ = ["HOSTILE", "bare_report", "hit", "interval", "method", "report_of", "thumbnail"]
