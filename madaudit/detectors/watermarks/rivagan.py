"""RivaGAN, the method "rivaGan" of invisible-watermark: 32 bits by an ONNX network.

About a second an image of 512 pixels, so it is for a sampled scan (`scan --sample N`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from madaudit.detectors.base import Pixels
from madaudit.detectors.watermarks.neural import (
    Bits,
    NeuralWatermark,
    onnx_session,
    why_other_shape,
)
from madaudit.detectors.watermarks.pixels.codec import MIN_PIXELS

# Of the library's class RivaWatermark: numbers above it are ones.
_THRESHOLD = 0.52


@dataclass(frozen=True)
class RivaGan(NeuralWatermark):
    """Messages of 32 bits; no generator is known to write one, so the messages are the user's."""

    name: ClassVar[str] = "rivagan"
    version: ClassVar[int] = 1
    n_bits: ClassVar[int] = 32
    min_pixels: ClassVar[int] = MIN_PIXELS
    verified: ClassVar[str] = (
        "verified with invisible-watermark's own weights and encoder; slow, for sampled scans"
    )
    weights_source: ClassVar[str] = (
        "rivagan_decoder.onnx, which `madaudit weights fetch rivagan-decoder` gets"
    )

    def why_unloadable(self) -> str | None:
        return why_other_shape(self.weights, given="frame", shape=(0, 3, 1, 0, 0), n_bits=32)

    def read_bits(self, pixels: Pixels) -> Bits:
        # The library hands OpenCV's order of colours to the network.
        frame = np.ascontiguousarray(pixels[..., ::-1]).astype(np.float32)
        frame /= np.float32(127.5)
        frame -= np.float32(1.0)
        planes = frame.transpose(2, 0, 1)[None, :, None]
        (output,) = onnx_session(self.weights).run(None, {"frame": planes})
        return np.asarray(output[0] > _THRESHOLD)
