"""What both checks of invisible-watermark's frequency methods share.

Invariants: one p-value per image, charged for all messages, both methods and every position; an
image that cannot have carried a mark is unobservable with the reason, never absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from madaudit import registry
from madaudit.detectors.base import Batch, Detector, Kind, Pixels, Tier
from madaudit.detectors.watermarks.pixels import messages as known
from madaudit.detectors.watermarks.pixels.blocks import METHODS
from madaudit.detectors.watermarks.pixels.codec import MIN_PIXELS, block_plane
from madaudit.detectors.watermarks.pixels.judging import (
    evidence_of,
    require_threshold,
    unobservable,
    without_pixels,
)
from madaudit.detectors.watermarks.pixels.search import SEARCHES, Search, search
from madaudit.detectors.watermarks.pixels.yuv import Plane
from madaudit.errors import OptionError
from madaudit.types import Evidence


@dataclass(frozen=True)
class FrequencyWatermark(Detector):
    """Looks for known messages in the blue-difference plane.

    Attributes:
        threshold: largest p-value that is called present.
        messages: TOML file with further messages, beside those that come with madaudit.
        search: "none" reads the image as it is; "offsets" tries crops, "sizes" tries enlarged and
            reduced images, "both" tries both. Each costs time and is charged to p.

    Class attributes:
        method: how a bit stands in a block.
    """

    threshold: float = 1e-6
    messages: str = ""
    search: Search = "none"

    kind: ClassVar[Kind] = "one-sided"
    tier: ClassVar[Tier] = "pixels"
    method: ClassVar[str]

    def __post_init__(self) -> None:
        require_threshold(self.name, self.threshold)
        if self.search not in SEARCHES:
            raise OptionError(
                f"{self.name}.search {self.search!r} does not exist"
                f"{registry.suggest(str(self.search), list(SEARCHES))}"
            )
        known.load(self.messages)

    def detect(self, batch: Batch) -> list[Evidence]:
        return [self._evidence(batch, index) for index in range(len(batch))]

    def fingerprint(self) -> Mapping[str, Any]:
        return {"messages": known.load(self.messages).digest}

    def wanted(self) -> tuple[known.Message, ...]:
        """The messages that it looks for."""
        return known.load(self.messages).wanted_by(self.name)

    def judge(self, pixels: Pixels) -> Evidence:
        """Evidence of one decoded image.

        Args:
            pixels: uint8 RGB (h, w, 3).
        """
        plane = block_plane(pixels)
        why = why_unobservable(pixels, plane)
        if why is None:
            fit = search(pixels, plane, self.wanted(), METHODS[self.method], self.search)
            if fit is not None:
                # Both methods are charged to each: whoever runs both reads whichever answers.
                return evidence_of(
                    fit,
                    threshold=self.threshold,
                    hypotheses=fit.hypotheses * len(METHODS),
                    field="blue-difference plane",
                )
            why = "it has fewer blocks of 8 × 8 pixels than any message has bits"
        return unobservable(why)

    def _evidence(self, batch: Batch, index: int) -> Evidence:
        pixels = batch.pixels(index)
        return without_pixels(batch.looks[index].sample) if pixels is None else self.judge(pixels)


def why_unobservable(pixels: Pixels, plane: Plane) -> str | None:
    """Why an image cannot carry a mark, or None where it can.

    Args:
        pixels: uint8 RGB.
        plane: its blue differences.
    """
    height, width = pixels.shape[:2]
    if height * width < MIN_PIXELS:
        return f"{width} × {height} pixels are fewer than the {MIN_PIXELS} that a mark needs"
    if plane.size and plane.min() == plane.max():
        is_grey = np.ptp(pixels, axis=-1).max() == 0
        what = "grey, and the mark stands in colour" if is_grey else "of one tint"
        return f"it is {what}"
    return None
