"""What a scan runs when no detector is named: every mark that its tier can see."""

from __future__ import annotations

import madaudit
from madaudit.detectors import DEFAULTS, PIXEL_DEFAULTS
from tests.commands.invoking import invoke
from tests.detectors.image_building import INFOTEXT, hidden, jpeg


def _photos(folder):
    folder.mkdir()
    image = hidden(INFOTEXT.encode(), signature=b"stealth_pnginfo", size=(40, 50))
    (folder / "a.png").write_bytes(image)
    (folder / "b.jpg").write_bytes(jpeg())
    return str(folder)


def test_a_scan_of_headers_runs_what_needs_no_pixels(tmp_path):
    result = madaudit.scan(_photos(tmp_path / "photos"), str(tmp_path / "store"))
    assert set(result.detectors) == set(DEFAULTS)


def test_a_scan_of_pixels_finds_what_is_hidden_in_them(tmp_path):
    photos = _photos(tmp_path / "photos")
    run = invoke("scan", photos, "-o", tmp_path / "store", "--tier", "pixels", "--json")
    assert set(run.json["detectors"]) == {*DEFAULTS, *PIXEL_DEFAULTS}
    states = run.json["detectors"]["stealth"]
    assert states == {"present": 1, "absent": 0, "unobservable": 1, "missing": 0}
