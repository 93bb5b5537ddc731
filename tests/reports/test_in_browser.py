"""The page in a real browser, from a file, as a curator opens it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from madaudit.reports import build_renderer
from tests.reports.report_building import HOSTILE, hit, report_of

pytestmark = pytest.mark.browser

_CHROMIUM, _DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_DARK = [{"name": "prefers-color-scheme", "value": "dark"}]
_BACKGROUND = "return getComputedStyle(document.body).backgroundColor"
_INK = "return getComputedStyle(document.body).color"
_OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
_HEADINGS = "return [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.tagName[1])"
_PICTURES = "return [...document.images].map(i => i.complete && i.naturalWidth > 0)"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    for program in (_CHROMIUM, _DRIVER):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing; install Debian's chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = _CHROMIUM
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(_DRIVER))
    yield driver
    driver.quit()


def load(browser: Any, folder: Path, *texts: str) -> None:
    """Write a report that says all these texts and open it from disk."""
    hits = tuple(hit(text) for text in texts)
    load_html(
        browser, folder, build_renderer("html").render(report_of(" ".join(texts), hits=hits))
    )


def load_html(browser: Any, folder: Path, html: bytes) -> None:
    page = folder / "index.html"
    page.write_bytes(html)
    browser.get(page.as_uri())


def resize(browser: Any, width_px: int) -> None:
    """A viewport of that width, which a window cannot always have."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width_px, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )


def requests(browser: Any) -> list[str]:
    """URLs that the page asked for, its own and its pictures' left out."""
    page = browser.current_url
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
        and event["params"]["documentURL"] == page
    ]
    assert page in urls
    return [url for url in urls if url != page and not url.startswith("data:image/jpeg")]


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
