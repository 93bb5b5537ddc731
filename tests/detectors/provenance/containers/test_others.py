"""Formats that are recognised without being read, and bytes that are no image."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from madaudit.detectors.provenance.containers import parse
from tests.detectors.image_building import parsed, pillow_bytes


@pytest.mark.parametrize("size", [(1, 1), (300, 7), (7, 300)])
def test_size_is_the_one_pillow_finds(size):
    image = pillow_bytes("BMP", size)
    container = parsed(image)
    assert (container.width, container.height) == Image.open(io.BytesIO(image)).size


def test_the_short_bmp_header_of_os2_gives_the_size():
    header = struct.pack("<IHHHH", 12, 40, 30, 1, 24)
    image = b"BM" + struct.pack("<IHHI", 26 + 3600, 0, 0, 26) + header + b"\0" * 3600
    assert Image.open(io.BytesIO(image)).size == (40, 30)
    assert (parsed(image).width, parsed(image).height) == (40, 30)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        (pillow_bytes("BMP"), "bmp"),
        (b"\xff\x0a\0\0", "jxl"),
    ],
)
def test_formats_are_known_but_not_read(image, name):
    container = parsed(image)
    assert (container.format, container.is_readable) == (name, False)


@pytest.mark.parametrize(
    "image",
    [b"", b"\xff", b"\xff\xd8", b"GIF88a", b"BM", b"<html>", b"RIFF\0\0\0\0WAVE", b"\0" * 99],
)
def test_bytes_that_are_no_image_are_told(image):
    assert parse(memoryview(image)) is None


def test_a_negative_width_is_no_size():
    image = bytearray(pillow_bytes("BMP"))
    image[18:22] = b"\xff" * 4
    assert parsed(bytes(image)).width is None
