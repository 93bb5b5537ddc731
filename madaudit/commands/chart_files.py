"""From an assessment's or a simulation's numbers to what charts show, and to SVG files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from madaudit.reports.pictures import (
    BEYOND_SCORES,
    CutPicture,
    CutRow,
    LoopPicture,
    PhasePicture,
    SeriesPicture,
)
from madaudit.types import Interval

if TYPE_CHECKING:
    from markupsafe import Markup

    from madaudit.assessment import CutPoint, PhaseDiagram, Threshold, Trajectory

# Cuts that are drawn and listed; more cannot be told apart.
_CUTS_SHOWN = 65
# Half the width of a 95 % interval in standard errors.
_STANDARD_ERRORS = 1.96


def loop_picture(bands: Trajectory, loop: str, pool: str, bias: Interval) -> LoopPicture:
    return LoopPicture(loop, pool, bias, bands.harm, bands.variance, bands.tolerance)


def phase_picture(phase: PhaseDiagram) -> PhasePicture:
    return PhasePicture(
        phase.n,
        phase.shares,
        phase.biases,
        phase.levels,
        phase.tolerated,
        phase.tolerance,
        phase.share,
        phase.bias,
    )


def cut_picture(threshold: Threshold) -> CutPicture | None:
    """The curve thinned to what can be told apart, the chosen cut always in it."""
    curve = threshold.curve
    step = max(1, -(-len(curve) // _CUTS_SHOWN))
    rows = tuple(
        CutRow(
            point.cut if math.isfinite(point.cut) else None,
            _middle(point.real_lost),
            _middle(point.synthetic_kept),
            _up_to_bound(point),
            point.n_effective_ratio if math.isfinite(point.n_effective_ratio) else None,
        )
        for place, point in enumerate(curve)
        if not BEYOND_SCORES < point.cut < math.inf or point.cut == threshold.cut
        if place % step == 0 or point.cut == threshold.cut or place == len(curve) - 1
    )
    if sum(row.is_by_score for row in rows) < 2:
        return None
    return CutPicture(rows, threshold.cut, threshold.n_effective_cut, threshold.tolerance)


def _up_to_bound(point: CutPoint) -> Interval:
    """Harm from the low end of its interval to the one-sided bound that a cut is judged by."""
    low, most_likely = point.harm.low, point.harm.point
    return Interval(low, most_likely, max(point.harm_bound, low, most_likely or 0.0))


def _middle(share: Interval) -> float:
    return (share.low + share.high) / 2 if share.point is None else share.point


def series_of(content: Mapping[str, Any]) -> dict[str, SeriesPicture]:
    """What to draw of a simulation's JSON form, by the file's name.

    Args:
        content: of the gaussian or the mixture family.
    """
    rows = content["trace"]
    if content["family"] == "mixture":
        band = "5 to 95 % of runs"
        return {
            "modes": SeriesPicture(
                "Modes left by generation", "modes left", "", _modes(rows), band
            ),
            "variance": _variance(rows, "modal_variance_ratio", "variance within modes"),
        }
    distance = _by_generation(rows, "w2_squared", "w2_error")
    has_error = any(row.low < row.high for row in distance)
    return {
        "distance": SeriesPicture(
            "Distance from real data by generation",
            "E W2²",
            "in squared units of the data",
            distance,
            "95 % interval of the mean" if has_error else "",
            is_log=True,
        ),
        "variance": _variance(rows, "typical_variance", "variance of a single run"),
    }


def _variance(rows: Sequence[Mapping[str, Any]], name: str, what: str) -> SeriesPicture:
    return SeriesPicture(
        "Diversity by generation", what, "as a share of real", _by_generation(rows, name), real=1.0
    )


def _modes(rows: Sequence[Mapping[str, Any]]) -> tuple[Interval, ...]:
    """The mean over seeds, within the widest of their quantiles."""
    ends = [_by_generation(rows, name) for name in ("modes_low", "modes", "modes_high")]
    return tuple(
        Interval(low.low, middle.point, high.high) for low, middle, high in zip(*ends, strict=True)
    )


def _by_generation(
    rows: Sequence[Mapping[str, Any]], name: str, error: str | None = None
) -> tuple[Interval, ...]:
    """A number's mean over seeds, by generation; its range over them, or its standard errors."""
    found: dict[int, list[tuple[float, float]]] = {}
    for row in rows:
        value = math.inf if row.get(name) is None else float(row[name])
        half = _STANDARD_ERRORS * float(row.get(error) or 0.0) if error else 0.0
        found.setdefault(row["generation"], []).append((value, half))
    result = []
    for generation in sorted(found):
        values = [value for value, _ in found[generation]]
        low = min(max(value - half, 0.0) for value, half in found[generation])
        high = max(value + half for value, half in found[generation])
        result.append(Interval(low, math.fsum(values) / len(values), high))
    return tuple(result)


def write_charts(drawn: Mapping[str, Markup], folder: str) -> list[str]:
    """SVG files, each replaced in one step; returns their names.

    Args:
        drawn: charts by the names of their files, without an ending.
        folder: made where it is not there.
    """
    import os
    from pathlib import Path

    from madaudit.reports.charts import as_file

    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name, chart in drawn.items():
        part = target / f"{name}.svg.part"
        part.write_text(as_file(chart), encoding="utf-8")
        os.replace(part, target / f"{name}.svg")
    return [f"{name}.svg" for name in drawn]
