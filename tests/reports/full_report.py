"""A report in which every part is filled."""

from __future__ import annotations

import math
from typing import Any

from madaudit.reports.audit_report import (
    AuditReport,
    Copies,
    CopyCluster,
    CutAdvice,
    LabelCount,
    RiskSummary,
    StratumRow,
    TailRow,
)
from madaudit.types import Interval
from tests.reports.picture_building import cuts, multiples, phase, scores, trajectory, trend
from tests.reports.report_building import hit, report_of


def risk(text: str = "text", **changes: Any) -> RiskSummary:
    about: dict[str, Any] = {
        "level": "critical",
        "level_at_low": "low",
        "says": (text,),
        "generations": 10,
        "harm": Interval(0.005, None, math.inf),
        "harm_in_the_limit": Interval(0.005, None, math.inf),
        "n_effective_ratio": Interval(0.0, None, 1.5),
        "by_bias": ((1.0, "low"), (0.5, "critical")),
        "generations_to_tolerance": 3,
        "half_life": None,
        "fresh_real_needed": 1000,
        "tail_certain": 0.1,
        "tail_possible": 0.9,
        "tail": (TailRow(text, math.inf),),
        "n_tail": 1,
        "rule": "the larger of both",
        "assumptions": (text,),
    }
    return RiskSummary(**{**about, **changes})


def full_report(text: str = "text", **changes: Any) -> AuditReport:
    about: dict[str, Any] = {
        "p": Interval(0.6, 0.7, 0.75),
        "tier": "adjudicated",
        "tiers": (("floor", Interval(0.25, 0.25, 1.0)), ("closed", None)),
        "risk": risk(text),
        "cut": CutAdvice("cut", text, 1.5, *(Interval(0.01, 0.02, 0.03),) * 3),
        "scores": (scores(text), scores(text, unit="−log10 p")),
        "multiples": multiples(text),
        "loop": trajectory(high=math.inf),
        "phase": phase(),
        "cuts": cuts(),
        "trend": trend(text),
        "strata": (StratumRow(text, 10.0, 0.1, Interval(0.1, None, 1.0)),) * 3,
        "n_strata": 7,
        "strata_by": "shard",
        "copies": Copies(
            Interval(0.5, 0.55, 0.6), 7, 6.5, text, (CopyCluster(3, 2, text, 4, text),) * 3
        ),
        "labels": LabelCount(
            20,
            {"real": 12, "synthetic": 7, text: 1},
            Interval(0.2, 0.35, 0.5),
            Interval(0.2, None, 0.6),
            4,
            1,
        ),
        "hits": tuple(hit(text, kind=kind) for kind in ("certain", "doubtful", "kept")),
    }
    return report_of(text, **{**about, **changes})
