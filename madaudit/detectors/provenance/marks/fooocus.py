"""Fooocus and its kin, where they write their settings as JSON.

Fooocus marks its PNG files by a chunk "fooocus_scheme", others by EXIF's Software; its other
scheme, the infotext, is left to `a1111`. RuinedFooocus and Fooocus-MRE name themselves in the
JSON. Sources: lllyasviel/Fooocus, modules/meta_parser.py and modules/async_worker.py;
yownas/RuinedFooocus, modules/async_worker.py; for Fooocus-MRE, what
receyuki/stable-diffusion-prompt-reader, sd_prompt_reader/image_data_reader.py, reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from madaudit.detectors.base import FromSource, Look, MarkDetector
from madaudit.detectors.provenance.containers import Block
from madaudit.detectors.provenance.generation import (
    IMAGE_TO_IMAGE,
    TEXT_TO_IMAGE,
    UNSTATED,
    Mode,
    generated,
)
from madaudit.detectors.provenance.json_text import read_object
from madaudit.types import Detail

_MODEL_KEYS = ("base_model_name", "base_model")


@dataclass(frozen=True)
class Fooocus(MarkDetector):
    """JSON settings of Fooocus, RuinedFooocus and Fooocus-MRE."""

    name: ClassVar[str] = "fooocus"
    version: ClassVar[int] = 1
    verified: ClassVar[str] = (
        "verified on genuine metadata of Fooocus and RuinedFooocus (docs/provenance.md)"
    )
    from_source: ClassVar[tuple[FromSource, ...]] = (
        FromSource("Fooocus", "EXIF UserComment", "lllyasviel/Fooocus, modules/meta_parser.py"),
        FromSource(
            "Fooocus-MRE",
            "PNG tEXt Comment, JPEG comment",
            "receyuki/stable-diffusion-prompt-reader, sd_prompt_reader/image_data_reader.py",
        ),
    )

    def examine(self, look: Look) -> Detail | None:
        for field, values in look.settings:
            if (tool := _tool(values)) is not None:
                return _detail(tool, values, field)
        if "comment" in look.kinds or "Comment" in look.texts:
            for block in _comments(look):
                own = read_object(block.text) if '"software"' in block.text else None
                if own is not None and (tool := _tool(own)) is not None:
                    return _detail(tool, own, block.where)
        return None


def _comments(look: Look) -> list[Block]:
    found = look.container.of_kind("comment") if look.container else []
    return [*found, look.texts["Comment"]] if "Comment" in look.texts else found


def _detail(tool: str, values: dict[str, Any], field: str) -> Detail:
    model = next((values[key] for key in _MODEL_KEYS if values.get(key)), None)
    return generated(tool, _mode(values), field, model)


def _tool(values: dict[str, Any]) -> str | None:
    """The program that names itself in its settings."""
    software, version = values.get("software"), values.get("version")
    if software == "RuinedFooocus":
        return "RuinedFooocus"
    if isinstance(software, str) and software.startswith("Fooocus"):
        return "Fooocus-MRE"
    if isinstance(version, str) and version.startswith("Fooocus"):
        return "Fooocus"
    return None


def _mode(values: dict[str, Any]) -> Mode:
    """Fooocus never says whether it made, varied, enlarged or inpainted; its kin say a little."""
    if "denoise" not in values:
        return UNSTATED
    # RuinedFooocus: null unless it began with an image; MRE: true for an image to begin with.
    begins_with_image = values.get("img2img", values["denoise"] is not None)
    return IMAGE_TO_IMAGE if begins_with_image else TEXT_TO_IMAGE
