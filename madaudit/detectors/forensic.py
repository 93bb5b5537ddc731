"""Traces of generation in the pixels, by a small linear model that comes with madaudit.

No scan runs it unless asked: on generators that it never saw it is right too seldom (`verified`).
Its score means something through a calibration only, never by its sign.

Source: docs/models/forensic.md, which scripts/train_forensic writes: what the weights were fitted
on, and how they do on generators and photo sources that they never saw.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, ClassVar

from madaudit.detectors.base import Batch, Detector, Kind, Pixels, Tier
from madaudit.detectors.forensics import ForensicModel, features
from madaudit.detectors.forensics.tiles import TILE_PX
from madaudit.detectors.watermarks.pixels.judging import without_pixels
from madaudit.types import UNOBSERVABLE, Detail, Evidence

_IN_WORDS = {
    "spectrum": "spectrum",
    "noise": "noise",
    "colour": "colours",
    "structure": "noise beside structure",
}


@cache
def shipped_model() -> ForensicModel:
    """The weights inside the package."""
    folder = resources.files("madaudit.detectors.forensics")
    return ForensicModel.from_dict(json.loads((folder / "weights.json").read_text("utf-8")))


@dataclass(frozen=True)
class Forensic(Detector):
    """Scores images by spectrum, noise, structure and colours of native pixels."""

    name: ClassVar[str] = "forensic"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "graded"
    tier: ClassVar[Tier] = "pixels"
    verified: ClassVar[str] = (
        "switched off unless asked for: mean AUC .647 on generators and photo sources left out, "
        "under the bar of .65, with all controls in bounds (docs/models/forensic.md)"
    )
    weights_source: ClassVar[str] = "in the package (docs/models/forensic.md)"

    def detect(self, batch: Batch) -> list[Evidence]:
        return [self._evidence(batch, index) for index in range(len(batch))]

    def fingerprint(self) -> Mapping[str, Any]:
        return {"weights": shipped_model().digest}

    def judge(self, pixels: Pixels) -> Evidence:
        """Evidence of one decoded image.

        Args:
            pixels: uint8 RGB (h, w, 3), never resized after decoding.
        """
        values = features(pixels)
        if values is None:
            return UNOBSERVABLE._replace(detail=Detail(_why_not(pixels)))
        model = shipped_model()
        score = float(model.score(values))
        shares = model.contributions(values)
        towards = max(shares, key=lambda group: shares[group] if score > 0 else -shares[group])
        like = "generated images" if score > 0 else "photos"
        says = f"more like {like} (logit {score:+.2f}), most by its {_IN_WORDS[towards]}"
        return Evidence("present", score, Detail(says))

    def _evidence(self, batch: Batch, index: int) -> Evidence:
        pixels = batch.pixels(index)
        return without_pixels(batch.looks[index].sample) if pixels is None else self.judge(pixels)


def _why_not(pixels: Pixels) -> str:
    height, width = pixels.shape[:2]
    if min(height, width) < TILE_PX:
        return f"not scored: {width} × {height} pixels, and {TILE_PX} each way are needed"
    return "not scored: the pixels looked at are flat or the same along a direction"
