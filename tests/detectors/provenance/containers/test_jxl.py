"""JPEG XL: the boxes of its container."""

from __future__ import annotations

import struct

import pytest

from tests.detectors.image_building import (
    SOFTWARE,
    SYNTHETIC_STORE,
    box,
    detect,
    exif_block,
    jxl,
    parsed,
    source_type_xmp,
    state_of,
    superbox,
)

_FLUX = exif_block({SOFTWARE: "AI generated;txt2img;flux"})


def test_marks_are_found_in_their_boxes():
    image = jxl(
        box(b"Exif", struct.pack(">I", 0) + _FLUX),
        box(b"xml ", source_type_xmp()),
        SYNTHETIC_STORE,
    )
    assert detect("exif_software", image).detail.tool == "FLUX"
    assert detect("iptc", image).detail.field == "JPEG XL xml box DigitalSourceType"
    assert detect("c2pa", image).detail.field == "JPEG XL jumb box"


def test_the_offset_of_the_exif_header_is_followed():
    image = jxl(box(b"Exif", struct.pack(">I", 6) + b"Exif\0\0" + _FLUX))
    assert detect("exif_software", image).detail.tool == "FLUX"


def test_jumbf_of_another_kind_is_not_a_manifest():
    assert state_of("c2pa", jxl(superbox("other", kind=b"json"))) == "absent"


def test_a_file_without_metadata_is_absent():
    assert state_of("c2pa", jxl()) == "absent"


def test_compressed_metadata_is_missing_and_never_absent():
    image = jxl(box(b"brob", b"xml " + b"\x0b\x02\x80"))
    assert "was not read" in parsed(image).problem
    assert state_of("iptc", image) == "missing"


@pytest.mark.parametrize("end", [-1, -20, 30])
def test_a_cut_file_is_truncated(end):
    container = parsed(jxl()[:end])
    assert not container.is_complete
    assert state_of("c2pa", jxl()[:end]) == "missing"


def test_a_box_without_a_length_is_a_problem():
    image = jxl() + b"\0\0\0\4abcdefgh"
    assert "no box header" in parsed(image).problem
