"""GIF: comments, XMP and manifests among its extensions, and files that end early."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.detectors.image_building import (
    SYNTHETIC_STORE,
    detect,
    gif,
    gif_comment,
    gif_manifest,
    gif_xmp,
    parsed,
    pillow_bytes,
    source_type_xmp,
    state_of,
)


@pytest.mark.parametrize("size", [(1, 1), (300, 7), (7, 300)])
def test_size_is_the_one_pillow_finds(size):
    container = parsed(pillow_bytes("GIF", size))
    assert (container.width, container.height) == size
    assert container.problem is None


def test_what_is_built_here_still_decodes():
    image = gif(gif_comment("a note"), gif_xmp(source_type_xmp()), gif_manifest(SYNTHETIC_STORE))
    with Image.open(io.BytesIO(image)) as picture:
        picture.load()
        assert picture.info["comment"] == b"a note"


def test_an_animation_is_walked_to_its_end():
    frames = [Image.new("P", (5, 5), number) for number in range(4)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], comment=b"four")
    container = parsed(buffer.getvalue())
    assert container.problem is None
    assert [block.text for block in container.blocks] == ["four"]


def test_a_comment_is_a_comment_of_any_length():
    (block,) = parsed(gif(gif_comment("x" * 1000))).blocks
    assert (block.kind, block.text) == ("comment", "x" * 1000)


def test_the_source_type_is_found_in_the_xmp_extension():
    detail = detect("iptc", gif(gif_xmp(source_type_xmp()))).detail
    assert (detail.label, detail.field) == ("synthetic", "GIF XMP DigitalSourceType")


def test_a_manifest_is_found_in_its_extension():
    detail = detect("c2pa", gif(gif_manifest(SYNTHETIC_STORE))).detail
    assert (detail.label, detail.field) == ("synthetic", "GIF C2PA")


@pytest.mark.parametrize("name", ["c2pa", "iptc", "a1111"])
def test_a_gif_without_marks_is_absent(name):
    assert state_of(name, pillow_bytes("GIF")) == "absent"


def test_a_mark_behind_the_trailer_gives_no_hit():
    image = pillow_bytes("GIF") + gif_manifest(SYNTHETIC_STORE)
    assert state_of("c2pa", image) == "absent"


@pytest.mark.parametrize("end", [8, 12, 30, -20, -5])
def test_a_gif_cut_inside_a_block_is_truncated(end):
    image = gif(gif_comment("x" * 300))
    container = parsed(image[:end])
    assert not container.is_complete
    assert "cut" in container.problem
    assert state_of("c2pa", image[:end]) == "missing"


def test_a_gif_without_a_trailer_is_whole():
    """Encoders that leave it out exist, and decoders do not mind."""
    image = pillow_bytes("GIF")
    assert image[-1:] == b"\x3b"
    assert parsed(image[:-1]).problem is None


def test_a_byte_that_begins_no_block_is_a_problem():
    image = pillow_bytes("GIF")[:-1] + b"\x99"
    assert "no block at byte" in parsed(image).problem
    assert state_of("c2pa", image) == "missing"
