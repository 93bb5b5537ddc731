"""What happens to images between a generator and a training set, as far as pixels go.

Each pipeline takes uint8 RGB and gives uint8 RGB. Resizing is Pillow's; img2dataset resizes by
OpenCV (area downwards, Lanczos upwards), whose pixels differ by rounding, not in kind.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image

from madaudit.detectors.base import Pixels

Pipeline = Callable[[Pixels], Pixels]
_IMG2DATASET_PX = 256


def as_written(image: Pixels) -> Pixels:
    """Nothing: a lossless file as the generator wrote it."""
    return image


def jpeg(image: Pixels, *, quality: int) -> Pixels:
    """Written as a JPEG with Pillow's defaults (4:2:0) and read back."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))


def resized(image: Pixels, *, short_px: int) -> Pixels:
    """Brought to a short side, the ratio kept."""
    height, width = image.shape[:2]
    factor = short_px / min(height, width)
    return _resize(image, round(width * factor), round(height * factor))


def img2dataset(image: Pixels) -> Pixels:
    """img2dataset's defaults: the long side to 256 px, a white border to a square, JPEG 95."""
    return jpeg(bordered(image), quality=95)


def kept_ratio(image: Pixels, *, most_px: int) -> Pixels:
    """The long side brought down to `most_px`, smaller images left as they are.

    DataComp's download_upstream.py: img2dataset with resize_mode "keep_ratio_largest" and
    resize_only_if_bigger.
    """
    height, width = image.shape[:2]
    factor = most_px / max(height, width)
    if factor >= 1:
        return image
    return _resize(image, max(1, round(width * factor)), max(1, round(height * factor)))


def bordered(image: Pixels) -> Pixels:
    """img2dataset's resize_mode "border" at its default of 256 px, before it is written."""
    height, width = image.shape[:2]
    factor = _IMG2DATASET_PX / max(height, width)
    inner = _resize(image, max(1, round(width * factor)), max(1, round(height * factor)))
    square = np.full((_IMG2DATASET_PX, _IMG2DATASET_PX, 3), 255, np.uint8)
    top = (_IMG2DATASET_PX - inner.shape[0]) // 2
    left = (_IMG2DATASET_PX - inner.shape[1]) // 2
    square[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return square


def cropped(image: Pixels, *, keep: float) -> Pixels:
    """The middle, that share of each side."""
    height, width = image.shape[:2]
    top, left = round(height * (1 - keep) / 2), round(width * (1 - keep) / 2)
    return np.ascontiguousarray(image[top : height - top, left : width - left])


def _resize(image: Pixels, width: int, height: int) -> Pixels:
    shrinks = width * height < image.shape[0] * image.shape[1]
    kernel = Image.Resampling.BOX if shrinks else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(image).resize((width, height), kernel))


PIPELINES: dict[str, Pipeline] = {
    "as written": as_written,
    "JPEG 95": partial(jpeg, quality=95),
    "JPEG 85": partial(jpeg, quality=85),
    "JPEG 75": partial(jpeg, quality=75),
    "resize 512": partial(resized, short_px=512),
    "resize 256": partial(resized, short_px=256),
    "img2dataset": img2dataset,
    "crop 0.9": partial(cropped, keep=0.9),
}
