"""WebP: the RIFF file's chunks and their three kinds of size."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from madaudit.detectors.provenance.containers import parse
from madaudit.limits import MAX_BLOCK_BYTES
from tests.detectors.image_building import (
    SYNTHETIC_STORE,
    parsed,
    pillow_bytes,
    riff_chunk,
    webp,
)


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": False}])
@pytest.mark.parametrize("size", [(1, 1), (300, 7), (7, 300), (5000, 2)])
def test_size_is_the_one_pillow_finds(size, options):
    image = pillow_bytes("WEBP", size, **options)
    assert image[12:16] == (b"VP8L" if options["lossless"] else b"VP8 ")
    container = parsed(image)
    assert (container.width, container.height) == Image.open(io.BytesIO(image)).size


def test_size_of_the_extended_form_is_its_canvas():
    image = webp(riff_chunk(b"EXIF", b"II*\0"), size=(300, 7))
    container = parsed(image)
    assert image[12:16] == b"VP8X"
    assert (container.width, container.height) == Image.open(io.BytesIO(image)).size


def test_metadata_chunks_are_read():
    chunks = [
        riff_chunk(b"EXIF", b"Exif\0\0II*\0"),
        riff_chunk(b"XMP ", b"<x/>"),
        riff_chunk(b"C2PA", SYNTHETIC_STORE),
    ]
    assert [(block.kind, block.data) for block in parsed(webp(*chunks)).blocks] == [
        ("exif", b"II*\0"),
        ("xmp", b"<x/>"),
        ("c2pa", SYNTHETIC_STORE),
    ]


def test_a_chunk_of_odd_length_is_padded():
    chunks = [riff_chunk(b"XMP ", b"odd"), riff_chunk(b"EXIF", b"II*\0")]
    assert [block.data for block in parsed(webp(*chunks)).blocks] == [b"odd", b"II*\0"]


def test_a_chunk_behind_the_riff_file_is_not_read():
    container = parsed(webp() + riff_chunk(b"XMP ", b"<x/>"))
    assert (container.blocks, container.problem) == ((), None)


def test_a_chunk_that_crosses_the_riff_end_is_a_cut():
    image = webp(riff_chunk(b"XMP ", b"<long/>"))
    shorter = image[:4] + struct.pack("<I", len(image) - 12) + image[8:]
    assert not parsed(shorter).is_complete


def test_a_chunk_beyond_the_block_limit_is_a_problem():
    container = parsed(webp(riff_chunk(b"XMP ", b" " * (MAX_BLOCK_BYTES + 1))))
    assert container.blocks == ()
    assert "not read" in (container.problem or "")


def test_a_cut_at_any_byte_is_never_complete():
    image = webp(riff_chunk(b"EXIF", b"II*\0"))
    for end in range(len(image)):
        container = parse(memoryview(image[:end]))
        assert container is None or not container.is_complete, end
