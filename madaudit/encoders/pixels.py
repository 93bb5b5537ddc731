"""Pixels as CLIP takes them."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from madaudit.encoders.crops import Crop

# Radford et al. 2021, arXiv:2103.00020: the channels' mean and standard deviation, of 0 to 1.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def clip_planes(
    crop: Crop, mean: tuple[float, ...] = CLIP_MEAN, std: tuple[float, ...] = CLIP_STD
) -> npt.NDArray[np.float32]:
    """One crop, RGB uint8 (s, s, 3), normalised by channel: float32 (1, 3, s, s).

    Looked up by value, which takes a quarter of the time that arithmetic on each pixel does.
    """
    planes = np.empty((1, 3, *crop.shape[:2]), dtype=np.float32)
    for channel, table in enumerate(_tables(mean, std)):
        # Every uint8 is a place in a table of 256, so nothing is ever clipped.
        np.take(table, crop[..., channel], out=planes[0, channel], mode="clip")
    return planes


@cache
def _tables(mean: tuple[float, ...], std: tuple[float, ...]) -> npt.NDArray[np.float32]:
    """Normalised value of each pixel value by channel, float32 (3, 256)."""
    scale = np.float32(1) / (255 * np.asarray(std, dtype=np.float32))
    shift = -np.asarray(mean, dtype=np.float32) / np.asarray(std, dtype=np.float32)
    values = np.arange(256, dtype=np.uint8)
    return np.asarray(values * scale[:, None] + shift[:, None], dtype=np.float32)
