"""madaudit: which samples of a training set are synthetic, how many, and what follows.

The names here are the commands' Python twins; each is loaded when it is first used, so that
importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from madaudit.commands.bank import bank as bank
    from madaudit.commands.calibrate import calibrate as calibrate
    from madaudit.commands.check import check as check
    from madaudit.commands.check_plugin import check_plugin as check_plugin
    from madaudit.commands.completion import completion as completion
    from madaudit.commands.demo import demo as demo
    from madaudit.commands.detectability import detectability as detectability
    from madaudit.commands.detectors import list_detectors as list_detectors
    from madaudit.commands.diff import diff as diff
    from madaudit.commands.doctor import doctor as doctor
    from madaudit.commands.duplicates import duplicates as duplicates
    from madaudit.commands.estimate import estimate as estimate
    from madaudit.commands.explain import explain as explain
    from madaudit.commands.filter import filter as filter  # noqa: A004 — the interface names it so
    from madaudit.commands.index import index as index
    from madaudit.commands.label import label as label
    from madaudit.commands.merge import merge as merge
    from madaudit.commands.report import report as report
    from madaudit.commands.risk import risk as risk
    from madaudit.commands.scan import scan as scan
    from madaudit.commands.simulate import simulate as simulate
    from madaudit.commands.verify import verify as verify
    from madaudit.commands.weights import weights as weights

__version__ = "0.1.0"

_TWINS = {
    "bank": "madaudit.commands.bank",
    "calibrate": "madaudit.commands.calibrate",
    "check": "madaudit.commands.check",
    "check_plugin": "madaudit.commands.check_plugin",
    "completion": "madaudit.commands.completion",
    "demo": "madaudit.commands.demo",
    "detectability": "madaudit.commands.detectability",
    "diff": "madaudit.commands.diff",
    "doctor": "madaudit.commands.doctor",
    "duplicates": "madaudit.commands.duplicates",
    "estimate": "madaudit.commands.estimate",
    "explain": "madaudit.commands.explain",
    "filter": "madaudit.commands.filter",
    "index": "madaudit.commands.index",
    "label": "madaudit.commands.label",
    "list_detectors": "madaudit.commands.detectors",
    "merge": "madaudit.commands.merge",
    "report": "madaudit.commands.report",
    "risk": "madaudit.commands.risk",
    "scan": "madaudit.commands.scan",
    "simulate": "madaudit.commands.simulate",
    "verify": "madaudit.commands.verify",
    "weights": "madaudit.commands.weights",
}
__all__ = sorted(_TWINS)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _TWINS:
        raise AttributeError(f"module 'madaudit' has no attribute {name!r}")
    return getattr(importlib.import_module(_TWINS[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
