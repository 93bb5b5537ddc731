"""Which squares of an image an encoder sees: cut at native pixels, never resized.

Resizing would write the same history into every image, over the traces that a probe lives on, and
an image's size would decide how much of it (`data.md` calls size the label of most collections).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from madaudit.errors import InputError, OptionError

Crop = npt.NDArray[np.uint8]
#: One in the centre, or that and four around it.
N_CROPS = (1, 5)
# Where the four others lie, as shares of the room that is left beside a crop.
_CORNERS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))


@dataclass(frozen=True)
class CropRule:
    """Squares at native pixels; an image that has no room for one has no features.

    Padding is no way out: mirrored or black borders are themselves a trace, and only small images
    would carry it.

    Attributes:
        n_crops: 1 (centre) or 5 (centre and corners, their features averaged).
        grid_px: positions are rounded down to a multiple of it. 1 is torchvision's CenterCrop
            (half to even); 16 keeps the blocks of JPEG (8 × 8, colour 16 × 16) where the file has
            them, so that their phase in the crop does not tell the image's size.
    """

    n_crops: int = 1
    grid_px: int = 16

    def __post_init__(self) -> None:
        if self.n_crops not in N_CROPS:
            raise OptionError(f"cannot take {self.n_crops!r} crops an image; allowed: 1, 5")
        if self.grid_px not in (1, 8, 16):
            raise OptionError(f"cannot cut on a grid of {self.grid_px!r} px; allowed: 1, 8, 16")

    def __str__(self) -> str:
        where = "centre" if self.n_crops == 1 else "centre and corners"
        return f"native pixels, {where}, grid {self.grid_px}"

    def cut(self, pixels: Crop, side_px: int) -> list[Crop]:
        """Squares of one image, empty where its short side is below `side_px`.

        Args:
            pixels: RGB uint8 (h, w, 3).
            side_px: side of the squares.
        """
        room = (pixels.shape[0] - side_px, pixels.shape[1] - side_px)
        if min(room) < 0:
            return []
        shares = [(0.5, 0.5), *_CORNERS][: self.n_crops]
        places = [
            [self._place(r * s) for r, s in zip(room, share, strict=True)] for share in shares
        ]
        return [pixels[y : y + side_px, x : x + side_px] for y, x in places]

    def _place(self, offset: float) -> int:
        return round(offset) // self.grid_px * self.grid_px

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> CropRule:
        """The rule that `to_dict` wrote.

        Raises:
            InputError: it is none.
        """
        values = (content.get("n_crops"), content.get("grid_px"))
        if set(content) != {"n_crops", "grid_px"} or any(type(v) is not int for v in values):
            raise InputError(
                f"cannot read a crop rule: {dict(content)!r:.100}; needed are whole numbers "
                f"n_crops and grid_px"
            )
        return cls(**content)


#: One crop in the centre, on JPEG's grid.
CENTRE = CropRule()
