"""JPEG segments: sizes, cuts, and metadata put together from several of them."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from madaudit.detectors.provenance.containers import parse
from madaudit.limits import MAX_PARTS
from tests.detectors.image_building import (
    EXIF_HEADER,
    SYNTHETIC_STORE,
    XMP_HEADER,
    app11,
    image_resource,
    jpeg,
    jpeg_with_manifest,
    parsed,
    pillow_bytes,
    superbox,
)

_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"


def _extended(offset: int, data: bytes, whole: int) -> tuple[int, bytes]:
    places = whole.to_bytes(4, "big") + offset.to_bytes(4, "big")
    return 0xE1, _XMP_MORE + b"0123456789ABCDEF" * 2 + places + data


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (300, 7), (7, 300)])
def test_size_is_the_one_pillow_finds(size, progressive):
    image = pillow_bytes("JPEG", size, progressive=progressive)
    container = parsed(image)
    assert (container.width, container.height) == Image.open(io.BytesIO(image)).size
    assert container.problem is None


@pytest.mark.parametrize("marker", [n for n in range(0xC0, 0xD0) if n not in (0xC4, 0xC8, 0xCC)])
def test_every_start_of_frame_gives_the_size(marker):
    image = jpeg(size=(40, 30)).replace(b"\xff\xc0", b"\xff" + bytes([marker]))
    assert (parsed(image).width, parsed(image).height) == (40, 30)


def test_huffman_tables_are_not_taken_for_a_frame():
    image = jpeg((0xC4, b"\0" * 20), (0xCC, b"\0" * 20), size=(40, 30))
    assert parsed(image).width == 40


def test_fill_bytes_before_a_marker_are_stepped_over():
    image = jpeg((0xFE, b"note"))
    filled = image.replace(b"\xff\xfe", b"\xff\xff\xff\xfe")
    assert [block.text for block in parsed(filled).blocks] == ["note"]


def test_an_endless_run_of_fill_bytes_is_given_up():
    container = parsed(b"\xff\xd8" + b"\xff" * (MAX_PARTS + 100) + b"\xff\xd9")
    assert "segments" in (container.problem or "")


def test_markers_without_a_length_are_stepped_over():
    image = jpeg((0xFE, b"note"))
    marked = image[:2] + b"\xff\x01\xff\xd0" + image[2:]
    assert parsed(marked).problem is None


def test_a_cut_at_any_byte_is_never_complete():
    image = jpeg((0xE1, EXIF_HEADER + b"II*\0\xff\xd9"), (0xFE, b"note"))
    for end in range(len(image)):
        container = parse(memoryview(image[:end]))
        assert container is None or not container.is_complete, end


def test_a_comment_before_the_cut_is_kept():
    image = jpeg((0xFE, b"note"))
    assert [block.text for block in parsed(image[:60]).blocks] == ["note"]


def test_bytes_behind_the_end_change_nothing():
    image = jpeg((0xFE, b"note"))
    assert parsed(image + b"trailer").problem is None


def test_an_end_before_the_first_scan_is_a_broken_header():
    assert "no segment marker" in (parsed(b"\xff\xd8\xff\xd9\0\0\0\0").problem or "")


def test_a_segment_shorter_than_its_own_length_field_is_broken():
    assert parsed(b"\xff\xd8\xff\xfe\0\1" + b"\0" * 50).problem is not None


def test_exif_and_xmp_lose_their_headers():
    blocks = parsed(jpeg((0xE1, EXIF_HEADER + b"II*\0"), (0xE1, XMP_HEADER + b"<x/>"))).blocks
    assert [(block.kind, block.data) for block in blocks] == [
        ("exif", b"II*\0"),
        ("xmp", b"<x/>"),
    ]


def test_extended_xmp_is_joined_in_the_order_of_its_offsets():
    parts = [_extended(5, b" there", 11), _extended(0, b"hello", 11)]
    (block,) = parsed(jpeg(*parts)).blocks
    assert (block.kind, block.data) == ("xmp", b"hello there")


def test_iptc_is_found_among_photoshop_resources():
    resources = image_resource(0x03ED, b"odd", b"name") + image_resource(0x0404, b"\x1c\2\x05\0\0")
    (block,) = parsed(jpeg((0xED, b"Photoshop 3.0\0" + resources))).blocks
    assert (block.kind, block.data) == ("iptc", b"\x1c\2\x05\0\0")


@pytest.mark.parametrize("resources", [b"", b"8BIM", b"8BIM\4\4", b"8BIM\4\4\xff" * 3])
def test_broken_photoshop_resources_hold_no_iptc(resources):
    assert parsed(jpeg((0xED, b"Photoshop 3.0\0" + resources))).blocks == ()


def test_a_comment_is_read_as_utf8():
    (block,) = parsed(jpeg((0xFE, "Bär".encode() + b"\0"))).blocks
    assert (block.kind, block.text) == ("comment", "Bär")


def test_a_manifest_in_one_segment_is_whole():
    (block,) = parsed(jpeg_with_manifest(SYNTHETIC_STORE)).of_kind("c2pa")
    assert block.data == SYNTHETIC_STORE


def test_a_manifest_over_several_segments_is_put_together():
    count = -(-(len(SYNTHETIC_STORE) - 8) // 100)
    parts = app11(SYNTHETIC_STORE, range(1, count + 1))
    (block,) = parsed(jpeg(*((0xEB, part) for part in parts))).of_kind("c2pa")
    assert count > 2
    assert block.data == SYNTHETIC_STORE


def test_a_gap_in_packet_numbers_ends_the_manifest():
    count = -(-(len(SYNTHETIC_STORE) - 8) // 100)
    numbers = [1, *range(3, count + 2)]
    parts = app11(SYNTHETIC_STORE, numbers)
    (block,) = parsed(jpeg(*((0xEB, part) for part in parts))).of_kind("c2pa")
    assert block.data == SYNTHETIC_STORE[:108]


def test_jumbf_of_another_standard_is_no_manifest():
    other = superbox("snack", kind=b"JPSN")
    (part,) = app11(other, [1])
    assert parsed(jpeg((0xEB, part))).blocks == ()


@pytest.mark.parametrize("data", [b"", b"JP", b"JP\0\1\0\0\0\1", b"XX" + b"\0" * 40])
def test_app11_without_a_whole_header_is_left_out(data):
    assert parsed(jpeg((0xEB, data))).blocks == ()
