"""Numbers for charts, made by hand: ordinary ones and the edges of what can be drawn."""

from __future__ import annotations

import math
from typing import Any

from madaudit.reports.pictures import (
    CutPicture,
    CutRow,
    GroupScores,
    LoopPicture,
    Multiples,
    PhasePicture,
    ScorePicture,
    SeriesPicture,
    TrendPoint,
)
from madaudit.types import Interval


def scores(text: str = "probe", **changes: Any) -> ScorePicture:
    about: dict[str, Any] = {
        "detector": text,
        "unit": "logit",
        "edges": (-2.0, -1.0, 0.0, 1.0, 2.0),
        "counts": (40.0, 30.0, 20.0, 10.0),
        "real": (40.0, 28.0, 10.0, 2.0),
        "synthetic": (0.0, 2.0, 10.0, 8.0),
        "missing": 3.0,
        "cut": 1.0,
    }
    return ScorePicture(**{**about, **changes})


def multiples(text: str = "a.tar") -> Multiples:
    shown = scores(text)
    groups = tuple(GroupScores(text, 10.0, counts) for counts in (shown.real, shown.synthetic))
    return Multiples(text, "logit", shown.edges, shown.counts, groups, 2)


def trajectory(high: float = 0.05, **changes: Any) -> LoopPicture:
    about: dict[str, Any] = {
        "loop": "fresh",
        "pool": "replace",
        "bias": Interval(0.9, 0.9, 0.9, 1.0),
        "harm": tuple(Interval(0.001 * t, 0.002 * t, high) for t in range(6)),
        "variance": tuple(Interval(1 - 0.1 * t, None, 1.0) for t in range(6)),
        "tolerance": 0.01,
    }
    return LoopPicture(**{**about, **changes})


def series(**changes: Any) -> SeriesPicture:
    about: dict[str, Any] = {
        "title": "A number by generation",
        "what": "number",
        "unit": "in its unit",
        "rows": tuple(Interval(0.1 * t, 0.2 * t, 0.3 * t) for t in range(6)),
        "band": "95 % of runs",
        "real": 1.0,
    }
    return SeriesPicture(**{**about, **changes})


def phase(**changes: Any) -> PhasePicture:
    about: dict[str, Any] = {
        "n": 1e6,
        "shares": (0.001, 0.01, 0.1, 0.9),
        "biases": (0.5, 0.75, 1.0),
        "levels": (
            ("none", "low", "high", "critical"),
            ("none", "none", "elevated", "critical"),
            ("none", "none", "none", "elevated"),
        ),
        "tolerated": (0.001, 0.01, 0.1),
        "tolerance": 0.01,
        "share": Interval(0.05, 0.1, 0.2),
        "bias": Interval(0.8, 0.9, 1.0),
    }
    return PhasePicture(**{**about, **changes})


def cuts(**changes: Any) -> CutPicture:
    rows = tuple(
        CutRow(float(k), 1 - k / 10, k / 10, Interval(0.001, None, 0.001 * 2**k), 1.1)
        for k in range(10)
    )
    last = CutRow(None, 0.0, 1.0, Interval(0.1, None, math.inf), None)
    about: dict[str, Any] = {
        "rows": (*rows, last),
        "chosen": 3.0,
        "n_effective": 5.0,
        "tolerance": 0.01,
    }
    return CutPicture(**{**about, **changes})


def trend(text: str = "a.tar", n: int = 5) -> tuple[TrendPoint, ...]:
    return tuple(
        TrendPoint(text, text, 10.0, Interval(0.0, 0.1 * k, 0.1 * k + 0.1), 0.3) for k in range(n)
    )
