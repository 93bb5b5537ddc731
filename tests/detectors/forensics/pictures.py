"""Small images that tests of the forensic detector look at."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def photo_like(seed: int, size: tuple[int, int] = (256, 256)) -> np.ndarray:
    """Smooth shapes under grain, uint8 RGB (h, w, 3)."""
    rng = np.random.default_rng(seed)
    shapes = ndimage.gaussian_filter(rng.standard_normal((*size, 3)), (6, 6, 0))
    shapes = 127 + 900 * shapes + 4 * rng.standard_normal((*size, 3))
    return np.clip(np.rint(shapes), 0, 255).astype(np.uint8)


def doubled(image: np.ndarray, axis: int) -> np.ndarray:
    """Twice as long along an axis, by linear interpolation (Gallagher's case)."""
    wide = image.astype(np.int16)
    between = (wide + np.roll(wide, -1, axis=axis)) // 2
    return (
        np.stack([wide, between], axis=axis + 1)
        .reshape(tuple(2 * n if a == axis else n for a, n in enumerate(image.shape)))
        .astype(np.uint8)
    )
