"""The threshold curve: what each cut loses of real, keeps of synthetic, and leaves of harm."""

from __future__ import annotations

import math

from markupsafe import Markup

from madaudit.reports.charts.axes import Axis, number
from madaudit.reports.charts.svg import (
    LEFT,
    RIGHT,
    WIDTH,
    area,
    element,
    frame,
    legend,
    line,
    picture,
    rule,
)
from madaudit.reports.pictures import BEYOND_SCORES, CutPicture, CutRow
from madaudit.reports.wording import percent

_TOP, _MIDDLE, _LOWER, _BOTTOM = 34.0, 200.0, 256.0, 422.0


def draw_cuts(shown: CutPicture, name: str) -> Markup:
    """Two panels over the same cuts: shares above, harm with its band below.

    Args:
        shown: at least one cut with a score.
        name: an id, unique on the page.
    """
    rows = [row for row in shown.rows if row.is_by_score]
    given = [row.cut or 0.0 for row in rows]
    # The cut below all scores, which drops everything, stands at the edge and not at -10⁹.
    low = min((cut for cut in given if cut > -BEYOND_SCORES), default=0.0)
    cuts = [max(cut, low) for cut in given]
    x = Axis(min(cuts), max(cuts), LEFT, RIGHT, "")
    below = Axis(min(cuts), max(cuts), LEFT, RIGHT, "cut: samples from this score on are dropped")
    shares = Axis(0.0, 1.0, _MIDDLE, _TOP, "share", n_ticks=5)
    harm = _harm_axis(rows, shown.tolerance)
    parts = [
        line([(x.at(c), shares.at(r.real_lost)) for c, r in zip(cuts, rows, strict=True)],
             "line-real"),
        line([(x.at(c), shares.at(r.synthetic_kept)) for c, r in zip(cuts, rows, strict=True)],
             "line-synthetic"),
        frame(x, shares),
        legend([("fill-real", "real lost"), ("fill-synthetic", "synthetic kept")]),
        area([(x.at(c), harm.at(r.harm.high)) for c, r in zip(cuts, rows, strict=True)],
             [(x.at(c), harm.at(r.harm.low)) for c, r in zip(cuts, rows, strict=True)],
             "fill-band"),
        line([(x.at(c), harm.at(r.harm.high)) for c, r in zip(cuts, rows, strict=True)],
             "line-band"),
        frame(below, harm),
        _tolerance(harm.at(shown.tolerance)),
    ]  # fmt: skip
    if shown.chosen is not None and shown.chosen <= max(cuts):
        parts.append(rule(x.at(max(shown.chosen, low)), _TOP, _BOTTOM, "recommended", "rule-cut"))
    if shown.n_effective is not None and shown.n_effective <= max(cuts):
        parts.append(
            rule(x.at(max(shown.n_effective, low)), _LOWER, _BOTTOM, "largest n_e", "rule-soft")
        )
    return picture(name, "What each cut costs", _says(shown), parts, size=(WIDTH, 466.0))


def _harm_axis(rows: list[CutRow], tolerance: float) -> Axis:
    ends = [end for row in rows for end in (row.harm.low, row.harm.high)]
    positive = [end for end in ends if 0 < end < math.inf] + [tolerance]
    low, high = max(min(positive) / 2, 1e-6), max(positive) * 1.5
    return Axis(low, high, _BOTTOM, _LOWER, "harm left, up to its bound", is_log=True, n_ticks=4)


def _tolerance(y: float) -> Markup:
    parts = element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="rule rule-cut")
    return parts + element("text", "tolerance", x=RIGHT - 2, y=y - 5, text_anchor="end",
                           class_="note")  # fmt: skip


def _says(shown: CutPicture) -> str:
    chosen = next((row for row in shown.rows if row.cut == shown.chosen), None)
    if shown.chosen is None or chosen is None:
        return "No cut is recommended."
    if not chosen.is_by_score:
        return "Dropping the marked samples alone is recommended."
    return (
        f"The recommended cut at {number(shown.chosen)} loses {percent(chosen.real_lost)} of real "
        f"samples and keeps {percent(chosen.synthetic_kept)} of synthetic ones."
    )
