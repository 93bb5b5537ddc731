"""What the loop does by generation, with bands over what is not known of π and λ."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from madaudit.reports.charts.axes import Axis, least_positive
from madaudit.reports.charts.svg import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    area,
    element,
    frame,
    legend,
    level_line,
    line,
    picture,
)
from madaudit.reports.pictures import LoopPicture, SeriesPicture
from madaudit.types import Interval

# Below this harm nobody could see a difference, so the axis ends there.
_LEAST_HARM = 1e-4
_UNKNOWN = ("range over what is not known", "at the estimate")


def draw_harm(shown: LoopPicture, name: str) -> Markup:
    """Harm by generation on a logarithmic axis, with the tolerance.

    Args:
        shown: at least one generation; ∞ is drawn at the top.
        name: an id, unique on the page.
    """
    ends = [end for each in shown.harm for end in (each.low, each.point or 0.0, each.high)]
    highest = max([end for end in ends if math.isfinite(end)] + [shown.tolerance, 1.0])
    lowest = min(least_positive([*ends, shown.tolerance], _LEAST_HARM), shown.tolerance) / 2
    lowest = max(lowest, _LEAST_HARM / 10)
    y = Axis(lowest, highest * 1.5, BOTTOM, TOP, "harm, in real standard deviations", is_log=True)
    parts = _bands(shown.harm, y)
    parts.append(level_line(y.at(shown.tolerance), "tolerance", "rule-cut"))
    return picture(name, "Harm by generation", _says(shown.harm, "harm"), parts)


def draw_variance(shown: LoopPicture, name: str) -> Markup:
    """Variance of a single run against real, by generation: what is left of diversity."""
    highest = max([min(each.high, 2.0) for each in shown.variance] + [1.0])
    y = Axis(0.0, highest * 1.05, BOTTOM, TOP, "variance left, as a share of real", n_ticks=5)
    parts = _bands(shown.variance, y)
    parts.append(level_line(y.at(1.0), "real data", "rule-real"))
    return picture(name, "Diversity by generation", _says(shown.variance, "variance"), parts)


def draw_series(shown: SeriesPicture, name: str) -> Markup:
    """One number of a simulated loop by generation.

    Args:
        shown: at least one generation; ∞ is drawn at the top.
        name: an id, unique on the page.
    """
    ends = [end for each in shown.rows for end in (each.low, each.point or 0.0, each.high)]
    highest = max([end for end in (*ends, shown.real or 0.0) if math.isfinite(end)])
    lowest = least_positive(ends, 1.0)
    # Where nothing spans orders of magnitude a logarithmic axis would have no tick to read.
    is_log = shown.is_log and highest > 20.0 * lowest
    title = f"{shown.what}, {shown.unit}" if shown.unit else shown.what
    ends_at = (lowest / 1.5, highest * 1.5) if is_log else (0.0, max(highest * 1.05, 1e-12))
    y = Axis(*ends_at, BOTTOM, TOP, title, is_log=is_log, n_ticks=5)
    parts = _bands(shown.rows, y, (shown.band, "mean" if shown.band else ""))
    if shown.real is not None:
        parts.append(level_line(y.at(shown.real), "real data", "rule-real"))
    return picture(name, shown.title, _says(shown.rows, shown.what), parts)


def _bands(rows: Sequence[Interval], y: Axis, words: tuple[str, str] = _UNKNOWN) -> list[Markup]:
    """The rows' range and points; what both are stands in the legend, unless it is empty."""
    x = Axis(0.0, max(len(rows) - 1.0, 1.0), LEFT, RIGHT, "generation", n_ticks=10)
    upper = [(x.at(t), y.at(row.high)) for t, row in enumerate(rows)]
    lower = [(x.at(t), y.at(row.low)) for t, row in enumerate(rows)]
    middle = [(x.at(t), y.at(row.point)) for t, row in enumerate(rows) if row.point is not None]
    entries = [("fill-band", words[0])]
    if middle:
        entries.append(("fill-point", words[1]))
    dots = [element("circle", cx=px, cy=py, r=3, class_="dot") for px, py in middle]
    return [
        area(upper, lower, "fill-band"),
        line(upper, "line-band"),
        line(lower, "line-band"),
        line(middle, "line-point"),
        *dots,
        frame(x, y),
        legend([entry for entry in entries if entry[1]]),
    ]


def _says(rows: Sequence[Interval], what: str) -> str:
    last = rows[-1]
    high = "without bound" if math.isinf(last.high) else f"{last.high:.2g}"
    where = f"At generation {len(rows) - 1} the {what}"
    if last.low == last.high:
        return f"{where} is {high}."
    return f"{where} lies between {last.low:.2g} and {high}."
