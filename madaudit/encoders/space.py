"""A feature space: an encoder and the squares of an image that it sees.

Features may be compared, averaged or weighed only within one space; its key names it.
"""

from __future__ import annotations

from dataclasses import dataclass

from madaudit.encoders.base import Encoder, Features
from madaudit.encoders.crops import CENTRE, Crop, CropRule


@dataclass(frozen=True)
class FeatureSpace:
    """Where features live.

    Attributes:
        encoder: by which they are made.
        crops: of which squares.
    """

    encoder: Encoder
    crops: CropRule = CENTRE

    @property
    def key(self) -> str:
        """What makes two spaces the same: the encoder's digest and the crop rule."""
        return f"{self.encoder.digest} {self.crops}"

    def cut(self, pixels: Crop) -> list[Crop]:
        """Squares of an image, RGB uint8 (h, w, 3); empty where it has no room for one."""
        return self.crops.cut(pixels, self.encoder.side_px)

    def features(self, pixels: Crop) -> Features | None:
        """Features (d,) of one image as the tower gives them, the mean over its squares.

        Args:
            pixels: RGB uint8 (h, w, 3).

        Returns:
            float32 (d,), or None where the image is too small.
        """
        squares = self.cut(pixels)
        return self.encoder.project(squares).mean(axis=0) if squares else None
