"""Pixels of every mode become RGB; an alpha plane stays beside them, unblended."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from madaudit.detectors.base import Raster
from madaudit.detectors.provenance.containers import parse
from madaudit.scanning.decode import decode
from tests.detectors.image_building import pillow_bytes


def _decoded(picture: Image.Image, form: str = "PNG") -> Raster:
    buffer = io.BytesIO()
    picture.save(buffer, form)
    image = memoryview(buffer.getvalue())
    container = parse(image)
    assert container is not None
    raster = decode(image, container, 1 << 20).raster
    assert raster is not None
    return raster


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "RGB", "CMYK", "LA", "RGBA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    raster = _decoded(Image.new(mode, (3, 2)), "JPEG" if mode == "CMYK" else "PNG")
    assert raster.rgb.shape == (2, 3, 3)
    assert raster.rgb.dtype == np.uint8


def test_alpha_is_kept_beside_colours_that_it_does_not_touch() -> None:
    raster = _decoded(Image.new("RGBA", (3, 2), (10, 20, 30, 7)))
    assert raster.alpha is not None
    assert raster.alpha.shape == (2, 3)
    assert (raster.alpha == 7).all()
    assert (raster.rgb == (10, 20, 30)).all()
    assert raster.size_bytes == 24


def test_an_image_without_alpha_has_no_alpha_plane() -> None:
    assert _decoded(Image.new("RGB", (3, 2))).alpha is None


@pytest.mark.parametrize("rest", [b"\xe1\0\4xx" + bytes(50), bytes(50), b"\xd9"])
def test_a_jpeg_that_pillow_does_not_open_is_a_decode_error(rest: bytes) -> None:
    # Pillow raised KeyError here, which cost the whole shard its rows.
    image = memoryview(b"\xff\xd8\xff" + rest)
    container = parse(image)
    assert container is not None
    decoded = decode(image, container, 1 << 20)
    assert (decoded.raster, decoded.status) == (None, "decode_error")
    # Two engines give equal rows, so no address of an object may stand in one.
    assert decoded.error == "UnidentifiedImageError: cannot identify image file"


def test_a_photo_of_two_frames_is_decoded_as_a_jpeg() -> None:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(buffer, "MPO", save_all=True, append_images=frames[1:])
    image = memoryview(buffer.getvalue())
    container = parse(image)
    assert container is not None
    assert decode(image, container, 1 << 20).status == "ok"


@pytest.mark.parametrize(
    "error", [KeyError("x"), IndexError(), struct.error(), ZeroDivisionError()]
)
def test_whatever_pillow_raises_is_a_decode_error(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    image = memoryview(pillow_bytes("PNG"))
    container = parse(image)
    assert container is not None
    monkeypatch.setattr(Image, "open", failing)
    decoded = decode(image, container, 1 << 20)
    assert decoded.status == "decode_error"
    assert (decoded.error or "").startswith(type(error).__name__)
