"""A chart as a file of its own: the same SVG, with the page's colours and style inside."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from markupsafe import Markup

# Of the page's style, what a chart needs: its colours, in dark mode and print too, and its marks.
_NEEDED = (":root", "@media (prefers-color-scheme: dark)", ".chart")
# White around it, which the page has anyway.
_MARGIN = 12.0


def as_file(chart: Markup) -> str:
    """The text of an SVG file that looks as the chart does on the report's page.

    Args:
        chart: as a `draw_…` gave it.
    """
    opened, _, rest = str(chart).partition(">")
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', opened)
    if box is None:
        raise ValueError("a chart without a view box")
    width, height = (float(side) + 2 * _MARGIN for side in box.groups())
    opened = opened.replace(
        box.group(),
        f'xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="{-_MARGIN:g} {-_MARGIN:g} {width:g} {height:g}"',
    )
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return f"{head}\n{opened}><style>{_style()}</style>{rest}\n"


@cache
def _style() -> str:
    """Rules of the page's style file, one a line there; none holds `<` or `&`."""
    page = files("madaudit.reports").joinpath("templates", "style.css").read_text("utf-8")
    kept = [line for line in page.splitlines() if line.startswith(_NEEDED)]
    return "\n".join([*kept, ".chart { background: var(--page); }"])
