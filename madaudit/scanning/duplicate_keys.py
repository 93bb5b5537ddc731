"""Keys by which copies of an image find each other, once its pixels are decoded.

Two keys, since they answer two questions: the same pixels in another file, or the same picture
after resizing and compressing.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from PIL import Image

from madaudit.detectors.base import Pixels, Raster

_SIDE_PX = 32
_BITS_A_SIDE = 8
# Pillow first shrinks by whole factors, to no less than three times the side: 0.15 ms instead of
# 1.1 ms at 512 pixels, and as robust to JPEG and resizing on 400 photos.
_REDUCING_GAP = 3.0
# DCT-II, k < 8: cos(π (2 n + 1) k / 2N), N = 32.
_COSINES = np.cos(
    np.pi * (2 * np.arange(_SIDE_PX) + 1) * np.arange(_BITS_A_SIDE)[:, None] / (2 * _SIDE_PX)
)


class DuplicateKeys(NamedTuple):
    """Keys of one image.

    Attributes:
        content_digest: equal for equal pixels, whatever the file around them; 32 hexadecimal
            digits.
        perceptual_hash: 64 bits; copies differ in few of them, see `perceptual_hash`.
    """

    content_digest: str
    perceptual_hash: int


def duplicate_keys(raster: Raster) -> DuplicateKeys:
    """Both keys of a decoded image."""
    return DuplicateKeys(content_digest(raster), perceptual_hash(raster.rgb))


def content_digest(raster: Raster) -> str:
    """The first 128 bits of SHA-256 over size, RGB bytes and alpha bytes, hexadecimal.

    At five billion images two different ones share a digest with a probability below 1e-19. The
    pixels are 8 bits a channel; deeper images are compared after that rounding.
    """
    height, width = raster.rgb.shape[:2]
    sha = hashlib.sha256(f"{width}x{height}".encode())
    sha.update(np.ascontiguousarray(raster.rgb).data)
    if raster.alpha is not None:
        sha.update(np.ascontiguousarray(raster.alpha).data)
    return sha.hexdigest()[:32]


def perceptual_hash(rgb: Pixels) -> int:
    """The 64-bit DCT hash ("pHash") of a picture; compare by the number of differing bits.

    Grey, 32 × 32 pixels, the 8 × 8 lowest DCT coefficients, each against their median; the first
    bit is the highest. The bits are those of imagehash.phash but for a faster reduction: on 400
    photos 99 % differ from it in at most 2 bits. Mirrored and cropped copies have other hashes,
    and pictures without structure (one colour, a slide's frame) have close ones without being
    copies.

    Args:
        rgb: uint8 (h, w, 3).

    Source: N. Krawetz, "Looks Like It", 2011; C. Zauner, "Implementation and Benchmarking of
    Perceptual Image Hash Functions", 2010, §3.2.2 (there on 32 × 32 pixels with the median).
    """
    grey = Image.fromarray(np.ascontiguousarray(rgb)).convert("L")
    size = (_SIDE_PX, _SIDE_PX)
    small = grey.resize(size, Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)
    lowest = _COSINES @ np.asarray(small, dtype=np.float64) @ _COSINES.T
    bits = np.packbits(lowest > np.median(lowest))
    return int.from_bytes(bits.tobytes(), "big")
