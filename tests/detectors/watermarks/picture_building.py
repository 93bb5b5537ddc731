"""Pictures to mark, and the library beside which ours stands where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np

from madaudit.detectors.base import Pixels


def picture(width: int, height: int, seed: int = 0) -> Pixels:
    """Smooth colours with a little noise, the same on every machine."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((height, width))
    planes = [
        (rows * (2 + k) + columns * (3 - k) + rows * columns // 97) // 4 % 200 + 20
        for k in range(3)
    ]
    noise = rng.integers(0, 24, (height, width, 3))
    return np.asarray((np.stack(planes, axis=-1) + noise).astype(np.uint8))


def flat(colour: tuple[int, int, int], side: int = 256) -> Pixels:
    return np.full((side, side, 3), colour, np.uint8)


def library_encode(image: Pixels, bits: list[int], method: str) -> Pixels:
    from imwatermark import WatermarkEncoder

    encoder = WatermarkEncoder()
    encoder.set_watermark("bits", bits)
    return np.asarray(encoder.encode(np.ascontiguousarray(image[..., ::-1]), method)[..., ::-1])


def library_decode(image: Pixels, n_bits: int, method: str) -> list[int]:
    from imwatermark import WatermarkDecoder

    decoder: Any = WatermarkDecoder("bits", n_bits)
    read = decoder.decode(np.ascontiguousarray(image[..., ::-1]), method)
    return [int(bit) for bit in read]
