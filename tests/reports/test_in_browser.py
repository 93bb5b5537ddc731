"""The page in a real browser, from a file, as a curator opens it."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from madaudit.reports import build_renderer
from madaudit.reports.audit_report import GroupCount
from tests.browsing import requests, resize
from tests.reports.full_report import full_report
from tests.reports.report_building import HOSTILE, bare_report, hit, report_of

pytestmark = pytest.mark.browser

_DARK = [{"name": "prefers-color-scheme", "value": "dark"}]
_BACKGROUND = "return getComputedStyle(document.body).backgroundColor"
_INK = "return getComputedStyle(document.body).color"
_OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
_HEADINGS = "return [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.tagName[1])"
_PICTURES = "return [...document.images].map(i => i.complete && i.naturalWidth > 0)"


def load(browser: Any, folder: Path, *texts: str) -> None:
    """Write a report that says all these texts and open it from disk."""
    hits = tuple(hit(text) for text in texts)
    load_html(
        browser, folder, build_renderer("html").render(report_of(" ".join(texts), hits=hits))
    )


def load_report(browser: Any, folder: Path, report: Any) -> None:
    load_html(browser, folder, build_renderer("html").render(report))


def load_html(browser: Any, folder: Path, html: bytes) -> None:
    page = folder / "index.html"
    page.write_bytes(html)
    browser.get(page.as_uri())


def test_a_hostile_data_set_logs_nothing_and_asks_for_nothing(browser, tmp_path):
    load(browser, tmp_path, *HOSTILE.values())
    assert browser.get_log("browser") == []
    assert requests(browser) == []


def test_a_page_that_asks_for_something_would_be_noticed(browser, tmp_path):
    load_html(browser, tmp_path, b"<img src='http://127.0.0.1:9/x.png'>")
    assert requests(browser) == ["http://127.0.0.1:9/x.png"]
    assert browser.get_log("browser") != []


@pytest.mark.parametrize("width_px", [1280, 400])
@pytest.mark.parametrize("text", ["text", "x" * 3000], ids=["short", "unbroken"])
def test_the_page_never_scrolls_sideways(browser, tmp_path, text, width_px):
    resize(browser, width_px)
    load(browser, tmp_path, text)
    assert browser.execute_script("return innerWidth") == width_px
    assert browser.execute_script(_OVERFLOW) == 0


def test_every_picture_loads(browser, tmp_path):
    load(browser, tmp_path, "one", "two", "three")
    assert browser.execute_script(_PICTURES) == [True] * 3


def test_headings_are_in_order(browser, tmp_path):
    load(browser, tmp_path, "text")
    levels = browser.execute_script(_HEADINGS)
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_dark_mode_swaps_ink_and_page(browser, tmp_path):
    load(browser, tmp_path, "text")
    light = browser.execute_script(_BACKGROUND), browser.execute_script(_INK)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": _DARK})
    dark = browser.execute_script(_BACKGROUND), browser.execute_script(_INK)
    assert [round(_brightness(colour)) for colour in light] == [1, 0]
    assert [round(_brightness(colour)) for colour in dark] == [0, 1]


def _brightness(colour: str) -> float:
    channels = [int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(",")]
    return sum(channels) / (3 * 255)


# --- everything a report can show -----------------------------------------------------------


@pytest.mark.parametrize("text", ["text", *HOSTILE.values()], ids=["text", *HOSTILE])
def test_a_full_report_logs_nothing_and_asks_for_nothing(browser, tmp_path, text):
    load_report(browser, tmp_path, full_report(text))
    assert browser.get_log("browser") == []
    assert requests(browser) == []
    assert browser.execute_script("return document.querySelectorAll('svg.chart').length") == 9


def test_a_script_that_is_not_the_pages_own_does_not_run(browser, tmp_path):
    html = build_renderer("html").render(full_report())
    smuggled = html.replace(b"</main>", b"<script>document.title = 'ran'</script></main>")
    load_html(browser, tmp_path, smuggled)
    assert browser.title == "madaudit: text"
    assert "Content Security Policy" in browser.get_log("browser")[0]["message"]


def shards_of(*names: str) -> Any:
    rows = tuple(
        GroupCount(name, 10.0**place, place / 10, 0.0, 0.0, 0.0)
        for place, name in enumerate(names)
    )
    return full_report(shards=rows)


_COLUMN = """return [...document.querySelector('#shards table').tBodies[0].rows]
    .filter(row => !row.hidden).map(row => row.cells[0].textContent)"""
_CLICK = "document.querySelectorAll('#shards table thead button')[arguments[0]].click()"
_SORTED = """return [...document.querySelector('#shards table').tHead.rows[0].cells]
    .map(cell => cell.getAttribute('aria-sort'))"""


def test_a_table_sorts_by_number_and_by_name_and_says_so(browser, tmp_path):
    load_report(browser, tmp_path, shards_of("s10", "s9", "s100"))
    browser.execute_script(_CLICK, 1)
    assert browser.execute_script(_COLUMN) == ["s100", "s9", "s10"]
    assert browser.execute_script(_SORTED)[:2] == [None, "descending"]
    browser.execute_script(_CLICK, 1)
    assert browser.execute_script(_COLUMN) == ["s10", "s9", "s100"]
    browser.execute_script(_CLICK, 0)
    assert browser.execute_script(_COLUMN) == ["s100", "s10", "s9"]
    assert browser.execute_script(_SORTED)[:2] == ["descending", None]


def test_a_table_filters_by_words_and_says_how_many_are_left(browser, tmp_path):
    load_report(browser, tmp_path, shards_of("a/1", "a/2", "a/3", "b/1", "b/2", "b/3"))
    field = browser.find_element("css selector", "#shards .filter input")
    field.send_keys("B/ 2")
    assert browser.execute_script(_COLUMN) == ["b/2"]
    said = browser.find_element("css selector", "#shards .filter [role=status]")
    assert said.text == "1 of 6 rows"
    field.clear()
    field.send_keys("x")
    assert browser.execute_script(_COLUMN) == []


def test_everything_is_reached_by_keyboard(browser, tmp_path):
    load_report(browser, tmp_path, full_report())
    reached = browser.execute_script(
        "return [...document.querySelectorAll('th button, summary, .scroll, nav a')]"
        ".map(e => e.tabIndex)"
    )
    assert len(reached) > 30
    assert set(reached) == {0}
    summary = browser.find_element("css selector", "figure summary")
    summary.send_keys("\ue007")
    assert browser.execute_script("return document.querySelector('figure details').open")


def test_print_opens_the_tables_behind_the_charts(browser, tmp_path):
    load_report(browser, tmp_path, full_report())
    browser.execute_cdp_cmd("Page.printToPDF", {})
    opened = browser.execute_script(
        "return [...document.querySelectorAll('details')].map(d => d.open)"
    )
    assert opened
    assert all(opened)


@pytest.mark.parametrize("width_px", [1280, 400])
def test_a_full_page_never_scrolls_sideways(browser, tmp_path, width_px):
    resize(browser, width_px)
    load_report(browser, tmp_path, full_report("x" * 500))
    assert browser.execute_script(_OVERFLOW) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("report", [full_report(), bare_report()], ids=["full", "bare"])
def test_axe_finds_no_fault(browser, tmp_path, report, scheme):
    path = os.environ.get("AXE_CORE")
    if not path or not Path(path).exists():
        pytest.skip("axe-core is not here; scripts/test fetches it by npm, or set AXE_CORE")
    feature = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": feature})
    browser.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
    load_report(browser, tmp_path, report)
    browser.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    browser.execute_script(Path(path).read_text(encoding="utf-8"))
    found = browser.execute_async_script("axe.run().then(arguments[0])")
    assert len(found["passes"]) > 20
    assert [
        (fault["id"], fault["impact"], [node["html"][:200] for node in fault["nodes"][:3]])
        for fault in found["violations"]
    ] == []
