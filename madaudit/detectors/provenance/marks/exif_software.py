"""EXIF signatures: programs and services that name themselves in EXIF tags.

A signature is a set of tags that must all match. The list is data: add a line with its source,
and a genuine file to the tests where there is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from madaudit.detectors.base import FromSource, Look, MarkDetector, one_line
from madaudit.types import Detail, Label


class Signature(NamedTuple):
    """Tags that a program writes.

    Attributes:
        tool: its name.
        tags: tag name to a pattern that its text must match from the start.
        label: what such a file is.
        model_tag: tag that holds the model's name, "" for none.
        tool_tag: tag that holds the tool's name where `tool` is only a fallback, "" for none.
    """

    tool: str
    tags: dict[str, str]
    label: Label = "synthetic"
    model_tag: str = ""
    tool_tag: str = ""


_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

# Checked on genuine files, but for those in `ExifSoftware.from_source`; how many files,
# docs/provenance.md says.
SIGNATURES: tuple[Signature, ...] = (
    Signature("FLUX", {"Software": r"AI generated;(fill|inpaint)"}, "composite", "Model"),
    Signature("FLUX", {"Software": r"AI generated;\w+;flux"}, model_tag="Model"),
    Signature("FLUX", {"Software": r"AI generated;flux2"}),
    Signature("Ovis", {"Software": r"AI generated;txt2img$", "Make": r"Ovis$"}),
    # Programs made after FLUX's keep the words and put their own names behind them and into Make.
    Signature(
        "unnamed",
        {"Software": r"AI generated;(\w+;)?(fill|inpaint)"},
        "composite",
        "Model",
        tool_tag="Make",
    ),
    Signature("unnamed", {"Software": r"AI generated(;|$)"}, model_tag="Model", tool_tag="Make"),
    Signature(
        "Grok",
        {"ImageDescription": r"Signature:\s*[A-Za-z0-9+/=]{64,}", "Artist": f"(?i:{_UUID})"},
    ),
    Signature("Ideogram", {"Make": r"Ideogram AI$"}),
    Signature("OpenAI", {"MakerNote": r"OpenAI--ImageGeneration--"}),
    Signature("OpenAI", {"UserComment": r"Made with OpenAI Labs$"}),
    Signature(
        "Pollinations",
        {"Make": r"\S", "UserComment": r'\{"prompt":.*"originalPrompt":'},
        model_tag="Make",
    ),
    Signature("NovelAI", {"Software": r"NovelAI"}, model_tag="Software"),
    Signature("Civitai", {"Artist": r"ai$", "Software": _UUID}),
)
_COMPILED = tuple(
    (one, {tag: re.compile(text, re.DOTALL) for tag, text in one.tags.items()})
    for one in SIGNATURES
)


@dataclass(frozen=True)
class ExifSoftware(MarkDetector):
    """Programs that sign their images in EXIF; reads img2dataset's exif column as well."""

    name: ClassVar[str] = "exif_software"
    version: ClassVar[int] = 2
    verified: ClassVar[str] = "verified on genuine files of 5 tools (docs/provenance.md)"
    from_source: ClassVar[tuple[FromSource, ...]] = (
        FromSource(
            "FLUX (inpainting)", "EXIF Software", "black-forest-labs/flux, src/flux/util.py"
        ),
        FromSource("FLUX.2", "EXIF Software", "black-forest-labs/flux2, scripts/cli.py"),
        FromSource(
            "Ovis",
            "EXIF Software and Make",
            "AIDC-AI/Ovis-Image, ovis_image/sampling.py",
        ),
        FromSource(
            "Others that write FLUX's words",
            "EXIF Software",
            "black-forest-labs/flux2, scripts/cli.py; AIDC-AI/Ovis-Image, ovis_image/sampling.py",
        ),
        FromSource(
            "Grok",
            "EXIF ImageDescription and Artist",
            "wiltodelta/remove-ai-watermarks, src/remove_ai_watermarks/metadata.py",
        ),
        FromSource(
            "Ideogram",
            "EXIF Make",
            "wiltodelta/remove-ai-watermarks, src/remove_ai_watermarks/metadata.py",
        ),
    )

    def examine(self, look: Look) -> Detail | None:
        tags, source = look.exif()
        if not tags:
            return None
        signature = signature_of(tags)
        return None if signature is None else _detail(signature, tags, source)


def signature_of(tags: dict[str, str]) -> Signature | None:
    """The first signature that all its tags match."""
    for signature, patterns in _COMPILED:
        if patterns.keys() <= tags.keys() and all(
            pattern.match(tags[tag]) for tag, pattern in patterns.items()
        ):
            return signature
    return None


def _detail(signature: Signature, tags: dict[str, str], source: str) -> Detail:
    names = " and ".join(signature.tags)
    model = one_line(tags.get(signature.model_tag, ""), 80) or None
    first = next(iter(signature.tags))
    tool = one_line(tags.get(signature.tool_tag, ""), 60) or signature.tool
    return Detail(
        says=f"{tool} signed it: {source} {first} is {one_line(tags[first], 60)!r}",
        label=signature.label,
        tool=tool,
        model=model,
        field=f"{source} {names}",
    )
