"""AVIF and HEIF: boxes, items in the file and in idat, and hostile sizes."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc

import pytest
from PIL import Image

from madaudit.limits import MAX_BLOCK_BYTES
from tests.detectors.image_building import (
    SYNTHETIC_STORE,
    avif,
    box,
    manifest_box,
    parsed,
    pillow_bytes,
)

_START = box(b"ftyp", b"avif\0\0\0\0avif")


def _with_items(iloc: bytes, n_items: int = 1, tail: bytes = b"") -> bytes:
    """AVIF whose items are all EXIF and whose places are given."""
    entries = b"".join(
        box(b"infe", b"\2\0\0\0" + struct.pack(">HH", number, 0) + b"Exif\0")
        for number in range(1, n_items + 1)
    )
    iinf = box(b"iinf", b"\0\0\0\0" + struct.pack(">H", n_items) + entries)
    return _START + box(b"meta", b"\0\0\0\0" + iinf + box(b"iloc", iloc)) + tail


@pytest.mark.parametrize("size", [(1, 1), (300, 7), (64, 300)])
def test_size_is_the_one_pillow_finds(size):
    image = pillow_bytes("AVIF", size)
    container = parsed(image)
    assert (container.width, container.height) == Image.open(io.BytesIO(image)).size
    assert (container.format, container.problem) == ("avif", None)


def test_exif_that_pillow_wrote_is_read():
    exif = Image.Exif()
    exif[0x0131] = "program"
    assert parsed(pillow_bytes("AVIF", exif=exif)).exif() == {"Software": "program"}


@pytest.mark.parametrize("in_idat", [False, True])
def test_items_are_read_from_the_file_and_from_idat(in_idat):
    blocks = parsed(avif(exif=b"II*\0", xmp=b"<x/>", in_idat=in_idat)).blocks
    assert [(block.kind, block.data) for block in blocks] == [
        ("exif", b"II*\0"),
        ("xmp", b"<x/>"),
    ]


def test_the_c2pa_uuid_box_is_read():
    (block,) = parsed(avif(manifest=SYNTHETIC_STORE)).blocks
    assert (block.kind, block.data) == ("c2pa", SYNTHETIC_STORE)


@pytest.mark.parametrize(
    "data", [b"", b"\1" * 16, manifest_box(b"")[8:], manifest_box(b"x")[8:28] + b"merkle\0" * 9]
)
def test_another_uuid_box_holds_no_manifest(data):
    assert parsed(avif() + box(b"uuid", data)).blocks == ()


def test_boxes_with_64_bit_sizes_are_walked():
    image = _START + box(b"free", b"12345678", wide=True) + manifest_box(SYNTHETIC_STORE)
    assert [block.kind for block in parsed(image).blocks] == ["c2pa"]


def test_a_last_box_without_a_size_reaches_to_the_end():
    container = parsed(_START + b"\0\0\0\0mdat" + b"x" * 99)
    assert (container.is_complete, container.problem) == (True, None)


def test_a_box_of_2_to_the_63_bytes_is_a_cut():
    container = parsed(_START + struct.pack(">I4sQ", 1, b"mdat", 1 << 63) + b"x" * 99)
    assert not container.is_complete


@pytest.mark.parametrize("kind", [b"iinf", b"iloc", b"idat", b"iprp"])
def test_a_box_of_2_to_the_63_bytes_inside_another_is_left_out(kind):
    inner = struct.pack(">I4sQ", 1, kind, 1 << 63) + b"x" * 99
    assert parsed(_START + box(b"meta", b"\0\0\0\0" + inner)).blocks == ()


@pytest.mark.parametrize("length", [2, 7])
def test_a_box_shorter_than_its_header_is_a_problem(length):
    container = parsed(_START + struct.pack(">I4s", length, b"mdat") + b"x" * 99)
    assert "no box header" in (container.problem or "")


def test_a_cut_at_any_byte_inside_a_box_is_never_complete():
    image = avif(exif=b"II*\0", in_idat=True)
    whole = {len(_START) + 4, image.index(b"mdat") - 4}
    for end in set(range(12, len(image))) - whole:
        assert not parsed(image[:end]).is_complete, end


def test_empty_boxes_of_items_hold_none():
    for inner in (box(b"iinf", b""), box(b"iinf", b"\0\0\0\0\0\1" + box(b"infe", b""))):
        image = _START + box(b"meta", b"\0\0\0\0" + box(b"iloc", b"") + inner)
        assert parsed(image).blocks == ()


def test_an_item_outside_the_file_is_left_out():
    places = struct.pack(">HHHHII", 1, 0, 0, 1, 1 << 31, 100)
    image = _with_items(b"\1\0\0\0\x44\0\0\1" + places)
    assert parsed(image).blocks == ()


def test_overlapping_stretches_cannot_make_a_large_item():
    stretch = struct.pack(">II", 0, 1 << 20)
    places = struct.pack(">HHHH", 1, 0, 0, 1000) + stretch * 1000
    image = _with_items(b"\1\0\0\0\x44\0\0\1" + places, tail=box(b"mdat", b"x" * (1 << 20)))
    container = parsed(image)
    assert container.blocks == ()
    assert str(MAX_BLOCK_BYTES) in (container.problem or "")


def test_stretches_that_take_no_bytes_are_bounded():
    places = b"".join(struct.pack(">HHH", number, 0, 65535) for number in range(1, 4001))
    start = time.perf_counter()
    parsed(_with_items(b"\0\0\0\0\0\0" + struct.pack(">H", 4000) + places, n_items=4000))
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("brands", "name"),
    [(b"heic\0\0\0\0mif1", "heif"), (b"mif1\0\0\0\0mif1avif", "avif"), (b"mif1\0\0\0\0", "heif")],
)
def test_the_format_is_told_by_the_brands(brands, name):
    assert parsed(box(b"ftyp", brands) + box(b"mdat", b"")).format == name


def test_a_second_description_is_not_read():
    # Each could announce the same long items again.
    image = avif(xmp=b"<x/>", in_idat=True)
    meta = image[image.index(b"meta") - 4 : image.index(b"mdat") - 4]
    assert len(parsed(image).blocks) == 1
    assert len(parsed(image + meta * 9).blocks) == 1


def test_an_item_name_of_many_zeros_takes_no_memory():
    n_bytes = 8 << 20
    name = box(b"infe", b"\2\0\0\0" + struct.pack(">HH", 1, 0) + b"mime" + b"\0" * n_bytes)
    iinf = box(b"iinf", b"\0\0\0\0\0\1" + name)
    image = _START + box(b"meta", b"\0\0\0\0" + box(b"iloc", b"") + iinf)
    tracemalloc.start()
    try:
        parsed(image)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < n_bytes
