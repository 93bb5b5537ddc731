"""ComfyUI's graph, which its image savers write into PNG chunks, EXIF tags or XMP.

Saver nodes put its two forms, "prompt" and "workflow", behind a prefix into ImageDescription, Make
or Model, or both into one JSON object in UserComment. Services that run ComfyUI are told by what
they add.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from madaudit.detectors.base import FromSource, Look, MarkDetector
from madaudit.detectors.provenance.comfy_graph import Node, mode_of, model_of, read_nodes
from madaudit.detectors.provenance.xmp import COMFY, read_properties
from madaudit.types import Detail

_EXIF_TAGS = ("UserComment", "ImageDescription", "Make", "Model")


@dataclass(frozen=True)
class ComfyUI(MarkDetector):
    """Graphs of ComfyUI and of services built on it."""

    name: ClassVar[str] = "comfyui"
    version: ClassVar[int] = 1
    verified: ClassVar[str] = "verified on genuine files of 6 savers (docs/provenance.md)"
    from_source: ClassVar[tuple[FromSource, ...]] = (
        FromSource(
            "ComfyUI",
            "BMFF XMP item comfy:prompt",
            "Comfy-Org/ComfyUI_frontend, src/scripts/metadata/avif.test.ts",
        ),
    )

    def examine(self, look: Look) -> Detail | None:
        for field, text in _places(look):
            nodes = read_nodes(text)
            if nodes:
                return _detail(look, field, nodes)
        return None


def _places(look: Look) -> Iterator[tuple[str, str]]:
    """Where a graph may stand, the executed one ("prompt") first."""
    if look.container is not None:
        texts = look.container.texts()
        for keyword in ("prompt", "workflow"):
            if keyword in texts:
                yield texts[keyword].where, texts[keyword].text
        for block in look.container.of_kind("xmp"):
            if COMFY.encode() in block.data:
                properties = read_properties(block.data)
                for keyword in ("prompt", "workflow"):
                    if (COMFY, keyword) in properties:
                        yield f"{block.where} comfy:{keyword}", properties[COMFY, keyword]
    tags, source = look.exif()
    candidates = [(tag, tags[tag]) for tag in _EXIF_TAGS if "{" in tags.get(tag, "")]
    candidates.sort(key=lambda pair: pair[1][:10].lower().startswith("workflow"))
    for tag, text in candidates:
        yield f"{source} {tag}", text


def _detail(look: Look, field: str, nodes: list[Node]) -> Detail:
    tool = _tool(look)
    model = model_of(nodes)
    label, how = mode_of(nodes)
    made_by = f"{tool} with model {model}" if model else tool
    return Detail(
        says=f"{made_by}: {how}, {len(nodes)} nodes in {field}",
        label=label,
        tool=tool,
        model=model,
        field=field,
    )


def _tool(look: Look) -> str:
    """ComfyUI, or the service that runs it."""
    texts = look.container.texts() if look.container else {}
    tags, _ = look.exif()
    if "generation_data" in texts:
        return "TensorArt"
    if "sui_image_params" in texts.get("parameters", _NO_TEXT).text:
        return "SwarmUI"
    if '"extraMetadata"' in tags.get("UserComment", "") and "urn:air:" in tags["UserComment"]:
        return "Civitai"
    return "ComfyUI"


class _NoText(NamedTuple):
    text: str = ""


_NO_TEXT = _NoText()
