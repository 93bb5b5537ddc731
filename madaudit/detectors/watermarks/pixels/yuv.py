"""RGB to YUV and back in 8 bits, as OpenCV's BGR2YUV and YUV2BGR round it.

Invariants: every function gives OpenCV's bytes; its fixed-point sums stay below 2**24, so float32
holds them exactly.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.uint8]

# OpenCV's coefficients in units of 2**-14: color_yuv.simd.hpp, R2YI … YBI and U2BI … V2RI.
_ONE, _HALF = 1 << 14, 1 << 13
_LUMA = (4899, 9617, 1868)
_U_OF_B, _V_OF_R = 8061, 14369
_B_OF_U, _G_OF_U, _G_OF_V, _R_OF_V = 33292, -6472, -9519, 18678
# Rows that are converted at a time, so that what lies between stays in the processor's cache.
_STRIP = 32


def u_plane(rgb: Pixels) -> Plane:
    """The blue-difference plane alone, uint8 (h, w), in the order of memory that is fastest."""
    height, width = rgb.shape[:2]
    plane = np.empty((height, width), np.uint8)
    weights = np.array(_LUMA, np.float32) / np.float32(_ONE)
    for top in range(0, height, _STRIP):
        strip = rgb[top : top + _STRIP].reshape(-1, 3).astype(np.float32)
        values = strip @ weights
        values += np.float32(0.5)
        np.floor(values, out=values)
        np.subtract(strip[:, 2], values, out=values)
        values *= np.float32(_U_OF_B / _ONE)
        # U lies in [17, 239], so there is nothing to clip.
        values += np.float32(128.5)
        plane[top : top + _STRIP] = values.reshape(-1, width)
    return plane


def to_yuv(rgb: Pixels) -> Pixels:
    """RGB uint8 (h, w, 3) to YUV uint8 (h, w, 3)."""
    red, green, blue = (rgb[..., channel].astype(np.int32) for channel in range(3))
    luma = (_LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue + _HALF) >> 14
    u = ((blue - luma) * _U_OF_B + 128 * _ONE + _HALF) >> 14
    v = ((red - luma) * _V_OF_R + 128 * _ONE + _HALF) >> 14
    return _bytes(luma, u, v)


def to_rgb(yuv: Pixels) -> Pixels:
    """YUV uint8 (h, w, 3) to RGB uint8 (h, w, 3)."""
    luma, u, v = (yuv[..., channel].astype(np.int32) for channel in range(3))
    u, v = u - 128, v - 128
    red = luma + ((v * _R_OF_V + _HALF) >> 14)
    green = luma + ((u * _G_OF_U + v * _G_OF_V + _HALF) >> 14)
    blue = luma + ((u * _B_OF_U + _HALF) >> 14)
    return _bytes(red, green, blue)


def _bytes(*planes: npt.NDArray[np.int32]) -> Pixels:
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)
