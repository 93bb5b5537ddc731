"""Absent, unobservable and missing: three ways of not finding a mark, never confused."""

from __future__ import annotations

import pytest

from madaudit.detectors import DEFAULTS
from madaudit.types import Sidecar
from tests.detectors.image_building import (
    INFOTEXT,
    SYNTHETIC_STORE,
    app11,
    detect,
    exif_block,
    gif,
    jpeg,
    jxl,
    pillow_bytes,
    png,
    state_of,
    text_chunk,
    tiff,
    webp,
)

_PLAIN = {"jpeg": jpeg(), "png": png(), "webp": webp(), "gif": gif(), "tiff": tiff(), "jxl": jxl()}
_REENCODED = Sidecar(reencoded=True)


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("kind", _PLAIN)
def test_a_reencoded_image_without_metadata_is_unobservable(name, kind):
    assert detect(name, _PLAIN[kind], _REENCODED).state == "unobservable"


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_reencoded_image_that_kept_metadata_is_absent(name):
    assert detect(name, jpeg((0xFE, b"note")), _REENCODED).state == "absent"


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("reencoded", [False, None])
def test_original_bytes_without_metadata_are_absent(name, reencoded):
    assert detect(name, png(), Sidecar(reencoded=reencoded)).state == "absent"


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("kind", _PLAIN)
def test_a_truncated_image_is_missing(name, kind):
    assert detect(name, _PLAIN[kind][:-3]).state == "missing"


def test_a_mark_before_the_cut_is_present():
    assert detect("a1111", png(text_chunk("parameters", INFOTEXT))[:-20]).state == "present"


def test_a_mark_behind_the_cut_is_missing():
    image = png(behind=text_chunk("parameters", INFOTEXT))
    assert detect("a1111", image[:-60]).state == "missing"


def test_a_mark_that_the_cut_goes_through_is_missing():
    image = jpeg((0xEB, app11(SYNTHETIC_STORE, [1], 60_000)[0]))
    assert state_of("c2pa", image[:200]) == "missing"


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("image", [pillow_bytes("BMP"), b"\xff\x0a" + b"\0" * 40])
def test_a_format_whose_metadata_is_not_read_is_unobservable(name, image):
    assert detect(name, image).state == "unobservable"


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("image", [b"", b"<html>not found</html>", b"\0" * 500])
def test_what_is_no_image_is_missing(name, image):
    assert detect(name, image).state == "missing"


def test_a_mark_of_one_kind_leaves_the_others_absent():
    image = png(text_chunk("parameters", INFOTEXT))
    states = {name: detect(name, image).state for name in DEFAULTS}
    assert states == dict.fromkeys(DEFAULTS, "absent") | {"a1111": "present"}


@pytest.mark.parametrize("exif", ["", "{}", "not json", "[]", '{"Image Make": 3}'])
def test_an_exif_column_without_text_hides_nothing(exif):
    sidecar = Sidecar(exif=exif, reencoded=True)
    assert detect("comfyui", jpeg(), sidecar).state == "unobservable"


def test_a_graph_in_the_exif_column_is_present():
    sidecar = Sidecar(
        exif='{"Image Make": "Prompt: {\\"1\\": {\\"class_type\\": \\"KSampler\\"}}"}'
    )
    assert detect("comfyui", jpeg(), sidecar).detail.field == "exif column Make"


def test_the_files_own_exif_comes_before_the_column():
    image = jpeg((0xE1, b"Exif\0\0" + exif_block({0x0131: "editor"})))
    sidecar = Sidecar(exif='{"Image Software": "AI generated;txt2img;flux"}')
    assert detect("exif_software", image, sidecar).state == "absent"
