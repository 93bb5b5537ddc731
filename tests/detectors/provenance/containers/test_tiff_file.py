"""TIFF files: metadata of the first image in both layouts, cut files, and hostile directories."""

from __future__ import annotations

import io
import struct
import time

import pytest
from PIL import Image

from madaudit.limits import MAX_BLOCK_BYTES
from tests.detectors.image_building import (
    C2PA_TAG,
    INFOTEXT,
    IPTC_TAG,
    PHOTOSHOP_TAG,
    SOFTWARE,
    STRIP_BYTES,
    STRIP_OFFSET,
    SYNTHETIC_STORE,
    USER_COMMENT,
    WIDTH,
    XMP_TAG,
    detect,
    iim,
    image_resource,
    parsed,
    pillow_bytes,
    source_type_xmp,
    state_of,
    tiff,
    user_comment,
)

_CREDIT = iim((2, 110, b"Made with Google AI"))
_LAYOUTS = pytest.mark.parametrize(
    ("order", "is_big"), [("<", False), (">", False), ("<", True), (">", True)]
)
_MARKS = {
    "c2pa": ({C2PA_TAG: SYNTHETIC_STORE}, "TIFF tag 52545 C2PA"),
    "iptc": ({XMP_TAG: source_type_xmp()}, "TIFF tag 700 XMP DigitalSourceType"),
    "exif_software": ({SOFTWARE: "AI generated;txt2img;flux"}, "EXIF Software"),
    "a1111": ({USER_COMMENT: user_comment(INFOTEXT)}, "EXIF UserComment"),
}


@_LAYOUTS
def test_what_is_built_here_is_a_tiff_for_pillow_as_well(order, is_big):
    image = tiff({SOFTWARE: "program"}, order=order, is_big=is_big, size=(300, 7))
    if not (is_big and order == ">"):  # Pillow does not know big TIFFs in this order
        with Image.open(io.BytesIO(image)) as picture:
            picture.load()
            assert picture.size == (300, 7)
            assert picture.tag_v2[SOFTWARE] == "program"
    container = parsed(image)
    assert (container.width, container.height, container.problem) == (300, 7, None)
    assert container.exif() == {"Software": "program"}


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg"])
@pytest.mark.parametrize("size", [(1, 1), (300, 7), (7, 300)])
def test_size_is_the_one_pillow_wrote(compression, size):
    container = parsed(pillow_bytes("TIFF", size, compression=compression))
    assert (container.width, container.height, container.problem) == (*size, None)


@_LAYOUTS
@pytest.mark.parametrize("name", _MARKS)
def test_each_mark_is_found_in_its_tag(name, order, is_big):
    tags, field = _MARKS[name]
    detail = detect(name, tiff(tags, order=order, is_big=is_big)).detail
    assert (detail.label, detail.field) == ("synthetic", field)


@pytest.mark.parametrize(
    ("tags", "field"),
    [
        ({IPTC_TAG: _CREDIT}, "TIFF tag 33723 IPTC Credit"),
        ({PHOTOSHOP_TAG: image_resource(0x0404, _CREDIT)}, "TIFF tag 34377 IPTC Credit"),
    ],
)
def test_iptc_records_are_read_from_both_tags(tags, field):
    assert detect("iptc", tiff(tags)).detail.field == field


def test_a_mark_of_a_further_image_is_not_the_first_ones():
    first = tiff()
    second = tiff({SOFTWARE: "AI generated;txt2img;flux"})
    image = tiff(next_at=len(first)) + second
    assert b"AI generated" in image
    assert state_of("exif_software", image) == "absent"


def test_a_tiff_without_metadata_is_absent():
    assert state_of("c2pa", tiff()) == "absent"
    assert parsed(tiff()).blocks == ()


@_LAYOUTS
def test_a_tiff_cut_anywhere_is_truncated(order, is_big):
    image = tiff({SOFTWARE: "program"}, order=order, is_big=is_big)
    for end in (len(image) // 2, len(image) // 3, 40):
        container = parsed(image[:end])
        assert not container.is_complete
        assert "cut" in container.problem
        assert state_of("c2pa", image[:end]) == "missing"


@pytest.mark.parametrize(
    "tags", [{STRIP_OFFSET: 1 << 30}, {STRIP_BYTES: 1 << 30}, {STRIP_OFFSET: 0xFFFFFFFF}]
)
def test_pixels_outside_the_file_are_a_cut(tags):
    container = parsed(tiff(tags))
    assert not container.is_complete
    assert "bytes of pixels" in container.problem


def _with_value_at(image: bytes, tag: int, count: int, place: int) -> bytes:
    """The same file with an entry that points elsewhere."""
    at = image.rindex(struct.pack("<HH", tag, 7))
    return image[: at + 4] + struct.pack("<II", count, place) + image[at + 12 :]


@pytest.mark.parametrize("place", [1 << 31, 100])
def test_a_mark_that_is_cut_off_is_missing_and_never_absent(place):
    image = _with_value_at(tiff({C2PA_TAG: SYNTHETIC_STORE}), C2PA_TAG, 1 << 20, place)
    assert parsed(image).problem == f"tag 52545 of {1 << 20} bytes was not read"
    assert state_of("c2pa", image) == "missing"


def test_a_block_beyond_the_limit_is_not_read():
    image = tiff({XMP_TAG: b"x" * (MAX_BLOCK_BYTES + 1)})
    assert "was not read" in parsed(image).problem
    assert parsed(image).of_kind("xmp") == []


@_LAYOUTS
def test_a_directory_that_points_to_itself_ends(order, is_big):
    plain = tiff(order=order, is_big=is_big)
    form, at = ("Q", 8) if is_big else ("I", 4)
    (first,) = struct.unpack_from(order + form, plain, at)
    looped = tiff({0x8769: first}, order=order, is_big=is_big, next_at=first)
    assert parsed(looped).problem is None


def test_a_directory_of_many_entries_and_strips_takes_no_time():
    header = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16)
    entry = struct.pack("<HHQQ", STRIP_OFFSET, 16, 1 << 60, 24)
    image = header + struct.pack("<Q", 1 << 60) + entry * 50_000
    began = time.perf_counter()
    assert not parsed(image).is_complete
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    "image", [b"II", b"II*\0\0\0", b"MM\0\x2b\0\x08\0\0", b"II\x55\0\x18\0\0\0" + b"\0" * 40]
)
def test_another_header_is_no_tiff(image):
    from madaudit.detectors.provenance.containers import parse

    assert parse(memoryview(image)) is None


def test_a_width_of_two_bytes_is_read():
    image = bytearray(tiff())
    at = image.rindex(struct.pack("<HHI", WIDTH, 4, 1))
    image[at : at + 12] = struct.pack("<HHIHH", WIDTH, 3, 1, 77, 0)
    assert parsed(bytes(image)).width == 77
