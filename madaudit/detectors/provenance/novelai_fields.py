"""NovelAI's own fields: Software, Source and a Comment in JSON.

They stand in PNG text chunks, inside one JSON object in EXIF's UserComment, or hidden in the
pixels. Source: genuine files of 2022 to 2026, and NovelAI/novelai-image-metadata,
nai_meta_writer.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from madaudit.detectors.provenance.generation import (
    IMAGE_TO_IMAGE,
    INPAINTING,
    TEXT_TO_IMAGE,
    UNSTATED,
    generated,
)
from madaudit.detectors.provenance.json_text import read_object
from madaudit.types import Detail

# Comments of 2022 have no request type, and a strength also where no image was given.
_MODES = {
    "PromptGenerateRequest": TEXT_TO_IMAGE,
    "Img2ImgRequest": IMAGE_TO_IMAGE,
    "NativeInfillingRequest": INPAINTING,
}


def read_novelai(fields: Mapping[str, Any], where: str) -> Detail | None:
    """The mark in NovelAI's fields, or None where they are not NovelAI's.

    Args:
        fields: names to texts.
        where: the place they stand in, for the detail.
    """
    software, source, comment = (fields.get(n) for n in ("Software", "Source", "Comment"))
    if not isinstance(software, str) or not software.startswith("NovelAI"):
        return None
    settings = read_object(comment) if isinstance(comment, str) else comment
    kind = settings.get("request_type") if isinstance(settings, dict) else None
    mode = _MODES.get(kind, UNSTATED) if isinstance(kind, str) else UNSTATED
    return generated("NovelAI", mode, where, source)
