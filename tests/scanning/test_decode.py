"""Pixels of every mode become RGB; an alpha plane stays beside them, unblended."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from madaudit.detectors.base import Raster
from madaudit.detectors.provenance.containers import parse
from madaudit.scanning.decode import decode


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
