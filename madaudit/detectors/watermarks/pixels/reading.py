"""Soft bits of an image, and how well messages fit them.

A block's softness is −sin 2π of its phase: +1 where a 1 was set, −1 where a 0 was, 0 at the edges
between them. A bit is the sign of its blocks' sum, so a block that lies on an edge does not vote.
For a message drawn at random any such bits match it in Binomial(n, ½), whatever the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.detectors.watermarks.pixels.blocks import BlockMethod
from madaudit.detectors.watermarks.pixels.messages import Message
from madaudit.detectors.watermarks.pixels.yuv import Plane

Floats = npt.NDArray[np.float64]


class Fit(NamedTuple):
    """The best of the messages that were tried.

    Attributes:
        message: which.
        n_agree: matching bits.
        p_value: of this message alone, not charged for the others.
        hypotheses: how many messages and positions were tried.
        where: at which position, in words; empty for the image as it is.
    """

    message: Message
    n_agree: int
    p_value: float
    hypotheses: int
    where: str = ""


def softness(plane: Plane, method: BlockMethod) -> Floats:
    """Softness of each block, (rows, columns), in [−1, 1].

    Args:
        plane: blue differences, uint8, both sides multiples of 8.
        method: how a bit stands in a block.
    """
    return np.asarray(-np.sin(2 * np.pi * method.phases(plane)))


def folded(blocks: Floats, n_bits: int) -> Floats:
    """Sums of softness per bit (n_bits,), blocks numbered row after row."""
    flat = blocks.ravel()
    whole = flat.size // n_bits * n_bits
    sums = flat[:whole].reshape(-1, n_bits).sum(axis=0)
    sums[: flat.size - whole] += flat[whole:]
    return np.asarray(sums)


def best_fit(blocks: Floats, messages: Sequence[Message], method: str) -> Fit | None:
    """The message with the smallest p-value, or None where there are too few blocks for any."""
    fits = []
    bits_by_length: dict[int, npt.NDArray[np.bool_]] = {}
    for message in messages:
        if message.n_bits > blocks.size:
            continue
        if message.n_bits not in bits_by_length:
            bits_by_length[message.n_bits] = folded(blocks, message.n_bits) > 0
        n_agree = int((bits_by_length[message.n_bits] == message.bits).sum())
        fits.append((message.tail(method)[n_agree], n_agree, message))
    if not fits:
        return None
    p_value, n_agree, message = min(fits, key=lambda fit: fit[0])
    return Fit(message, n_agree, p_value, len(fits))
