"""Native-pixel tiles of an image: the only thing that the features see.

Invariants: nothing is resampled; every image gives the same number of tiles of one size, so that
its size is no feature; tiles begin at multiples of 8, so that the last JPEG's grid always lies the
same way and its place says nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

TILE_PX = 128
N_TILES = 4

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]


def tiles_of(rgb: Pixels) -> Pixels | None:
    """Four tiles around the middles of the image's quarters; they overlap in small images.

    Args:
        rgb: uint8 (h, w, 3).

    Returns:
        uint8 (4, 128, 128, 3), or None where a side is under 128 pixels.
    """
    height, width = rgb.shape[:2]
    if min(height, width) < TILE_PX:
        return None
    out = np.empty((N_TILES, TILE_PX, TILE_PX, 3), np.uint8)
    corners = [(top, left) for top in _starts(height) for left in _starts(width)]
    for tile, (top, left) in zip(out, corners, strict=True):
        tile[:] = rgb[top : top + TILE_PX, left : left + TILE_PX]
    return out


def _starts(side: int) -> tuple[int, int]:
    """Where the two tiles along a side begin."""
    last = side - TILE_PX
    first, second = (
        min(max(middle - TILE_PX // 2, 0), last) for middle in (side // 4, 3 * side // 4)
    )
    return first & ~7, second & ~7
