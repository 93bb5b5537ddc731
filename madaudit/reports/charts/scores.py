"""Score distributions: of all samples with the fitted mixture, and of groups, small."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from madaudit.reports.charts.axes import Axis, number
from madaudit.reports.charts.svg import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Point,
    area,
    element,
    frame,
    legend,
    line,
    picture,
    rule,
    together,
)
from madaudit.reports.pictures import GroupScores, Multiples, ScorePicture
from madaudit.reports.wording import count, percent

_SMALL = (220.0, 84.0)


def draw_scores(shown: ScorePicture, name: str) -> Markup:
    """One detector's scores; the two parts of the mixture stand on one another.

    Args:
        shown: at least one bin; no sample is all right.
        name: an id, unique on the page.
    """
    if shown.is_rare_in_tail:
        return _draw_counts(shown, name)
    heights = _densities(shown.counts, shown.edges)
    real = _densities(shown.real, shown.edges, sum(shown.counts))
    both = [
        first + second
        for first, second in zip(
            real, _densities(shown.synthetic, shown.edges, sum(shown.counts)), strict=True
        )
    ]
    most = max([*heights, *both, 1e-12])
    x = Axis(shown.edges[0], shown.edges[-1], LEFT, RIGHT, shown.unit, n_ticks=9)
    y = Axis(0.0, most * 1.05, BOTTOM, TOP, "share of samples per unit of score", n_ticks=4)
    base = _steps([0.0] * len(heights), shown.edges, x, y)
    outline = _steps(heights, shown.edges, x, y)
    parts = [area(outline, base, "fill-all")]
    entries = [("fill-all", "all samples")]
    if both:
        middle = _steps(real, shown.edges, x, y)
        parts += [
            area(middle, base, "fill-real"),
            area(_steps(both, shown.edges, x, y), middle, "fill-synthetic"),
        ]
        entries += [("fill-real", "fitted: real"), ("fill-synthetic", "fitted: synthetic")]
    parts += [line(outline, "line-all"), frame(x, y), legend(entries)]
    if shown.cut is not None and shown.edges[0] <= shown.cut <= shown.edges[-1]:
        parts.append(rule(x.at(shown.cut), TOP, BOTTOM, "cut: dropped from here", "rule-cut"))
    return picture(name, f"Scores of {shown.detector}", _says(shown), parts)


def _draw_counts(shown: ScorePicture, name: str) -> Markup:
    """Samples by bin on a logarithmic axis, where single ones far out are what matters."""
    x = Axis(shown.edges[0], shown.edges[-1], LEFT, RIGHT, shown.unit, n_ticks=9)
    y = Axis(0.5, max([*shown.counts, 1.0]) * 1.3, BOTTOM, TOP, "samples", is_log=True, n_ticks=5)
    outline = _steps([max(n, 0.5) for n in shown.counts], shown.edges, x, y)
    base = _steps([0.5] * len(shown.counts), shown.edges, x, y)
    parts = [area(outline, base, "fill-all"), line(outline, "line-all"), frame(x, y)]
    return picture(name, f"Scores of {shown.detector}", _says(shown), parts)


def draw_multiple(group: GroupScores, beside: Multiples, name: str) -> Markup:
    """One group's scores, with those of all samples as a line."""
    own = _densities(group.counts, beside.edges)
    of_all = _densities(beside.counts, beside.edges)
    width, height = _SMALL
    x = Axis(beside.edges[0], beside.edges[-1], 4.0, width - 4.0, "")
    y = Axis(0.0, max([*own, *of_all, 1e-12]), height - 16.0, 4.0, "")
    base = _steps([0.0] * len(own), beside.edges, x, y)
    ends = (
        element("text", number(beside.edges[0]), x=4, y=height - 3),
        element("text", number(beside.edges[-1]), x=width - 4, y=height - 3, text_anchor="end"),
    )
    parts = (
        area(_steps(own, beside.edges, x, y), base, "fill-group"),
        line(_steps(of_all, beside.edges, x, y), "line-all"),
        element("line", x1=4, x2=width - 4, y1=y.start, y2=y.start, class_="tick"),
        together(ends),
    )
    says = f"{count(group.n)} samples with a score; the line is all samples."
    return picture(name, f"Scores of {group.name}", says, parts, size=_SMALL)


def _densities(
    counts: Sequence[float], edges: Sequence[float], total: float | None = None
) -> list[float]:
    """Share of samples per unit of score, by bin."""
    whole = sum(counts) if total is None else total
    return [
        n / whole / (high - low) if whole else 0.0
        for n, low, high in zip(counts, edges[:-1] if counts else (), edges[1:], strict=False)
    ]


def _steps(heights: Sequence[float], edges: Sequence[float], x: Axis, y: Axis) -> list[Point]:
    points = []
    for height, low, high in zip(heights, edges[:-1], edges[1:], strict=False):
        points += [(x.at(low), y.at(height)), (x.at(high), y.at(height))]
    return points


def _says(shown: ScorePicture) -> str:
    total = sum(shown.counts)
    words = f"{count(total)} samples with a score, {count(shown.missing)} without"
    if shown.synthetic and total:
        words += f"; the fitted mixture is {percent(sum(shown.synthetic) / total)} synthetic"
    return f"{words}."
