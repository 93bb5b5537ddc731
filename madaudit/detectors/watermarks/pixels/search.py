"""The positions at which a mark may stand: crops and sizes that are tried beyond the image itself.

A crop moves the grid of blocks by 0–7 pixels each way and the numbering of the blocks by a
constant; how many blocks a row had decides the numbering's stride, so a few widths are tried. An
enlarged or reduced image is brought back to a size that generators use. Each position is one
hypothesis for each message, and all are charged.

Invariants: the image as it is is always tried; the positions depend on the image's size alone,
never on its pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from madaudit.detectors.watermarks.pixels.blocks import BLOCK_PX, BlockMethod
from madaudit.detectors.watermarks.pixels.codec import block_plane
from madaudit.detectors.watermarks.pixels.messages import Message
from madaudit.detectors.watermarks.pixels.reading import Fit, Floats, best_fit, softness
from madaudit.detectors.watermarks.pixels.yuv import Pixels, Plane
from madaudit.limits import MAX_RESIZED_PIXELS

Search = Literal["none", "offsets", "sizes", "both"]
SEARCHES: tuple[Search, ...] = get_args(Search)
# What the generators of the messages write by default; both sides are brought to them.
SIZES_PX = (512, 768, 1024)


class Position(NamedTuple):
    """A place at which blocks may have stood.

    Attributes:
        blocks: softness (rows, columns) there.
        where: in words.
        strides: blocks in a row of the whole image, those that are tried.
    """

    blocks: Floats
    where: str
    strides: tuple[int, ...] = ()


def search(
    image: Pixels, plane: Plane, messages: Sequence[Message], method: BlockMethod, reach: Search
) -> Fit | None:
    """The best fit over all positions within reach, with their number.

    Args:
        image: uint8 RGB, of at least as many pixels as a mark needs.
        plane: its blue differences, as `block_plane` gives them.
        messages: to look for.
        method: how a bit stands in a block.
        reach: which positions are tried.

    Returns:
        None where no message has as few bits as there are blocks.
    """
    fits = [
        found
        for position in _positions(image, plane, method, reach)
        if (found := _fit(position, messages, method.name)) is not None
    ]
    if not fits:
        return None
    best = min(fits, key=lambda fit: fit.p_value)
    return best._replace(hypotheses=sum(fit.hypotheses for fit in fits))


def _positions(
    image: Pixels, plane: Plane, method: BlockMethod, reach: Search
) -> Iterator[Position]:
    yield Position(softness(plane, method), "")
    if reach in ("offsets", "both"):
        for top in range(BLOCK_PX):
            for left in range(BLOCK_PX):
                blocks = softness(block_plane(image[top:, left:]), method)
                strides = _strides(image.shape[1])
                yield Position(blocks, f"cropped, grid moved by {left}, {top} px", strides)
    if reach in ("sizes", "both"):
        for width, height in _sizes(image.shape[1], image.shape[0]):
            resized = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
            blocks = softness(block_plane(np.asarray(resized)), method)
            yield Position(blocks, f"brought back to {width} × {height} px")


def _strides(width: int) -> tuple[int, ...]:
    """Blocks a row had: as many as now, one more, or as in an image of a usual width."""
    now = width // BLOCK_PX
    return tuple(sorted({now, now + 1, *(px // BLOCK_PX for px in SIZES_PX if px >= width)}))


def _sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Usual sizes of the short side, the ratio kept, other than the image's own."""
    short = min(width, height)
    sizes = [(round(width * px / short), round(height * px / short)) for px in SIZES_PX]
    return [(w, h) for w, h in sizes if (w, h) != (width, height) and w * h <= MAX_RESIZED_PIXELS]


def _fit(position: Position, messages: Sequence[Message], method: str) -> Fit | None:
    if not position.strides:
        found = best_fit(position.blocks, messages, method)
        return found and found._replace(where=position.where)
    fits = [
        _best_shift(position.blocks, message, method, stride)
        for message in messages
        if message.n_bits <= position.blocks.size
        for stride in position.strides
    ]
    if not fits:
        return None
    best = min(fits, key=lambda fit: fit.p_value)
    return best._replace(hypotheses=sum(fit.hypotheses for fit in fits), where=position.where)


def _best_shift(blocks: Floats, message: Message, method: str, stride: int) -> Fit:
    """The best of all n shifts of the numbering."""
    numbers = _numbers(blocks.shape, stride, message.n_bits)
    sums = np.bincount(numbers, weights=blocks.ravel(), minlength=message.n_bits)
    read = np.where(sums > 0, 1.0, -1.0)
    wanted: npt.NDArray[np.float64] = np.where(message.bits, 1.0, -1.0)
    # Circular correlation: agreements minus disagreements at every shift.
    spectrum = np.conj(np.fft.rfft(read)) * np.fft.rfft(wanted)
    margins = np.rint(np.fft.irfft(spectrum, message.n_bits))
    n_agree = int((margins.max() + message.n_bits) // 2)
    return Fit(message, n_agree, message.tail(method)[n_agree], message.n_bits)


@lru_cache(maxsize=256)
def _numbers(shape: tuple[int, ...], stride: int, n_bits: int) -> npt.NDArray[np.intp]:
    """Bit of each block, row after row, if a row of the whole image had `stride` blocks."""
    rows, columns = np.indices(shape)
    return np.asarray((rows * stride + columns).ravel() % n_bits, dtype=np.intp)
