"""EXIF blocks: text of the tags that name a program, from hostile structures as well."""

from __future__ import annotations

import io
import struct
import time

import pytest
from PIL import Image

from madaudit.detectors.provenance.tiff import read_tags
from tests.detectors.image_building import (
    ARTIST,
    MAKE,
    MAKER_NOTE,
    MODEL,
    SOFTWARE,
    USER_COMMENT,
    XP_COMMENT,
    exif_block,
    jpeg_with_exif,
    user_comment,
)


@pytest.mark.parametrize("order", "<>")
def test_tags_are_those_that_pillow_reads(order):
    block = exif_block({MAKE: "maker", MODEL: "m", SOFTWARE: "program"}, order=order)
    pillow = Image.open(io.BytesIO(jpeg_with_exif(block))).getexif()
    assert read_tags(block) == {"Make": "maker", "Model": "m", "Software": "program"}
    assert [pillow[tag] for tag in (MAKE, MODEL, SOFTWARE)] == ["maker", "m", "program"]


@pytest.mark.parametrize("order", "<>")
def test_a_block_that_pillow_wrote_is_read(order):
    exif = Image.Exif()
    exif.endian = order
    exif[ARTIST] = "someone"
    exif.get_ifd(0x8769)[USER_COMMENT] = b"ASCII\0\0\0note"
    tags = read_tags(exif.tobytes().removeprefix(b"Exif\0\0"))
    assert tags == {"Artist": "someone", "UserComment": "note"}


@pytest.mark.parametrize("order", "<>")
def test_the_exif_ifd_is_read(order):
    tags = {USER_COMMENT: user_comment("Bär, prompt"), MAKER_NOTE: b"note of the maker"}
    found = read_tags(exif_block(tags, order=order))
    assert found == {"UserComment": "Bär, prompt", "MakerNote": "note of the maker"}


def test_a_windows_comment_is_utf16():
    assert read_tags(exif_block({XP_COMMENT: "Bär\0".encode("utf-16-le")})) == {"XPComment": "Bär"}


@pytest.mark.parametrize("data", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"nonsense" * 9])
def test_what_is_no_tiff_has_no_tags(data):
    assert read_tags(data) == {}


def test_an_exif_ifd_that_points_to_itself_ends():
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
    assert read_tags(b"II*\0\x08\0\0\0\1\0" + entry + b"\0" * 4) == {}


@pytest.mark.parametrize(("count", "offset"), [(100, 1 << 31), (1 << 31, 8), (0, 8)])
def test_a_value_outside_the_block_is_left_out(count, offset):
    entry = struct.pack("<HHII", SOFTWARE, 2, count, offset)
    assert read_tags(b"II*\0\x08\0\0\0\1\0" + entry + b"\0" * 4) == {}


def test_a_value_that_many_entries_share_is_decoded_once():
    size = 1 << 22
    entry = struct.pack("<HHII", SOFTWARE, 2, size, 8 + 2 + 12 * 1000)
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 1000) + entry * 1000 + b"a" * size
    start = time.perf_counter()
    assert len(read_tags(block)["Software"]) == size
    assert time.perf_counter() - start < 2
