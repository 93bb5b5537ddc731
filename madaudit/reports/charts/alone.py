"""A chart as a file of its own: the same SVG, with the page's colours and style inside."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from markupsafe import Markup

# Of the page's style, what a chart needs: its colours, in dark mode and print too, and its marks.
_NEEDED = (":root", "@media (prefers-color-scheme: dark)", ".chart")


def as_file(chart: Markup) -> str:
    """The text of an SVG file that looks as the chart does on the report's page.

    Args:
        chart: as a `draw_…` gave it.
    """
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    opened = str(chart).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    start = opened.index(">") + 1
    return f"{head}{opened[:start]}<style>{_style()}</style>{opened[start:]}\n"


@cache
def _style() -> str:
    """Rules of the page's style file, one a line there; none holds `<` or `&`."""
    page = files("madaudit.reports").joinpath("templates", "style.css").read_text("utf-8")
    kept = [line for line in page.splitlines() if line.startswith(_NEEDED)]
    return "\n".join([*kept, ".chart { background: var(--page); padding: 12px; }"])
