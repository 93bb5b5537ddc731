"""PNG chunks: where they count, in which forms text stands, and what is refused."""

from __future__ import annotations

import io
import struct
import time
import zlib

import pytest
from PIL import Image

from madaudit.detectors.provenance.containers import parse
from madaudit.limits import MAX_BLOCK_BYTES, MAX_TEXT_BYTES
from tests.detectors.image_building import (
    SYNTHETIC_STORE,
    chunk,
    exif_block,
    itxt_chunk,
    parsed,
    pillow_bytes,
    png,
    raw_profile_chunk,
    text_chunk,
    ztxt_chunk,
)


def _texts(image: bytes) -> dict[str, str]:
    return {keyword: block.text for keyword, block in parsed(image).texts().items()}


@pytest.mark.parametrize("size", [(1, 1), (300, 7), (7, 300)])
def test_size_is_the_one_pillow_finds(size):
    image = pillow_bytes("PNG", size)
    container = parsed(image)
    assert (container.width, container.height) == Image.open(io.BytesIO(image)).size


def test_a_built_file_is_one_that_pillow_decodes():
    image = Image.open(io.BytesIO(png(text_chunk("a", "b"))))
    image.load()
    assert image.text == {"a": "b"}


@pytest.mark.parametrize(
    "one",
    [
        text_chunk("note", "Bär"),
        ztxt_chunk("note", "Bär".encode()),
        itxt_chunk("note", "Bär".encode()),
        itxt_chunk("note", "Bär".encode(), compressed=True),
    ],
)
def test_text_is_read_in_every_form(one):
    assert _texts(png(one)) == {"note": "Bär"}


def test_text_that_is_not_utf8_is_read_as_latin1():
    assert _texts(png(chunk(b"tEXt", b"note\0B\xe4r"))) == {"note": "Bär"}


def test_the_first_text_of_a_name_stands():
    assert _texts(png(text_chunk("note", "one"), text_chunk("note", "two"))) == {"note": "one"}


def test_text_behind_the_pixels_is_found():
    assert _texts(png(behind=text_chunk("note", "late"))) == {"note": "late"}


def test_text_behind_the_end_is_not_read():
    container = parsed(png() + text_chunk("note", "trailer"))
    assert (container.blocks, container.problem) == ((), None)


@pytest.mark.parametrize("kind", [b"tEXt", b"eXIf", b"caBX"])
def test_a_chunk_with_a_wrong_crc_is_not_read(kind):
    container = parsed(png(chunk(kind, b"note\0text", crc=7)))
    assert container.blocks == ()
    assert "wrong CRC" in (container.problem or "")


@pytest.mark.parametrize(
    "one",
    [
        chunk(b"tEXt", b"no separator"),
        chunk(b"tEXt", b"\0no keyword"),
        chunk(b"tEXt", b"k" * 80 + b"\0keyword too long"),
        chunk(b"zTXt", b"note\0\1" + zlib.compress(b"unknown method")),
        chunk(b"zTXt", b"note\0\0not compressed"),
        chunk(b"zTXt", b"note\0\0" + zlib.compress(b"cut" * 100)[:-6]),
        chunk(b"iTXt", b"note\0"),
        chunk(b"iTXt", b"note\0\0\0en"),
        chunk(b"iTXt", b"note\0\1\1en\0\0" + zlib.compress(b"unknown method")),
    ],
)
def test_text_that_breaks_its_rules_is_left_out(one):
    assert parsed(png(one)).blocks == ()


def test_a_decompression_bomb_is_refused():
    container = parsed(png(ztxt_chunk("note", b"\0" * (MAX_TEXT_BYTES + 1))))
    assert container.blocks == ()
    assert "not read" in (container.problem or "")


def test_many_texts_share_one_limit():
    half = ztxt_chunk("note", b"a" * (MAX_TEXT_BYTES // 2))
    container = parsed(png(half, half, half))
    assert sum(len(block.text) for block in container.blocks) <= MAX_TEXT_BYTES
    assert "not read" in (container.problem or "")


@pytest.mark.parametrize("tail", [b"", b"\xff" * 40], ids=["cut", "damaged"])
def test_texts_that_break_behind_their_end_share_the_limit_too(tail):
    # Each inflates to nearly the limit before it shows that it is worth nothing.
    packed = zlib.compress(b"a" * (MAX_TEXT_BYTES - 1000))[:-40] + tail
    bombs = chunk(b"zTXt", b"note\0\0" + packed) * 300
    started = time.process_time()
    container = parsed(png(bombs))
    assert time.process_time() - started < 2
    assert container.blocks == ()


def test_a_chunk_beyond_the_block_limit_is_not_read():
    container = parsed(png(chunk(b"eXIf", b"\0" * (MAX_BLOCK_BYTES + 1))))
    assert container.blocks == ()
    assert "not read" in (container.problem or "")


def test_exif_and_manifest_have_chunks_of_their_own():
    container = parsed(png(chunk(b"eXIf", b"II*\0"), chunk(b"caBX", SYNTHETIC_STORE)))
    assert [(block.kind, block.data) for block in container.blocks] == [
        ("exif", b"II*\0"),
        ("c2pa", SYNTHETIC_STORE),
    ]


@pytest.mark.parametrize(
    ("name", "kind", "header"),
    [("exif", "exif", b"Exif\0\0"), ("APP1", "exif", b"Exif\0\0"), ("xmp", "xmp", b"")],
)
def test_imagemagick_raw_profiles_are_unfolded(name, kind, header):
    data = exif_block({0x0131: "program"})
    (block,) = parsed(png(raw_profile_chunk(name, header + data))).blocks
    assert (block.kind, block.data) == (kind, data)


@pytest.mark.parametrize("text", [b"", b"\nexif\n", b"\nexif\nmany\n00", b"\nexif\n 2\nzz"])
def test_a_raw_profile_that_breaks_its_rules_is_plain_text(text):
    (block,) = parsed(png(ztxt_chunk("Raw profile type exif", text))).blocks
    assert block.kind == "text"


def test_xmp_is_known_by_its_keyword():
    (block,) = parsed(png(itxt_chunk("XML:com.adobe.xmp", b"<x/>"))).blocks
    assert (block.kind, block.data) == ("xmp", b"<x/>")


def test_a_cut_at_any_byte_is_never_complete():
    image = png(text_chunk("note", "text"), behind=text_chunk("late", "text"))
    for end in range(len(image)):
        container = parse(memoryview(image[:end]))
        assert container is None or not container.is_complete, end


def test_a_chunk_longer_than_the_file_is_a_cut():
    image = png()
    broken = image[:33] + struct.pack(">I", 0x7FFFFFFF) + image[37:]
    assert not parsed(broken).is_complete
