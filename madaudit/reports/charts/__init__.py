"""Charts as static SVG, drawn from plain numbers; no script, no font, no colour of their own.

Colours are the page's CSS variables, so that dark mode and print apply. Text goes through
`visible` and is escaped. Beside every chart the page has the same numbers in a table.
"""

from __future__ import annotations

from madaudit.reports.charts.alone import as_file
from madaudit.reports.charts.cuts import draw_cuts
from madaudit.reports.charts.loops import draw_harm, draw_series, draw_variance
from madaudit.reports.charts.phase import draw_phase
from madaudit.reports.charts.scores import draw_multiple, draw_scores
from madaudit.reports.charts.trend import draw_trend

__all__ = [
    "as_file",
    "draw_cuts",
    "draw_harm",
    "draw_multiple",
    "draw_phase",
    "draw_scores",
    "draw_series",
    "draw_trend",
    "draw_variance",
]
