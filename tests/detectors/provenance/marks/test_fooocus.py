"""Fooocus and its kin: places, names, modes, and the infotext that is not theirs to read."""

from __future__ import annotations

import json

import pytest

from tests.detectors.image_building import (
    INFOTEXT,
    SOFTWARE,
    USER_COMMENT,
    detect,
    exif_block,
    jpeg,
    jpeg_with_exif,
    png,
    text_chunk,
)
from tests.detectors.shared_data import DATA, needs_data

_FOOOCUS = {"version": "Fooocus v2.5.5", "base_model": "juggernaut", "metadata_scheme": "fooocus"}
_RUINED = {"software": "RuinedFooocus", "base_model_name": "juggernaut", "denoise": None}
_MRE = {
    "software": "Fooocus 2.0.78.5 MRE",
    "base_model": "juggernaut",
    "img2img": False,
    "denoise": 1,
}


def _found(image: bytes):
    evidence = detect("fooocus", image)
    assert evidence.is_hit
    return evidence.detail


def _parameters(values: dict) -> bytes:
    return png(text_chunk("parameters", json.dumps(values)))


@pytest.mark.parametrize(
    ("values", "tool"),
    [(_FOOOCUS, "Fooocus"), (_RUINED, "RuinedFooocus"), (_MRE, "Fooocus-MRE")],
)
def test_the_program_names_itself_and_its_model(values, tool):
    detail = _found(_parameters(values))
    assert (detail.tool, detail.model, detail.field) == (tool, "juggernaut", "PNG tEXt parameters")


def test_json_in_exif_is_read():
    block = exif_block({SOFTWARE: "Fooocus v2.5.5", USER_COMMENT: json.dumps(_FOOOCUS).encode()})
    assert _found(jpeg_with_exif(block)).field == "EXIF UserComment"


def test_json_in_a_comment_is_read():
    text = json.dumps(_MRE)
    assert _found(jpeg((0xFE, text.encode()))).field == "JPEG comment"
    assert _found(png(text_chunk("Comment", text))).field == "PNG tEXt Comment"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (_FOOOCUS, "how is not said"),
        (_RUINED, "text-to-image"),
        (_RUINED | {"denoise": 0.6}, "image-to-image"),
        (_MRE, "text-to-image"),
        (_MRE | {"img2img": True}, "image-to-image"),
    ],
)
def test_the_settings_say_how_it_was_made_where_they_can(values, words):
    detail = _found(_parameters(values))
    assert (detail.label, words in detail.says) == ("synthetic", True)


@pytest.mark.parametrize(
    "text",
    [
        "Fooocus",
        json.dumps({"prompt": "Fooocus v2.5.5"}),
        json.dumps({"version": 2, "software": ["RuinedFooocus"]}),
        json.dumps({"version": "2", "software": "Photoshop"}),
        f"{INFOTEXT}, Version: Fooocus v2.5.5",
    ],
)
def test_what_does_not_name_it_in_json_is_absent(text):
    for keyword in ("parameters", "Comment"):
        assert detect("fooocus", png(text_chunk(keyword, text))).state == "absent"
    assert detect("fooocus", jpeg((0xFE, text.encode()))).state == "absent"


def test_its_infotext_is_left_to_the_infotexts_detector():
    text = INFOTEXT.replace("v1.7.0", "Fooocus v2.5.5")
    image = png(text_chunk("parameters", text), text_chunk("fooocus_scheme", "a1111"))
    assert detect("fooocus", image).state == "absent"
    assert detect("a1111", image).detail.tool == "Fooocus"


@needs_data
@pytest.mark.parametrize(
    ("path", "tool", "model"),
    [
        (
            "sd-parsers/tests__resources__parsers__Fooocus__fooocus1_cropped.png",
            "Fooocus",
            "juggernautXL_v8Rundiffusion",
        ),
        (
            "sd-metadata/samples__png__ruined-fooocus.png",
            "RuinedFooocus",
            "waiNSFWIllustrious_v150.safetensors",
        ),
    ],
)
def test_genuine_metadata_is_read(path, tool, model):
    detail = _found((DATA / "provenance" / path).read_bytes())
    assert (detail.tool, detail.model) == (tool, model)
