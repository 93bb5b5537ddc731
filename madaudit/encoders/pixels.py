"""Pixels as CLIP takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from madaudit.encoders.crops import Crop

# Radford et al. 2021, arXiv:2103.00020: the channels' mean and standard deviation, of 0 to 1.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def clip_planes(
    crop: Crop, mean: Sequence[float] = CLIP_MEAN, std: Sequence[float] = CLIP_STD
) -> npt.NDArray[np.float32]:
    """One crop, RGB uint8 (s, s, 3), normalised by channel: float32 (1, 3, s, s)."""
    scale = np.float32(1) / (255 * np.asarray(std, dtype=np.float32))
    shift = -np.asarray(mean, dtype=np.float32) / np.asarray(std, dtype=np.float32)
    return np.ascontiguousarray((crop * scale + shift).transpose(2, 0, 1)[None])
