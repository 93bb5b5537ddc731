"""NovelAI: PNG text chunks, or EXIF in WebP.

What it hides in the pixels is read by `stealth`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from madaudit.detectors.base import FromSource, Look, MarkDetector
from madaudit.detectors.provenance.novelai_fields import read_novelai
from madaudit.types import Detail


@dataclass(frozen=True)
class NovelAI(MarkDetector):
    """NovelAI's settings in PNG and WebP."""

    name: ClassVar[str] = "novelai"
    version: ClassVar[int] = 1
    verified: ClassVar[str] = "verified on 3 genuine files and one cut to a pixel"
    from_source: ClassVar[tuple[FromSource, ...]] = (
        FromSource(
            "NovelAI (image-to-image, inpainting)",
            "PNG tEXt Comment",
            "6DammK9/nai-anime-pure-negative-prompt, ch02/nai_v3_sdxl.md (the service has "
            "published no format)",
        ),
    )

    def examine(self, look: Look) -> Detail | None:
        texts = look.texts
        if "Software" in texts:
            fields = {keyword: block.text for keyword, block in texts.items()}
            return read_novelai(fields, f"{texts['Software'].where} and Comment")
        for field, values in look.settings:
            if "Software" in values:
                return read_novelai(values, field)
        return None
