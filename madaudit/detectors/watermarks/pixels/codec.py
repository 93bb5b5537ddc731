"""A message into an image and out of it, bit for bit as invisible-watermark 0.2.0 does it.

Bit k of a message of n stands in every block whose number, row after row, is k modulo n.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from madaudit import registry
from madaudit.detectors.watermarks.pixels.blocks import BLOCK_PX, METHODS, BlockMethod
from madaudit.detectors.watermarks.pixels.transforms import Bands, Floats, haar, inverse_haar
from madaudit.detectors.watermarks.pixels.yuv import Pixels, Plane, to_rgb, to_yuv, u_plane
from madaudit.errors import OptionError, RequestError

Bits = npt.NDArray[np.bool_]
# The library marks no smaller image, by number of pixels.
MIN_PIXELS = 256 * 256


def encode(
    image: Pixels, message: bytes | str | Sequence[int] | Bits, *, method: str = "dwt_dct"
) -> Pixels:
    """The image with a message in it.

    Args:
        image: uint8 RGB (h, w, 3), at least 256 × 256 pixels in all.
        message: bytes (or text, as UTF-8), eight bits each from the highest; or bits.
        method: "dwt_dct" or "dwt_dct_svd".

    Returns:
        uint8 RGB of the same shape; all pixels may differ by the rounding to YUV and back.

    Raises:
        RequestError: an image that cannot carry a mark.
        OptionError: an unknown method, or an empty message.

    Source: imwatermark/watermark.py; the library swaps two bands on its way back (`idwt2((ca1,
    (v1, h1, d1)))`), which is part of what genuine images carry, so it is kept.
    """
    kind, bits = _method(method), message_bits(message)
    _require_image(image, n_bits=1)
    yuv = to_yuv(image)
    height, width = image.shape[0] // 4 * 4, image.shape[1] // 4 * 4
    bands = haar(yuv[:height, :width, 1])
    average = bands.average
    rows, columns = average.shape[0] // 4, average.shape[1] // 4
    blocks = _cut(average[: rows * 4, : columns * 4], 4)
    repeated = np.resize(bits, rows * columns)
    marked = kind.embed(blocks.reshape(-1, 4, 4), repeated).reshape(blocks.shape)
    average[: rows * 4, : columns * 4] = _join(marked)
    swapped = Bands(average, bands.by_column, bands.by_row, bands.by_both)
    # Decimals are cut off and what leaves [0, 255] wraps, as when C writes doubles to bytes.
    yuv[:height, :width, 1] = inverse_haar(swapped).astype(np.int64).astype(np.uint8)
    return to_rgb(yuv)


def decode(image: Pixels, *, n_bits: int, method: str = "dwt_dct") -> Bits:
    """The bits that the library's decoder reads, in an image with a mark or without.

    Args:
        image: uint8 RGB (h, w, 3), at least 256 × 256 pixels in all and one block per bit.
        n_bits: length of the message.
        method: "dwt_dct" or "dwt_dct_svd".

    Returns:
        bool (n_bits,). For a check with a p-value use the detectors; any image gives bits.

    Raises:
        RequestError: an image that cannot carry such a mark.
        OptionError: an unknown method.
    """
    kind = _method(method)
    _require_image(image, n_bits=n_bits)
    hard = kind.hard_bits(block_plane(image)).ravel()
    places = np.arange(hard.size) % n_bits
    counts = np.bincount(places, minlength=n_bits)
    means = np.bincount(places, weights=hard, minlength=n_bits) / counts
    return np.asarray(means * 255 > 127)


def block_plane(image: Pixels) -> Plane:
    """The blue-difference plane, cut to whole blocks."""
    height = image.shape[0] // BLOCK_PX * BLOCK_PX
    width = image.shape[1] // BLOCK_PX * BLOCK_PX
    return u_plane(image[:height, :width])


def message_bits(message: bytes | str | Sequence[int] | Bits) -> Bits:
    """A message as bits, the highest of each byte first.

    Raises:
        OptionError: it is empty, or holds something else than 0 and 1.
    """
    if isinstance(message, str):
        message = message.encode()
    if isinstance(message, bytes):
        bits = np.unpackbits(np.frombuffer(message, np.uint8))
    else:
        bits = np.asarray(message)
    if bits.ndim != 1 or bits.size == 0 or not np.isin(bits, (0, 1)).all():
        raise OptionError(
            f"cannot use a message of shape {bits.shape}; allowed: bytes, text, or a sequence of "
            f"0 and 1, none of them empty"
        )
    return bits.astype(np.bool_)


def _method(name: str) -> BlockMethod:
    if name not in METHODS:
        raise OptionError(f"method {name!r} does not exist{registry.suggest(name, list(METHODS))}")
    return METHODS[name]


def _require_image(image: Pixels, *, n_bits: int) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise RequestError(
            f"cannot take an image of {image.dtype} {image.shape}; allowed: uint8 RGB (h, w, 3)"
        )
    height, width = image.shape[:2]
    if height * width < MIN_PIXELS:
        raise RequestError(
            f"cannot use an image of {width} × {height} pixels; the mark needs at least "
            f"{MIN_PIXELS} in all"
        )
    n_blocks = (height // BLOCK_PX) * (width // BLOCK_PX)
    if not 1 <= n_bits <= n_blocks:
        raise RequestError(
            f"cannot read {n_bits} bits from {n_blocks} blocks of {BLOCK_PX} × {BLOCK_PX} pixels; "
            f"allowed: 1 to {n_blocks}"
        )


def _cut(plane: Floats, side: int) -> Floats:
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    return plane.reshape(rows, side, columns, side).swapaxes(1, 2)


def _join(blocks: Floats) -> Floats:
    rows, columns, side, _ = blocks.shape
    return blocks.swapaxes(1, 2).reshape(rows * side, columns * side)
