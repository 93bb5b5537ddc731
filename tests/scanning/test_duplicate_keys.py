"""Copies of a picture share their keys; other pictures do not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from madaudit.detectors.base import Pixels, Raster
from madaudit.scanning.duplicate_keys import content_digest, perceptual_hash
from tests.detectors.shared_data import DATA, needs_data
from tests.scanning.data_building import jpeg, marked_png, rows, scan, write_tar

_CLOSE = 10  # differing bits of 64; chance puts 2 of 80,000 pairs of photos that near


def _photos() -> list[Pixels]:
    paths = sorted((DATA / "real" / "azure_samples").iterdir())
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]


def _n_differing(one: Pixels, other: Pixels) -> int:
    return (perceptual_hash(one) ^ perceptual_hash(other)).bit_count()


def _recompressed(pixels: Pixels, side_px: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((side_px, side_px)).save(buffer, "JPEG", quality=75)
    return np.asarray(Image.open(buffer))


@pytest.mark.slow
@needs_data
def test_a_resized_and_compressed_copy_has_a_close_hash() -> None:
    differing = [_n_differing(photo, _recompressed(photo, 256)) for photo in _photos()]
    assert np.mean(np.array(differing) <= _CLOSE) >= 0.95


@needs_data
def test_other_photos_have_distant_hashes() -> None:
    hashes = [perceptual_hash(photo) for photo in _photos()]
    near = [
        (one ^ other).bit_count() <= _CLOSE
        for place, one in enumerate(hashes)
        for other in hashes[:place]
    ]
    assert np.mean(near) <= 0.01


def test_the_hash_is_the_sign_of_the_lowest_cosines_about_their_median() -> None:
    grey = np.random.default_rng(5).integers(0, 256, (32, 32), dtype=np.uint8)
    lowest = dctn(grey.astype(float))[:8, :8]
    bits = "".join("01"[int(bit)] for bit in (lowest > np.median(lowest)).ravel())
    assert perceptual_hash(np.dstack([grey] * 3)) == int(bits, 2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (7, 5)])
def test_images_of_any_shape_have_keys(shape: tuple[int, int]) -> None:
    rgb = np.full((*shape, 3), 9, dtype=np.uint8)
    assert 0 <= perceptual_hash(rgb) < 1 << 64
    assert len(content_digest(Raster(rgb))) == 32


def test_the_digest_tells_size_and_alpha_apart() -> None:
    wide, tall = np.zeros((2, 8, 3), np.uint8), np.zeros((8, 2, 3), np.uint8)
    alpha = np.zeros((2, 8), np.uint8)
    digests = [content_digest(Raster(wide)), content_digest(Raster(tall))]
    digests.append(content_digest(Raster(wide, alpha)))
    assert len(set(digests)) == 3


def _repacked(png: bytes) -> bytes:
    """The same pixels without metadata, compressed otherwise."""
    buffer = io.BytesIO()
    pixels = np.asarray(Image.open(io.BytesIO(png)))
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def test_a_scan_of_pixels_finds_the_same_picture_in_other_files(tmp_path: Path) -> None:
    png = marked_png(3)
    members = [("a.png", png), ("b.png", _repacked(png)), ("c.jpg", jpeg(4)), ("d.jpg", b"x")]
    scan([write_tar(tmp_path / "in/0.tar", members)], tmp_path / "store", tier="pixels")
    one, copy, other, broken = rows(tmp_path / "store", "0.tar")
    assert one["content_digest"] == copy["content_digest"] != other["content_digest"]
    assert one["perceptual_hash"] == copy["perceptual_hash"]
    assert broken["content_digest"] is broken["perceptual_hash"] is None


def test_a_scan_of_headers_leaves_the_keys_out(tmp_path: Path) -> None:
    scan([write_tar(tmp_path / "in/0.tar", [("c.jpg", jpeg(4))])], tmp_path / "store")
    (row,) = rows(tmp_path / "store", "0.tar")
    assert row["content_digest"] is row["perceptual_hash"] is None
