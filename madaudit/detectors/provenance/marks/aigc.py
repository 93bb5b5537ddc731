"""China's label of generated content: the JSON object AIGC of GB 45438-2025, annex E.

Label 1 says that the content is generated or synthesised, 2 that it may be, 3 that it is suspected
to be; 2 and 3 are a platform's words about what others uploaded, so they claim nothing and are no
hit. The label does not tell whole images from parts of them; here it counts as synthetic.

Source: GB 45438-2025, annex E, and TC260's practice guides on file metadata, as the reader in
wiltodelta/remove-ai-watermarks has them: XMP property AIGC of TC260's namespace, a PNG text of
that keyword, and an object {"AIGC": …} in EXIF's UserComment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from madaudit.detectors.base import FromSource, Look, MarkDetector, one_line
from madaudit.detectors.provenance.xmp import TC260, read_properties
from madaudit.limits import MAX_AIGC_CHARS
from madaudit.types import Detail, Label

# A label and one of these, or it is another program's JSON.
_FIELDS = frozenset(
    {
        "ContentProducer",
        "ProduceID",
        "ReservedCode1",
        "ContentPropagator",
        "PropagateID",
        "ReservedCode2",
    }
)
_MEANINGS: dict[str, tuple[str, Label | None]] = {
    "1": ("says that the content is generated or synthesised", "synthetic"),
    "2": ("says that the content may be generated, which proves nothing", None),
    "3": ("says that the content is suspected to be generated, which proves nothing", None),
}
_READER = "wiltodelta/remove-ai-watermarks, src/remove_ai_watermarks/metadata.py"


@dataclass(frozen=True)
class AIGC(MarkDetector):
    """The label of GB 45438-2025."""

    name: ClassVar[str] = "aigc"
    version: ClassVar[int] = 1
    verified: ClassVar[str] = "from source: GB 45438-2025 and its readers; no genuine file at hand"
    from_source: ClassVar[tuple[FromSource, ...]] = (
        FromSource("Any, by China's AIGC label", "XMP TC260:AIGC", "GB 45438-2025, annex E"),
        FromSource("Any, by China's AIGC label", "PNG tEXt AIGC", _READER),
        FromSource("Any, by China's AIGC label", "EXIF UserComment", _READER),
    )

    def examine(self, look: Look) -> Detail | None:
        for field, text in _places(look):
            label = _label(text)
            if label is not None:
                return _detail(field, label)
        return None


def _places(look: Look) -> Iterator[tuple[str, str]]:
    """Where the object may stand."""
    if look.container is not None:
        for block in look.container.of_kind("xmp"):
            if TC260.encode() in block.data:
                for (space, name), text in read_properties(block.data).items():
                    if name == "AIGC" and space.startswith(TC260):
                        yield f"{block.where} TC260:AIGC", text
        labelled = look.container.texts().get("AIGC")
        if labelled is not None:
            yield labelled.where, labelled.text
    tags, source = look.exif()
    if '"AIGC"' in tags.get("UserComment", ""):
        yield f"{source} UserComment", tags["UserComment"]


def _label(text: str) -> dict[str, Any] | None:
    """The object of the standard, or None where the text is another."""
    if len(text) > MAX_AIGC_CHARS:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict) and isinstance(value.get("AIGC"), dict):
        value = value["AIGC"]
    if not isinstance(value, dict) or str(value.get("Label")) not in _MEANINGS:
        return None
    return value if _FIELDS & value.keys() else None


def _detail(field: str, label: dict[str, Any]) -> Detail:
    says, claim = _MEANINGS[str(label["Label"])]
    producer = one_line(str(label.get("ContentProducer") or ""), 60)
    return Detail(
        says=f"China's AIGC label by {producer or 'an unnamed producer'} {says} ({field})",
        label=claim,
        tool=producer or "unnamed",
        field=field,
        message=f"Label {label['Label']}",
    )
