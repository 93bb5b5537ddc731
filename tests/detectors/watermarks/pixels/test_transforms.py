"""Transforms beside independent ones; that they round as the library's, test_codec holds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import fft

from madaudit.detectors.watermarks.pixels.blocks import METHODS
from madaudit.detectors.watermarks.pixels.transforms import (
    dct,
    haar,
    haar_average,
    inverse_dct,
    inverse_haar,
)
from madaudit.detectors.watermarks.pixels.yuv import to_rgb, to_yuv, u_plane


def noise(*shape):
    return np.random.default_rng(4).integers(0, 256, shape, dtype=np.uint8)


def test_the_dct_is_the_orthonormal_one_and_its_inverse_its_inverse():
    blocks = noise(50, 4, 4).astype(float)
    np.testing.assert_allclose(dct(blocks), fft.dctn(blocks, axes=(1, 2), norm="ortho"), atol=1e-9)
    np.testing.assert_allclose(inverse_dct(dct(blocks)), blocks, atol=1e-9)


def test_the_haar_transform_comes_back_and_averages_two_by_two():
    plane = noise(16, 24)
    bands = haar(plane)
    sums = plane.astype(int).reshape(8, 2, 12, 2).sum(axis=(1, 3))
    np.testing.assert_allclose(bands.average, sums / 2)
    np.testing.assert_allclose(inverse_haar(bands), plane, atol=1e-9)
    assert np.array_equal(haar_average(plane), bands.average)


@pytest.mark.parametrize("red", range(0, 256, 51))
def test_the_fast_plane_is_the_integer_one_for_every_green_and_blue(red):
    green, blue = np.indices((256, 256), dtype=np.uint8)
    image = np.stack([np.full_like(green, red), green, blue], axis=-1)
    assert np.array_equal(u_plane(image), to_yuv(image)[..., 1])


def test_colours_come_back_to_within_rounding():
    # The strongest reds and blues leave the range of their plane and are cut, as in OpenCV.
    image = noise(64, 64, 3) // 2 + 64
    assert np.abs(to_rgb(to_yuv(image)).astype(int) - image).max() <= 2
    grey = np.repeat(noise(64, 64, 1), 3, axis=-1)
    assert np.array_equal(to_rgb(to_yuv(grey)), grey)


@pytest.mark.parametrize("plane", [noise(64, 80), noise(64, 80) // 255 * 255, noise(64, 80) * 0])
def test_the_fast_singular_values_are_lapacks(plane):
    method = METHODS["dwt_dct_svd"]
    pixels = plane.reshape(8, 8, 10, 8).swapaxes(1, 2).reshape(-1, 8, 8)
    values = np.linalg.svd(haar_average(pixels), compute_uv=False)[:, 0]
    apart = np.abs(np.exp(2j * np.pi * (method.phases(plane).ravel() - values / 36)) - 1)
    assert apart.max() < 1e-8


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_exact_phase_is_the_fast_one_to_within_rounding(method):
    plane = noise(64, 80)
    pixels = plane.reshape(8, 8, 10, 8).swapaxes(1, 2).reshape(-1, 8, 8)
    turns = method.exact_phases(pixels) - method.phases(plane).ravel()
    assert np.abs(turns - np.rint(turns)).max() < 1e-9
