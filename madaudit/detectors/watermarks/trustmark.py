"""TrustMark (Bui et al. 2023, arXiv 2311.18297): 100 bits by an ONNX network.

The mark carries an identifier and does not say how an image was made, so what it means is the
message's label. TrustMark's own "valid" is not used: by its published schemes about 2 % of random
words of 100 bits pass their error correction, which is no evidence at web scale. Its Python
library returns an object without weights where its download fails; here that is a refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image

from madaudit import registry
from madaudit.detectors.base import Pixels
from madaudit.detectors.watermarks.neural import (
    Bits,
    NeuralWatermark,
    onnx_session,
    why_other_shape,
)
from madaudit.errors import OptionError

_SIDES_PX = {"B": 256, "C": 256, "P": 224, "Q": 256}


@dataclass(frozen=True)
class TrustMark(NeuralWatermark):
    """Messages of 100 bits, error correction and schema included.

    Attributes:
        variant: which decoder the weights are: B, C, P or Q.
    """

    variant: str = "Q"

    name: ClassVar[str] = "trustmark"
    version: ClassVar[int] = 1
    n_bits: ClassVar[int] = 100
    # Nobody is known to mark smaller images, and a network says something of any.
    min_pixels: ClassVar[int] = 128 * 128
    verified: ClassVar[str] = (
        "unverified: adobe/trustmark, rust/src (the weights could not be had; tested on a "
        "miniature in their format)"
    )
    weights_source: ClassVar[str] = "decoder_Q.onnx and its siblings, by adobe/trustmark"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant not in _SIDES_PX:
            raise OptionError(
                f"trustmark.variant {self.variant!r} does not exist"
                f"{registry.suggest(self.variant, list(_SIDES_PX))}"
            )

    def why_unloadable(self) -> str | None:
        side = _SIDES_PX[self.variant]
        shape = (0, 3, side, side)
        return why_other_shape(self.weights, given="image", shape=shape, n_bits=self.n_bits)

    def read_bits(self, pixels: Pixels) -> Bits:
        side = _SIDES_PX[self.variant]
        height, width = pixels.shape[:2]
        picture = Image.fromarray(pixels)
        resized = picture.resize(
            (side, side), Image.Resampling.BILINEAR, box=_box(width, height, self.variant)
        )
        planes = np.asarray(resized, dtype=np.float32).transpose(2, 0, 1)[None] / 127.5 - 1.0
        (output,) = onnx_session(self.weights).run(None, {"image": planes.astype(np.float32)})
        return np.asarray(output[0] >= 0)


def _box(width: int, height: int, variant: str) -> tuple[int, int, int, int]:
    """The part that the network sees: all, or the middle square of long images and for P."""
    short, long = min(width, height), max(width, height)
    if long <= 2 * short and variant != "P":
        return 0, 0, width, height
    offset = (long - short) // 2
    if height > width:
        return 0, offset, short, offset + short
    return offset, 0, offset + short, short
