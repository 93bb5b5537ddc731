"""One level of the Haar transform and the DCT of 4 × 4 blocks, rounded as the library's.

invisible-watermark takes them from PyWavelets and OpenCV in float64. A mark is read by a remainder
and written by cutting off decimals, so the last bit of a sum can decide: sums are therefore taken
in those packages' order. All functions work on the last two axes of an array.

Source: PyWavelets' `_multidim.dwtn` and `idwtn` (axes in order, back in reverse); OpenCV's
`dxt.cpp`, `DCT` and `IDCT` (rows, then columns, by a real DFT of four).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_HAAR = 0.7071067811865476
_SIN_45 = 0.7071067811865476
# OpenCV's `dct_wave` for n = 4: 2 · 2**-1.5 at angles 0, −π/8, −2π/8, one product after the other.
_SCALE = 2 * 0.3535533905932738
_COS, _SIN = 0.9238795325112867, -0.3826834323650898
_W1_RE, _W1_IM = _SCALE * _COS - 0.0 * _SIN, _SCALE * _SIN + 0.0 * _COS
_W2_RE = _W1_RE * _COS - _W1_IM * _SIN


class Bands(NamedTuple):
    """One level of a Haar transform: approximation, and differences by row, by column, of both."""

    average: Floats
    by_row: Floats
    by_column: Floats
    by_both: Floats


def haar(plane: npt.NDArray[np.uint8]) -> Bands:
    """Haar transform of (…, 2m, 2n) bytes."""
    scaled = _HAAR * plane.astype(np.float64)
    top, bottom = scaled[..., 0::2, :], scaled[..., 1::2, :]
    average, by_column = _split(top + bottom)
    by_row, by_both = _split(top - bottom)
    return Bands(average, by_row, by_column, by_both)


def haar_average(plane: npt.NDArray[np.uint8]) -> Floats:
    """The approximation alone: about half the sum of each 2 × 2 pixels, in [0, 510]."""
    scaled = _HAAR * plane.astype(np.float64)
    return _split(scaled[..., 0::2, :] + scaled[..., 1::2, :])[0]


def inverse_haar(bands: Bands) -> Floats:
    """The plane back, (…, 2m, 2n)."""
    rows, columns = bands.average.shape[-2:]
    low = _join(bands.average, bands.by_column)
    high = _join(bands.by_row, bands.by_both)
    plane = np.empty((*bands.average.shape[:-2], 2 * rows, 2 * columns))
    plane[..., 0::2, :] = _HAAR * low + _HAAR * high
    plane[..., 1::2, :] = _HAAR * low - _HAAR * high
    return plane


def dct(blocks: Floats) -> Floats:
    """DCT-II (orthonormal) of (…, 4, 4)."""
    return _swap(_dct_rows(_swap(_dct_rows(blocks))))


def inverse_dct(blocks: Floats) -> Floats:
    """DCT-III (orthonormal) of (…, 4, 4)."""
    return _swap(_inverse_dct_rows(_swap(_inverse_dct_rows(blocks))))


def _split(values: Floats) -> tuple[Floats, Floats]:
    scaled = _HAAR * values
    left, right = scaled[..., 0::2], scaled[..., 1::2]
    return left + right, left - right


def _join(low: Floats, high: Floats) -> Floats:
    joined = np.empty((*low.shape[:-1], 2 * low.shape[-1]))
    joined[..., 0::2] = _HAAR * low + _HAAR * high
    joined[..., 1::2] = _HAAR * low - _HAAR * high
    return joined


def _dct_rows(x: Floats) -> Floats:
    x0, x1, x2, x3 = (x[..., place] for place in range(4))
    even, odd = x0 + x3, x2 + x1
    real, imaginary = x0 - x3, -(x2 - x1)
    result = np.empty_like(x)
    result[..., 0] = (even + odd) * _SCALE * _SIN_45
    result[..., 1] = _W1_RE * real - _W1_IM * imaginary
    result[..., 2] = (even - odd) * _W2_RE
    result[..., 3] = -_W1_IM * real - _W1_RE * imaginary
    return result


def _inverse_dct_rows(x: Floats) -> Floats:
    x0, x1, x2, x3 = (x[..., place] for place in range(4))
    # OpenCV's wave for the way back is half the one for the way there.
    w1_re, w1_im = _W1_RE / 2, _W1_IM / 2
    first, last = x0 * 2 * (_SCALE / 2) * _SIN_45, x2 * 2 * (_W2_RE / 2)
    real, imaginary = w1_re * x1 - w1_im * x3, -w1_im * x1 - w1_re * x3
    even, odd = first + last, first - last
    result = np.empty_like(x)
    result[..., 0] = even + 2 * real
    result[..., 1] = odd + 2 * imaginary
    result[..., 2] = odd - 2 * imaginary
    result[..., 3] = even - 2 * real
    return result


def _swap(x: Floats) -> Floats:
    return np.ascontiguousarray(x.swapaxes(-1, -2))
