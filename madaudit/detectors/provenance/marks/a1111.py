"""Generation parameters as Automatic1111's web UI, its forks and its imitators write them.

They stand in the PNG text chunk "parameters" or in EXIF's UserComment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from madaudit.detectors.base import FromSource, Look, MarkDetector, one_line
from madaudit.detectors.provenance.infotext import mode_of, parse_infotext, program_of
from madaudit.types import Detail


@dataclass(frozen=True)
class A1111(MarkDetector):
    """Infotext of Automatic1111, Forge, reForge, SD.Next, Civitai and others."""

    name: ClassVar[str] = "a1111"
    version: ClassVar[int] = 2
    verified: ClassVar[str] = "verified on genuine files of 7 programs (docs/provenance.md)"
    from_source: ClassVar[tuple[FromSource, ...]] = (
        FromSource(
            "Forge",
            "PNG tEXt parameters",
            "lllyasviel/stable-diffusion-webui-forge, modules/launch_utils.py (git_tag), "
            "modules_forge/forge_version.py",
        ),
        FromSource("Fooocus", "PNG tEXt parameters", "lllyasviel/Fooocus, modules/meta_parser.py"),
        FromSource(
            "Automatic1111 (Extras tab)",
            "PNG tEXt postprocessing",
            "AUTOMATIC1111/stable-diffusion-webui, modules/postprocessing.py, "
            "scripts/postprocessing_upscale.py",
        ),
        FromSource(
            "stable-diffusion.cpp",
            "PNG tEXt parameters",
            "leejet/stable-diffusion.cpp, examples/common/common.cpp",
        ),
    )

    def examine(self, look: Look) -> Detail | None:
        extras = None
        for field, text in _places(look):
            parameters = parse_infotext(text)
            if parameters is not None:
                return _detail(field, parameters)
            is_extras = field.endswith((" postprocessing", " extras"))
            if extras is None and is_extras and "Postprocess upscale" in text:
                extras = Detail(
                    says="Automatic1111: enlarged or restored by its Extras tab",
                    label="composite",
                    tool="Automatic1111",
                    field=field,
                )
        return extras


def _places(look: Look) -> Iterator[tuple[str, str]]:
    """Where an infotext may stand: PNG chunks, EXIF's UserComment, a JPEG comment."""
    if look.container is not None:
        texts = look.container.texts()
        for keyword in ("parameters", "postprocessing", "extras"):
            if keyword in texts:
                yield texts[keyword].where, texts[keyword].text
        for block in look.container.of_kind("comment"):
            yield block.where, block.text
    tags, source = look.exif()
    if "UserComment" in tags:
        yield f"{source} UserComment", tags["UserComment"]


def _detail(field: str, parameters: dict[str, str]) -> Detail:
    tool = program_of(parameters)
    model = one_line(parameters.get("Model", ""), 80) or None
    label, how = mode_of(parameters)
    made_by = f"{tool} with model {model}" if model else tool
    return Detail(
        says=f"{made_by}: {how}, parameters in {field}",
        label=label,
        tool=tool,
        model=model,
        field=field,
    )
