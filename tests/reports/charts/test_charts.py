"""Charts: whole SVG, inside its frame, read out in words, right at the edges of what can be."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from madaudit.reports import charts
from madaudit.reports.wording import visible
from madaudit.types import Interval
from tests.reports.picture_building import (
    cuts,
    multiples,
    phase,
    scores,
    series,
    trajectory,
    trend,
)
from tests.reports.report_building import HOSTILE

_OPEN = Interval(0.2, None, math.inf)
DRAWN = {
    "scores": lambda: charts.draw_scores(scores(), "x"),
    "scores without a mixture": lambda: charts.draw_scores(
        scores(real=(), synthetic=(), cut=None), "x"
    ),
    "scores of nothing": lambda: charts.draw_scores(
        scores(counts=(0.0,) * 4, real=(), synthetic=()), "x"
    ),
    "scores in one bin": lambda: charts.draw_scores(
        scores(edges=(0.0, 1.0), counts=(1.0,), real=(1.0,), synthetic=(0.0,)), "x"
    ),
    "p-values": lambda: charts.draw_scores(scores(unit="−log10 p", counts=(1e8, 0, 0, 1)), "x"),
    "multiple": lambda: charts.draw_multiple(multiples().groups[0], multiples(), "x"),
    "harm": lambda: charts.draw_harm(trajectory(), "x"),
    "harm without bound": lambda: charts.draw_harm(trajectory(harm=(_OPEN,) * 4), "x"),
    "no harm": lambda: charts.draw_harm(trajectory(harm=(Interval(0.0, 0.0, 0.0),) * 4), "x"),
    "one generation": lambda: charts.draw_harm(trajectory(harm=(_OPEN,)), "x"),
    "variance": lambda: charts.draw_variance(trajectory(), "x"),
    "series": lambda: charts.draw_series(series(), "x"),
    "series of many sizes": lambda: charts.draw_series(
        series(rows=tuple(Interval(10.0**-t, 2 * 10.0**-t, 1.0) for t in range(5)), is_log=True),
        "x",
    ),
    "series without bound": lambda: charts.draw_series(
        series(rows=(Interval(math.inf, math.inf, math.inf),), is_log=True), "x"
    ),
    "series of nothing": lambda: charts.draw_series(
        series(rows=(Interval(0.0, 0.0, 0.0),) * 2, real=None), "x"
    ),
    "phase": lambda: charts.draw_phase(phase(), "x"),
    "phase of an unknown data set": lambda: charts.draw_phase(
        phase(share=Interval(0.0, None, 1.0), tolerated=(None,) * 3), "x"
    ),
    "cuts": lambda: charts.draw_cuts(cuts(), "x"),
    "no cut chosen": lambda: charts.draw_cuts(cuts(chosen=None, n_effective=None), "x"),
    "trend": lambda: charts.draw_trend(trend(), "x"),
    "trend of nothing": lambda: charts.draw_trend(
        tuple(p.__class__("a", "a", 1.0, Interval(0, 0, 0), 0.0) for p in trend()), "x"
    ),
}
every_chart = pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)


@every_chart
def test_it_is_whole_and_has_a_name_and_a_description(draw):
    root = ET.fromstring(str(draw()))
    names = {element.tag: element.attrib.get("id") for element in root.iter()}
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == names["title"]
    assert root.attrib["aria-describedby"] == names["desc"]
    assert root.find("title").text
    assert root.find("desc").text


@every_chart
def test_every_number_is_finite_and_every_place_inside(draw):
    root = ET.fromstring(str(draw()))
    width, height = (float(part) for part in root.attrib["viewBox"].split()[2:])
    text = ET.tostring(root, encoding="unicode")
    assert not re.search(r"\b(nan|inf)\b", text)
    for element in root.iter():
        for name, limit in (
            ("x", width),
            ("x1", width),
            ("x2", width),
            ("cx", width),
            ("y", height),
            ("y1", height),
            ("y2", height),
            ("cy", height),
        ):
            assert -1 <= float(element.attrib.get(name, 0)) <= limit + 1
        for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", element.attrib.get("d", "")):
            assert -1 <= float(x) <= width + 1
            assert -1 <= float(y) <= height + 1


@every_chart
def test_it_has_no_colour_script_or_reference_of_its_own(draw):
    text = str(draw())
    assert not re.search(r"style=|fill=|stroke=|href|<script|<style|url\(|#[0-9a-f]{3}", text)
    assert "on" not in {name[:2] for name in re.findall(r" ([a-z-]+)=", text)}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_names_from_data_are_escaped_and_made_visible(text):
    for drawn in (
        charts.draw_scores(scores(text), "x"),
        charts.draw_multiple(multiples(text).groups[0], multiples(text), "x"),
    ):
        root = ET.fromstring(str(drawn).encode("utf-8", "replace"))
        assert visible(text) in root.find("title").text
        assert {element.tag for element in root.iter()} <= {
            "svg", "title", "desc", "path", "line", "rect", "text", "circle",
        }  # fmt: skip


def test_the_higher_bin_is_drawn_higher():
    drawn = str(charts.draw_scores(scores(real=(), synthetic=(), cut=None), "x"))
    (outline,) = re.findall(r'd="([^"]*)" class="line line-all"', drawn)
    heights = [float(y) for _, y in re.findall(r"([\d.]+),([\d.]+)", outline)]
    assert heights == sorted(heights)
    assert heights[0] < heights[-1]


def test_the_mixtures_parts_stand_on_one_another():
    drawn = str(charts.draw_scores(scores(), "x"))
    (real,) = re.findall(r'd="([^"]*)" class="fill-real"', drawn)
    (synthetic,) = re.findall(r'd="([^"]*)" class="fill-synthetic"', drawn)
    top_of_real = re.findall(r"[\d.]+,[\d.]+", real)[:8]
    assert all(point in synthetic for point in top_of_real)


def test_the_phase_diagram_tells_levels_and_share_in_words():
    drawn = str(charts.draw_phase(phase(), "x"))
    assert "the levels are none, low, elevated, high, critical" in drawn
    assert "between 5\u202f% and 20\u202f%" in drawn


def test_what_has_no_bound_is_said_in_words():
    assert "and without bound" in str(charts.draw_harm(trajectory(harm=(_OPEN,) * 4), "x"))


@every_chart
def test_as_a_file_it_is_the_same_chart_with_the_pages_colours(draw):
    root = ET.fromstring(charts.as_file(draw()))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    style = root.find("{http://www.w3.org/2000/svg}style").text
    used = {name for element in root.iter() for name in element.attrib.get("class", "").split()}
    told = set(re.findall(r"\.([a-z-]+)", style))
    assert used - told <= {"rule-cut"}  # drawn as every rule is
    assert set(re.findall(r"var\((--[a-z]+)\)", style)) <= set(re.findall(r"(--[a-z]+):", style))
    assert not re.search(r"url\(|@import|<script|href", charts.as_file(draw()))


def test_what_a_band_is_stands_in_the_legend_where_there_is_one():
    assert "95 % of runs" in str(charts.draw_series(series(), "x"))
    assert 'class="fill-point"' not in str(charts.draw_series(series(band=""), "x"))


def test_the_cut_that_drops_everything_does_not_stretch_the_axis():
    rows = (replace(cuts().rows[0], cut=-1e9), *cuts().rows)
    words = [
        re.findall(r"<text[^>]*>([^<]*)", charts.draw_cuts(shown, "x"))
        for shown in (cuts(rows=rows), cuts())
    ]
    assert words[0] == words[1]
    assert "tolerance" in words[0]
