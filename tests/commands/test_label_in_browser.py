"""The labelling page in a real browser, from a file: twenty items by keyboard, and back."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import madaudit
from madaudit.commands.calibration_files import write_calibration
from tests.browsing import requests, resize
from tests.commands.labelling import image_folder, key_of, scored_images, truths
from tests.commands.scored_stores import calibration_of

pytestmark = pytest.mark.browser

_PROGRESS = "return document.getElementById('progress').textContent"
_KEYS = {"synthetic": "s", "composite": "c", "real": "r", "undecided": "u"}
_NAMES = "return JSON.parse(document.getElementById('data').textContent).items.map(i => i.name)"


def press(browser: Any, keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(keys).perform()


def exported(folder: Path) -> Path:
    """The file that the page saved."""
    for _ in range(100):
        found = list((folder / "downloads").glob("*.json"))
        if found:
            return found[0]
        time.sleep(0.1)
    raise AssertionError("nothing was downloaded")


def test_twenty_items_by_keyboard_move_the_estimate(browser, tmp_path):
    store = scored_images(tmp_path / "data", 200, 0.3)
    write_calibration(calibration_of(n=1000), str(tmp_path / "calibration"))
    drawn = madaudit.label(
        "draw", store, n=16, output=str(tmp_path / "page.html"), check_share=0.25,
        check_real=image_folder(tmp_path / "real", 3, 5000),
        check_synthetic=image_folder(tmp_path / "synthetic", 3, 6000),
    )  # fmt: skip
    assert drawn.n + drawn.checks == 20
    browser.get((tmp_path / "page.html").as_uri())
    names, truth = browser.execute_script(_NAMES), truths(store, drawn.draw)
    for name in names[:10]:
        press(browser, _KEYS[truth[name]])
    assert "Sample 11 of 20, 10 labelled" in browser.execute_script(_PROGRESS)
    # A closed page goes on where it was left.
    browser.get("about:blank")
    browser.get((tmp_path / "page.html").as_uri())
    assert "Sample 11 of 20, 10 labelled" in browser.execute_script(_PROGRESS)
    # A slip of the finger is taken back.
    press(browser, "u")
    press(browser, "z")
    assert "Sample 11 of 20, 10 labelled" in browser.execute_script(_PROGRESS)
    for name in names[10:]:
        press(browser, _KEYS[truth[name]])
    assert "20 labelled. All done" in browser.execute_script(_PROGRESS)
    press(browser, "e")
    path = exported(tmp_path)
    assert json.loads(path.read_text())["answers"] == truth
    read = madaudit.label("read", store, [str(path)])
    assert (read.n, read.checks, sum(read.wrong.values())) == (16, 4, 0)

    found = madaudit.estimate(store, labels=read.output).tiers.adjudicated
    n_synthetic = sum(
        truth[item["name"]] == "synthetic"
        for item in key_of(store, drawn.draw)["items"]
        if item["kind"] == "sample"
    )
    assert found.low <= 0.3 <= found.high
    assert found.point == pytest.approx(n_synthetic / 16, abs=0.02)
    answers = json.loads(path.read_text())
    answers["answers"] = dict.fromkeys(truth, "real")
    path.write_text(json.dumps(answers))
    clean = madaudit.label("read", store, [str(path)], output=str(tmp_path / "clean.json"))
    assert madaudit.estimate(store, labels=clean.output).tiers.adjudicated.point < found.point


def test_the_page_asks_for_nothing_and_complains_of_nothing(browser, tmp_path):
    store = scored_images(tmp_path / "data", 6, 0.5)
    page = tmp_path / "page.html"
    madaudit.label("draw", store, n=6, output=str(page), captions=True)
    browser.get(page.as_uri())
    press(browser, "sru")
    assert [entry for entry in browser.get_log("browser") if "favicon" not in str(entry)] == []
    assert requests(browser) == []


@pytest.mark.parametrize("width_px", [1280, 400])
def test_the_picture_and_every_answer_are_in_sight(browser, tmp_path, width_px):
    store = scored_images(tmp_path / "data", 4, 0.5)
    madaudit.label("draw", store, n=4, output=str(tmp_path / "page.html"))
    resize(browser, width_px, 800)
    browser.get((tmp_path / "page.html").as_uri())
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('#picture, [data-label], #export')]"
        ".map(e => e.getBoundingClientRect()).map(b => [b.top, b.bottom, b.right, b.width])"
    )
    assert all(top >= 0 and bottom <= 800 and right <= width_px and width > 20
               for top, bottom, right, width in boxes)  # fmt: skip


def test_answers_are_read_out_as_pressed(browser, tmp_path):
    store = scored_images(tmp_path / "data", 4, 0.5)
    madaudit.label("draw", store, n=4, output=str(tmp_path / "page.html"))
    browser.get((tmp_path / "page.html").as_uri())
    press(browser, "c")
    browser.find_element("id", "back").click()
    pressed = browser.execute_script(
        "return [...document.querySelectorAll('[aria-pressed=true]')].map(b => b.dataset.label)"
    )
    assert pressed == ["composite"]
