"""The JSON twin: all numbers of the report, and no more than JSON allows."""

from __future__ import annotations

import json
import math

import pytest

from madaudit.reports import build_renderer
from tests.reports.report_building import HOSTILE, bare_report, interval, report_of


def rendered(report):
    return build_renderer("json").render(report)


def refuse(name):
    raise ValueError(f"{name} is not JSON")


@pytest.mark.parametrize("report", [report_of(), bare_report()], ids=["full", "bare"])
def test_the_twin_holds_exactly_the_reports_numbers(report):
    content = json.loads(rendered(report), parse_constant=refuse)
    assert content == json.loads(json.dumps(report.to_dict()))


def test_intervals_are_the_interfaces_and_a_missing_point_is_null():
    content = json.loads(rendered(report_of()))
    assert content["p"] == {"low": 0.0, "point": None, "high": 0.75, "level": 0.95}
    assert content["schema"] == 3


def test_pictures_are_left_out():
    (content,) = json.loads(rendered(report_of()))["hits"]
    assert "thumbnail" not in content
    assert content["says"] == ["text", "text"]


def test_a_number_that_is_none_is_refused_and_never_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        rendered(report_of(floor=interval(math.nan)))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_comes_back_as_it_was(text):
    content = json.loads(rendered(report_of(text)))
    assert content["title"] == text.encode("utf-8", "replace").decode()


def test_the_same_report_gives_the_same_bytes():
    assert rendered(report_of()) == rendered(report_of())
