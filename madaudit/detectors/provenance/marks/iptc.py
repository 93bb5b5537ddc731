"""IPTC's DigitalSourceType in XMP: the standard's own word for how an image came to be.

Source: IPTC Photo Metadata Standard 2023.1, "Digital Source Type"; values in `source_types`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from madaudit.detectors.base import Look, MarkDetector, one_line
from madaudit.detectors.provenance.source_types import CLASSES, name_of, sentence
from madaudit.detectors.provenance.xmp import IPTC_EXT, PHOTOSHOP, XMP_BASIC, read_properties
from madaudit.types import Detail


@dataclass(frozen=True)
class IPTC(MarkDetector):
    """Digital source type of the image's own XMP."""

    name: ClassVar[str] = "iptc"
    version: ClassVar[int] = 1
    verified: ClassVar[str] = "verified on genuine files of Midjourney and IPTC"

    def examine(self, look: Look) -> Detail | None:
        if look.container is None:
            return None
        for block in look.container.of_kind("xmp"):
            if b"DigitalSourceType" not in block.data:
                continue
            properties = read_properties(block.data)
            value = properties.get((IPTC_EXT, "DigitalSourceType"))
            name = name_of(value) if value else None
            if name is None:
                continue
            tool = _tool(look, properties)
            return Detail(
                says=f"{tool}: its XMP {sentence(name)} ({name})",
                label=CLASSES[name],
                tool=tool,
                field=f"{block.where} DigitalSourceType",
                message=name,
            )
        return None


def _tool(look: Look, properties: dict[tuple[str, str], str]) -> str:
    """Who wrote the mark, from what stands beside it."""
    texts = look.container.texts() if look.container else {}
    description = texts.get("Description")
    if description is not None and " Job ID: " in description.text:
        return "Midjourney"
    for name in ((XMP_BASIC, "CreatorTool"), (PHOTOSHOP, "Credit")):
        if properties.get(name):
            return one_line(properties[name], 60)
    return "unnamed"
