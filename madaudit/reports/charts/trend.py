"""The marked share along the data set, shard after shard."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from madaudit.reports.charts.axes import Axis
from madaudit.reports.charts.svg import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    area,
    element,
    frame,
    legend,
    line,
    picture,
)
from madaudit.reports.pictures import TrendPoint
from madaudit.reports.wording import percent


def draw_trend(points: Sequence[TrendPoint], name: str) -> Markup:
    """Marked share with its interval, and the share that could not be seen.

    Args:
        points: at least two.
        name: an id, unique on the page.
    """
    x = Axis(
        1.0,
        float(len(points)),
        LEFT,
        RIGHT,
        "consecutive shards",
        n_ticks=min(len(points) - 1, 10),
    )
    most = max(max(point.synthetic.high, point.hidden) for point in points)
    y = Axis(0.0, max(most, 1e-9) * 1.05, BOTTOM, TOP, "share of samples", label=percent,
             n_ticks=5)  # fmt: skip
    places = [x.at(number) for number in range(1, len(points) + 1)]
    upper = [(at, y.at(p.synthetic.high)) for at, p in zip(places, points, strict=True)]
    lower = [(at, y.at(p.synthetic.low)) for at, p in zip(places, points, strict=True)]
    middle = [(at, y.at(p.synthetic.point or 0.0)) for at, p in zip(places, points, strict=True)]
    parts = [
        line([(at, y.at(p.hidden)) for at, p in zip(places, points, strict=True)], "line-hidden"),
        area(upper, lower, "fill-synthetic-band"),
        line(middle, "line-synthetic"),
        *(element("circle", cx=px, cy=py, r=2.5, class_="dot-synthetic") for px, py in middle),
        frame(x, y),
        legend([("fill-synthetic", "marked synthetic"), ("fill-hidden", "not observable")]),
    ]
    first, last = points[0].synthetic.point or 0.0, points[-1].synthetic.point or 0.0
    says = f"From {percent(first)} marked at the beginning to {percent(last)} at the end."
    return picture(name, "Marked share along the data set", says, parts)
