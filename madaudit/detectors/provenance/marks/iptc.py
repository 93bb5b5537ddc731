"""IPTC: what the standard's own fields say of how an image came to be, in XMP and in IIM.

Three kinds: the digital source type, the AI system used (2025.1), and credits of which it is known
that a generator writes them. All are claims by the file, in plain text that anybody can write.

Source: IPTC Photo Metadata Standard 2023.1, "Digital Source Type", values in `source_types`;
2025.1, "AI System Used".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from madaudit.detectors.base import FromSource, Look, MarkDetector, one_line
from madaudit.detectors.provenance.iim import CREDIT, read_datasets
from madaudit.detectors.provenance.source_types import CLASSES, name_of, sentence
from madaudit.detectors.provenance.xmp import IPTC_EXT, PHOTOSHOP, XMP_BASIC, read_properties
from madaudit.types import Detail, Label

_Properties = dict[tuple[str, str], str]
# Credits in lower case to who writes them and what such an image is.
CREDITS: dict[str, tuple[str, Label]] = {
    "made with google ai": ("Google AI", "synthetic"),
    "edited with google ai": ("Google AI", "composite"),
    "imagined with ai": ("Meta AI", "synthetic"),
    "apple photos clean up": ("Apple Photos", "composite"),
}
# What stands in every packet that says anything here; most packets need not be parsed.
_WORDS = (b"DigitalSourceType", b"AISystemUsed", b":Credit")
_GOOGLE = "MediaArea/MediaInfoLib, pull request 2275; IPTC news of October 2024"
_META = (
    "IPTC news of February 2024 names the source type; the words are those of Meta's visible mark"
)


@dataclass(frozen=True)
class IPTC(MarkDetector):
    """Digital source type, AI system and known credits of the image itself."""

    name: ClassVar[str] = "iptc"
    version: ClassVar[int] = 2
    verified: ClassVar[str] = "verified on genuine files of Midjourney and IPTC"
    from_source: ClassVar[tuple[FromSource, ...]] = (
        FromSource("Google AI", "Credit in XMP and IIM", _GOOGLE),
        FromSource("Meta AI", "Credit in XMP and IIM", _META),
        FromSource(
            "Apple Photos",
            "Credit in XMP and IIM",
            "wiltodelta/remove-ai-watermarks, src/remove_ai_watermarks/_internal/constants.py",
        ),
        FromSource(
            "Any, by AI System Used", "XMP AISystemUsed", "IPTC Photo Metadata Standard 2025.1"
        ),
    )

    def examine(self, look: Look) -> Detail | None:
        if look.container is None:
            return None
        claims = [*_xmp_claims(look), *_iim_claims(look)]
        # The source type is the most exact; a camera's gives way to a generator's credit.
        return min(claims, key=lambda claim: claim.label == "real", default=None)


def _xmp_claims(look: Look) -> Iterator[Detail]:
    """Claims of the XMP packets, the source type first."""
    for block in look.container.of_kind("xmp") if look.container else ():
        if not any(word in block.data for word in _WORDS):
            continue
        properties = read_properties(block.data)
        value = properties.get((IPTC_EXT, "DigitalSourceType"))
        name = name_of(value) if value else None
        if name is not None:
            tool = _tool(look, properties)
            yield Detail(
                says=f"{tool}: its XMP {sentence(name)} ({name})",
                label=CLASSES[name],
                tool=tool,
                field=f"{block.where} DigitalSourceType",
                message=name,
            )
        system = one_line(properties.get((IPTC_EXT, "AISystemUsed"), ""), 60)
        if system:
            yield Detail(
                says=f"{system}: its XMP names it as the AI system that generated the image",
                label="synthetic",
                tool=system,
                field=f"{block.where} AISystemUsed",
            )
        yield from _credit(properties.get((PHOTOSHOP, "Credit"), ""), f"{block.where} Credit")


def _iim_claims(look: Look) -> Iterator[Detail]:
    for block in look.container.of_kind("iptc") if look.container else ():
        for credit in read_datasets(block.data).get(CREDIT, []):
            yield from _credit(credit, f"{block.where} Credit")


def _credit(text: str, field: str) -> Iterator[Detail]:
    known = CREDITS.get(text.strip().lower())
    if known is not None:
        tool, label = known
        yield Detail(
            says=f"{tool}: the image credits it ({one_line(text)!r} in {field})",
            label=label,
            tool=tool,
            field=field,
            message=one_line(text),
        )


def _tool(look: Look, properties: _Properties) -> str:
    """Who wrote the mark, from what stands beside it."""
    texts = look.container.texts() if look.container else {}
    description = texts.get("Description")
    if description is not None and " Job ID: " in description.text:
        return "Midjourney"
    credit = properties.get((PHOTOSHOP, "Credit"), "").strip()
    if credit.lower() in CREDITS:
        return CREDITS[credit.lower()][0]
    for name in ((IPTC_EXT, "AISystemUsed"), (XMP_BASIC, "CreatorTool"), (PHOTOSHOP, "Credit")):
        if properties.get(name):
            return one_line(properties[name], 60)
    return "unnamed"
