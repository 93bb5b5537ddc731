"""SwarmUI: its own JSON, {"sui_image_params": {…}}, beside or instead of ComfyUI's graph.

It stands in the PNG chunk "parameters" and in EXIF's UserComment (of old, Model). Source:
mcmonkeyprojects/SwarmUI, src/Utils/Image.cs (places), src/Text2Image/T2IParamTypes.cs (names: a
parameter's own in small letters, without spaces).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from madaudit.detectors.base import FromSource, Look, MarkDetector
from madaudit.detectors.provenance.generation import (
    ENLARGEMENT,
    IMAGE_TO_IMAGE,
    INPAINTING,
    TEXT_TO_IMAGE,
    Mode,
    generated,
)
from madaudit.types import Detail

# A mask is written as a file's name or as how it was shrunk, never as an image.
_MASK = ("maskimage", "maskimage_filename", "maskshrinkgrow")
_SOURCE_IMAGE = ("initimage", "initimage_filename", "initimagecreativity")


@dataclass(frozen=True)
class SwarmUI(MarkDetector):
    """Settings of SwarmUI and StableSwarmUI."""

    name: ClassVar[str] = "swarmui"
    version: ClassVar[int] = 1
    verified: ClassVar[str] = "verified on 2 genuine files (docs/provenance.md)"
    from_source: ClassVar[tuple[FromSource, ...]] = (
        FromSource(
            "SwarmUI (image-to-image, inpainting, enlargement)",
            "PNG tEXt parameters",
            "mcmonkeyprojects/SwarmUI, src/Text2Image/T2IParamTypes.cs",
        ),
        FromSource(
            "SwarmUI (early)", "EXIF Model", "mcmonkeyprojects/SwarmUI, src/Utils/Image.cs"
        ),
    )

    def examine(self, look: Look) -> Detail | None:
        for field, values in look.settings:
            params = values.get("sui_image_params")
            if isinstance(params, dict):
                extra = values.get("sui_extra_data")
                stated = {**extra, **params} if isinstance(extra, dict) else params
                return generated("SwarmUI", _mode(stated), field, params.get("model"))
        return None


def _mode(stated: dict[str, Any]) -> Mode:
    """A creativity of 0 leaves the source image as it is, for the enlarger."""
    if any(name in stated for name in _MASK):
        return INPAINTING
    if any(name in stated for name in _SOURCE_IMAGE):
        return ENLARGEMENT if stated.get("initimagecreativity") == 0 else IMAGE_TO_IMAGE
    return TEXT_TO_IMAGE
