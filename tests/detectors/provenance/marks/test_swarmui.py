"""SwarmUI's JSON: places, modes, and what only mentions it."""

from __future__ import annotations

import json

import pytest

from tests.detectors.image_building import (
    DESCRIPTION,
    MODEL,
    USER_COMMENT,
    detect,
    exif_block,
    jpeg,
    jpeg_with_exif,
    png,
    text_chunk,
    user_comment,
)
from tests.detectors.shared_data import DATA, needs_data


def _text(extra: dict | None = None, **params) -> str:
    stated = {"prompt": "a cat", "model": "sd_xl_base", "steps": 20, **params}
    return json.dumps({"sui_image_params": stated, "sui_extra_data": extra or {}})


def _found(image: bytes):
    evidence = detect("swarmui", image)
    assert evidence.is_hit
    return evidence.detail


@pytest.mark.parametrize(
    ("image", "field"),
    [
        (png(text_chunk("parameters", _text())), "PNG tEXt parameters"),
        (jpeg_with_exif(exif_block({USER_COMMENT: user_comment(_text())})), "EXIF UserComment"),
        (jpeg_with_exif(exif_block({MODEL: _text()})), "EXIF Model"),
    ],
)
def test_it_is_read_in_each_of_its_places(image, field):
    detail = _found(image)
    assert (detail.tool, detail.model, detail.field) == ("SwarmUI", "sd_xl_base", field)


@pytest.mark.parametrize(
    ("params", "extra", "label", "words"),
    [
        ({}, {}, "synthetic", "text-to-image"),
        ({"refinerupscale": 2}, {}, "synthetic", "text-to-image"),
        ({"initimagecreativity": 0.6}, {}, "synthetic", "image-to-image"),
        ({}, {"initimage_filename": "raw/x.png"}, "synthetic", "image-to-image"),
        ({"initimagecreativity": 0.0}, {}, "composite", "enlargement"),
        ({"initimagecreativity": 1}, {"maskimage_filename": "m.png"}, "composite", "inpainting"),
        ({"initimagecreativity": 0, "maskshrinkgrow": 8}, {}, "composite", "inpainting"),
    ],
)
def test_the_settings_say_how_it_was_made(params, extra, label, words):
    detail = _found(png(text_chunk("parameters", _text(extra, **params))))
    assert (detail.label, words in detail.says) == (label, True)


@pytest.mark.parametrize(
    "text",
    ["sui_image_params", '{"sui_image_params": 1}', '{"prompt": "sui_image_params"}', "[]", "{"],
)
def test_a_mention_is_absent(text):
    assert detect("swarmui", png(text_chunk("parameters", text))).state == "absent"


def test_it_counts_in_its_own_places_alone():
    assert detect("swarmui", png(text_chunk("Comment", _text()))).state == "absent"
    assert detect("swarmui", jpeg((0xFE, _text().encode()))).state == "absent"
    image = jpeg_with_exif(exif_block({DESCRIPTION: _text()}))
    assert detect("swarmui", image).state == "absent"


@needs_data
@pytest.mark.parametrize("path", ["samples__jpg__swarmui.jpg", "samples__png__swarmui.png"])
def test_genuine_files_are_read(path):
    detail = _found((DATA / "provenance/sd-metadata" / path).read_bytes())
    assert (detail.model, detail.label) == ("waiIllustriousSDXL_v160", "synthetic")
