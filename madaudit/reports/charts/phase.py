"""The phase diagram: risk levels over synthetic share and sampling bias, with this data set."""

from __future__ import annotations

import math
from itertools import groupby, pairwise

from markupsafe import Markup

from madaudit.reports.charts.axes import Axis
from madaudit.reports.charts.svg import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    element,
    frame,
    legend,
    line,
    picture,
)
from madaudit.reports.pictures import PhasePicture
from madaudit.reports.wording import count, percent

LEVELS = ("none", "low", "elevated", "high", "critical")


def draw_phase(shown: PhasePicture, name: str) -> Markup:
    """Cells coloured by level; the data set is the framed box, or a dot where all is known.

    Args:
        shown: at least two shares and two λ.
        name: an id, unique on the page.
    """
    x = Axis(shown.shares[0], shown.shares[-1], LEFT, RIGHT, "synthetic share π", is_log=True)
    y = Axis(shown.biases[0], shown.biases[-1], BOTTOM, TOP, "sampling bias λ")
    border = [
        (x.at(share), y.at(bias))
        for share, bias in zip(shown.tolerated, shown.biases, strict=True)
        if share is not None
    ]
    parts = [
        *_cells(shown, x, y),
        line(border, "line-tolerated"),
        *_data_set(shown, x, y),
        frame(x, y),
        legend([(f"level-{level}", level) for level in LEVELS]),
    ]
    return picture(name, "Risk by synthetic share and sampling bias", _says(shown), parts)


def _cells(shown: PhasePicture, x: Axis, y: Axis) -> list[Markup]:
    """Runs of equal level within a row as one rectangle."""
    xs = _borders([x.at(share) for share in shown.shares], LEFT, RIGHT)
    ys = _borders([y.at(bias) for bias in shown.biases], BOTTOM, TOP)
    cells = []
    for row, levels in enumerate(shown.levels):
        place = 0
        for level, run in groupby(levels):
            end = place + len(list(run))
            box = {
                "x": xs[place],
                "y": ys[row + 1],
                "width": xs[end] - xs[place] + 0.3,
                "height": ys[row] - ys[row + 1] + 0.3,
            }
            cells.append(element("rect", "", class_=f"level-{level}", **box))
            place = end
    return cells


def _borders(centres: list[float], start: float, end: float) -> list[float]:
    """Borders half way between centres, the outer ones at the ends of the axis."""
    middles = [(one + two) / 2 for one, two in pairwise(centres)]
    return [start, *middles, end]


def _data_set(shown: PhasePicture, x: Axis, y: Axis) -> list[Markup]:
    left, right = x.at(shown.share.low), x.at(shown.share.high)
    bottom, top = y.at(shown.bias.low), y.at(shown.bias.high)
    box = {"x": left - 2, "y": top - 2, "width": right - left + 4, "height": bottom - top + 4}
    parts = [element("rect", "", class_="here", rx=3, **box)]
    if shown.share.point is not None and shown.bias.point is not None:
        at = {"cx": x.at(shown.share.point), "cy": y.at(shown.bias.point)}
        parts.append(element("circle", "", r=5, class_="here-point", **at))
    where = min(max((left + right) / 2, LEFT + 50), RIGHT - 50)
    # Beneath the box's upper side where there is room, so that it stays inside the chart.
    inside = bottom - top > 24
    parts.append(
        element("text", "this data set", x=where, y=top + 15 if inside else max(top - 7, TOP + 11),
                text_anchor="middle", class_="note here-note")
    )  # fmt: skip
    return parts


def _says(shown: PhasePicture) -> str:
    found = sorted({level for row in shown.levels for level in row}, key=LEVELS.index)
    share = (
        "not known"
        if shown.share.low <= 0 and shown.share.high >= 1
        else f"between {percent(shown.share.low)} and {percent(shown.share.high)}"
    )
    within = [value for value in shown.tolerated if value is not None and math.isfinite(value)]
    most = f"; at λ = 1 up to {percent(within[-1])} is within the tolerance" if within else ""
    return (
        f"At {count(shown.n)} samples the levels are {', '.join(found)}. The share of this data "
        f"set is {share}, its λ between {shown.bias.low:g} and {shown.bias.high:g}{most}."
    )
