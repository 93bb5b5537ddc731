"""The page: whatever a data set holds is shown, and does nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from itertools import pairwise

import pytest

from madaudit.reports import build_renderer
from madaudit.reports.audit_report import GroupCount
from madaudit.reports.wording import count, percent, visible
from madaudit.types import Interval
from tests.reports.page_parsing import Page
from tests.reports.report_building import (
    HOSTILE,
    bare_report,
    hit,
    interval,
    method,
    report_of,
    thumbnail,
)

_MOST_BYTES = 15 * 2**20
_POINTING = ("src", "href", "srcset", "action", "formaction", "data", "poster", "background")
_FORBIDDEN = {"iframe", "object", "embed", "link", "base", "form", "audio", "image", "use"}


def rendered(report):
    return build_renderer("html").render(report)


def page_of(report):
    return Page(rendered(report))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_element_and_no_attribute_arises_from_data(text):
    page = page_of(report_of(text))
    assert page.shape == page_of(report_of("text")).shape
    assert page.others == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_shown_in_full_and_made_visible(text):
    page = page_of(report_of(text))
    # 15 places show it, most of them twice; an attribute names the shard.
    assert page.text.count(visible(text)) >= 15
    assert visible(text) in page.of("img")[0].attributes["alt"]


def test_templates_in_data_are_not_evaluated():
    page = page_of(report_of("{{ 7*7 }}"))
    assert "{{ 7*7 }}" in page.text
    assert "49" not in page.text


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_the_page_refers_to_nothing_outside_itself(text):
    page = page_of(report_of(text))
    pointers = [
        value
        for element in page.elements
        for name, value in element.attributes.items()
        if name in _POINTING or name.startswith("xlink")
    ]
    assert all(value.startswith(("data:image/jpeg;base64,", "#")) for value in pointers)
    assert _FORBIDDEN.isdisjoint(element.tag for element in page.elements)
    assert len(page.of("script")) == 1
    assert "url(" not in page.style
    assert "@import" not in page.style


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_attribute_is_an_event_handler(text):
    names = {name for element in page_of(report_of(text)).elements for name in element.attributes}
    assert not [name for name in names if name.startswith("on")]


def test_a_content_policy_forbids_the_network_and_every_script_but_the_pages_own():
    metas = page_of(report_of()).of("meta")
    (policy,) = [
        element.attributes["content"]
        for element in metas
        if element.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    (script,) = re.findall(r"<script>(.*)</script>", rendered(report_of()).decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{digest}'"


def test_every_link_leads_to_a_section():
    page = page_of(report_of())
    names = {element.attributes.get("id") for element in page.elements}
    assert {element.attributes["href"][1:] for element in page.of("a")} <= names


def test_a_data_set_without_marks_is_told_so():
    text = page_of(bare_report()).text
    for sentence in ("No mark was found.", "None: every sample was read.", "names no URLs"):
        assert sentence in text


def test_a_wholly_synthetic_data_set_leaves_p_at_most_zero():
    report = report_of(floor=interval(1.0), p=Interval(0.0, None, 0.0))
    assert f"effective real fraction p, at most{percent(0)}" in page_of(report).text
    assert percent(1) in page_of(report).text


def test_a_share_and_p_add_up_on_the_page():
    report = report_of(floor=interval(1 / 3), p=Interval(0.0, None, 2 / 3))
    text = page_of(report).text
    assert "33.3\u202f%" in text
    assert "at most66.7\u202f%" in text


def test_one_sample_is_a_report_too():
    text = page_of(report_of(n_samples=1, n_rows=1)).text
    assert "samples in finished shards1" in text


def test_a_sampled_scan_says_how_many_were_drawn_and_at_which_level():
    text = page_of(report_of(is_sampled=True, n_samples=123456, n_rows=789)).text
    assert f"of them drawn and scanned{count(789)}" in text
    assert f"({percent(0.95)} bound)" in text


@pytest.mark.slow
def test_ten_thousand_shards_with_long_names_stay_a_page():
    group = GroupCount("a/long/path/to/" + "x" * 200, 1e9, 0.1, 0.1, 0.1, 0.1)
    html = rendered(report_of(shards=(group,) * 10_000, n_shards=10_000))
    assert len(html) < _MOST_BYTES
    assert len(Page(html).of("tr")) > 10_000


def test_shards_left_out_of_the_table_are_counted():
    assert f"of {count(10_000)};" in page_of(report_of(n_shards=10_000)).text


def test_a_hit_without_picture_says_so():
    page = page_of(report_of(hits=(hit(thumbnail=None),)))
    assert page.of("img") == []
    assert "no picture kept" in page.text


def test_a_hit_without_caption_and_url_shows_neither():
    page = page_of(report_of(hits=(hit("mark", caption=None, url=None),)))
    assert "“" not in page.text
    assert "None" not in page.text


def test_a_picture_is_inside_the_page_byte_for_byte():
    (picture,) = page_of(report_of()).of("img")
    data = picture.attributes["src"].removeprefix("data:image/jpeg;base64,")
    assert base64.b64decode(data) == thumbnail()


def test_the_commands_stand_one_to_a_line():
    page = page_of(report_of(method=method("photos")))
    assert "madaudit scan 'photos' -o STORE\nmadaudit report STORE\n" in page.text


def test_headings_descend_one_level_at_a_time():
    tags = [element.tag for element in page_of(report_of()).elements]
    levels = [int(tag[1]) for tag in tags if tag in {"h1", "h2", "h3", "h4"}]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_same_report_gives_the_same_bytes():
    assert rendered(report_of()) == rendered(report_of())
