"""SVG as text: elements, paths, and a frame with two axes and a legend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from madaudit.reports.charts.axes import Axis
from madaudit.reports.wording import visible

Point = tuple[float, float]

WIDTH, HEIGHT = 720.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 704.0, 34.0, 252.0


def element(tag: str, content: str | Markup = "", **attributes: str | float) -> Markup:
    """One element; text and attribute values are escaped, `class_` is class, `_` in names is `-`.

    Args:
        tag: of the element; never from data.
        content: Markup stays as it is, text is made visible and escaped.
        attributes: names are never from data; numbers get one decimal.
    """
    inner = content if isinstance(content, Markup) else escape(visible(content))
    words = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for name, value in attributes.items()
    )
    return Markup(f"<{tag}{words}>{inner}</{tag}>")  # noqa: S704 — both parts are escaped


def together(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def line(points: Sequence[Point], class_: str) -> Markup:
    """A line through points; nothing for none."""
    return element("path", d=_through(points), class_=f"line {class_}") if points else Markup("")


def area(upper: Sequence[Point], lower: Sequence[Point], class_: str) -> Markup:
    """What lies between two lines."""
    if not upper:
        return Markup("")
    return element("path", d=f"{_through([*upper, *reversed(lower)])}Z", class_=class_)


def picture(name: str, title: str, says: str, parts: Iterable[Markup], *,
            size: Point = (WIDTH, HEIGHT)) -> Markup:  # fmt: skip
    """A whole SVG, read out as its title and what it says.

    Args:
        name: an id, unique on the page; never from data.
        title: of the chart.
        says: one sentence with what it shows, for those who cannot see it.
        parts: in drawing order.
        size: width and height in user units.
    """
    content = together(
        (element("title", title, id=f"{name}-title"), element("desc", says, id=f"{name}-desc"),
         *parts)
    )  # fmt: skip
    return element(
        "svg",
        content,
        viewBox=f"0 0 {size[0]:g} {size[1]:g}",
        role="img",
        aria_labelledby=f"{name}-title",
        aria_describedby=f"{name}-desc",
        class_="chart",
    )


def frame(x: Axis, y: Axis) -> Markup:
    """Grid, ticks and titles of both axes."""
    parts = []
    for tick in y.ticks():
        at = y.at(tick)
        parts.append(element("line", x1=x.start, x2=x.end, y1=at, y2=at, class_="grid"))
        label = y.text(tick)
        parts.append(element("text", label, x=x.start - 7, y=at + 4, text_anchor="end"))
    for tick in x.ticks():
        at = x.at(tick)
        parts.append(element("line", x1=at, x2=at, y1=y.start, y2=y.start + 5, class_="tick"))
        parts.append(element("text", x.text(tick), x=at, y=y.start + 19, text_anchor="middle"))
    parts.append(element("line", x1=x.start, x2=x.end, y1=y.start, y2=y.start, class_="tick"))
    middle = (x.start + x.end) / 2
    parts.append(
        element("text", x.title, x=middle, y=y.start + 39, text_anchor="middle", class_="title")
    )
    parts.append(element("text", y.title, x=x.start - 56, y=y.end - 16, class_="title"))
    return together(parts)


def legend(entries: Sequence[tuple[str, str]], x: float = RIGHT, y: float = 13.0) -> Markup:
    """Names beside their marks, right-aligned above the chart; (class, name) each."""
    parts, at = [], x
    for class_, name in reversed(entries):
        at -= 7.1 * len(name) + 2
        parts.append(element("text", name, x=at, y=y + 4))
        at -= 22
        kind = {"x": at, "y": y - 4, "width": 16, "height": 8}
        parts.append(element("rect", "", class_=class_, **kind))
        at -= 12
    return together(reversed(parts))


def rule(x: float, top: float, bottom: float, name: str, class_: str) -> Markup:
    """A vertical line with its name at the top, on the side that has room."""
    is_left = x < (LEFT + RIGHT) / 2
    return together(
        (
            element("line", x1=x, x2=x, y1=top, y2=bottom, class_=f"rule {class_}"),
            element(
                "text",
                name,
                x=x + (5 if is_left else -5),
                y=top + 11,
                text_anchor="start" if is_left else "end",
                class_="note",
            ),
        )
    )


def level_line(y: float, name: str, class_: str) -> Markup:
    """A horizontal line with its name at the right."""
    return together(
        (
            element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_=f"rule {class_}"),
            element("text", name, x=RIGHT - 2, y=y - 5, text_anchor="end", class_="note"),
        )
    )


def _through(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _value(value: str | float) -> Markup:
    return escape(visible(value) if isinstance(value, str) else f"{value:.1f}")
