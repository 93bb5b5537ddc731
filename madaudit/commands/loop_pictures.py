"""Samples of a loop as the pictures that watermarks and detectors take."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from madaudit.errors import OptionError

Pixels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]


def require_images(values: npt.NDArray[Any], what: str) -> None:
    """Refuse points, which nothing can look at.

    Raises:
        OptionError: no images of one or three channels.
    """
    if values.ndim != 4 or values.shape[1] not in (1, 3):
        raise OptionError(
            f"cannot {what} samples of shape {values.shape[1:]}: allowed are images of one or "
            f"three channels; give --data of images"
        )


def values_of(pictures: Pixels) -> Values:
    """Pictures (n, h, w, 3) as samples (n, 3, h, w) in [−1, 1]."""
    return np.ascontiguousarray((pictures / np.float32(127.5) - 1).transpose(0, 3, 1, 2))


def pictures_of(values: Values) -> Pixels:
    """Images (n, channels, h, w) in [−1, 1] as uint8 RGB (n, h, w, 3), one channel as grey."""
    bounded = np.clip((values + 1) * 127.5 + 0.5, 0, 255)
    pixels = bounded.astype(np.uint8).transpose(0, 2, 3, 1)
    return np.asarray(pixels if pixels.shape[3] == 3 else pixels.repeat(3, axis=3))


def repeated(picture: Pixels, least_px: int) -> Pixels:
    """A picture beside and below itself, until both sides are `least_px` or more."""
    rows, columns = (-(-least_px // side) for side in picture.shape[:2])
    return np.tile(picture, (rows, columns, 1))


def enlarged(picture: Pixels, side_px: int) -> Pixels:
    """A picture brought to a side, bicubic; one that is larger already stays."""
    return picture if min(picture.shape[:2]) >= side_px else at_side(picture, side_px)


def at_side(picture: Pixels, side_px: int) -> Pixels:
    """A picture brought to a square of that side, bicubic, whatever its own is."""
    from PIL import Image

    if picture.shape[:2] == (side_px, side_px):
        return picture
    resized = Image.fromarray(picture).resize((side_px, side_px), Image.Resampling.BICUBIC)
    return np.asarray(resized)
