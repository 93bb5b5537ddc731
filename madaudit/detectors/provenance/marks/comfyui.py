"""ComfyUI's graph, which its image savers write into PNG chunks, EXIF tags or XMP.

Two forms: "prompt" (node number to {"class_type", "inputs"}) and "workflow" ({"nodes": [{"type"},
…]}). Saver nodes put them behind a prefix into ImageDescription, Make or Model, or both into one
JSON object in UserComment. Services that run ComfyUI are told by what they add.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from madaudit.detectors.base import FromSource, Look, MarkDetector, one_line
from madaudit.detectors.provenance.xmp import COMFY, read_properties
from madaudit.limits import MAX_GRAPH_NODES
from madaudit.types import Detail, Label

_PREFIX = re.compile(r"^\s*(prompt|workflow)\s*:\s*(?=\{)", re.IGNORECASE)
_NO_LETTER = re.compile(r"[^a-z]")
_EXIF_TAGS = ("UserComment", "ImageDescription", "Make", "Model")
_WORKFLOW_KEYS = frozenset({"links", "last_node_id", "state"})
_MODEL_INPUTS = ("ckpt_name", "unet_name", "model_name", "gguf_name", "model")


class _Node(NamedTuple):
    kind: str
    inputs: dict[str, Any]


@dataclass(frozen=True)
class ComfyUI(MarkDetector):
    """Graphs of ComfyUI and of services built on it."""

    name: ClassVar[str] = "comfyui"
    version: ClassVar[int] = 1
    verified: ClassVar[str] = "verified on genuine files of 6 savers (docs/provenance.md)"
    from_source: ClassVar[tuple[FromSource, ...]] = (
        FromSource("ComfyUI", "BMFF XMP item comfy:prompt", "LuqP2/Image-MetaHub, its test files"),
    )

    def examine(self, look: Look) -> Detail | None:
        for field, text in _places(look):
            nodes = _nodes(text)
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


def _nodes(text: str) -> list[_Node]:
    """The nodes of a graph in either form; empty where the text is no graph."""
    try:
        value = json.loads(_PREFIX.sub("", text, count=1))
    except (ValueError, RecursionError):
        return []
    if not isinstance(value, dict):
        return []
    for key in ("prompt", "workflow"):
        inner = value.get(key)
        nodes = _graph_nodes(inner) if isinstance(inner, dict) else []
        if nodes:
            return nodes
    return _graph_nodes(value)


def _graph_nodes(graph: dict[str, Any]) -> list[_Node]:
    return _prompt_nodes(graph) or _workflow_nodes(graph)


def _prompt_nodes(graph: dict[str, Any]) -> list[_Node]:
    nodes = []
    for node in list(graph.values())[:MAX_GRAPH_NODES]:
        if isinstance(node, dict) and isinstance(node.get("class_type"), str):
            inputs = node.get("inputs")
            nodes.append(_Node(node["class_type"], inputs if isinstance(inputs, dict) else {}))
    return nodes


def _workflow_nodes(graph: dict[str, Any]) -> list[_Node]:
    listed = graph.get("nodes")
    # Other programs list nodes with a type as well; ComfyUI's carry links or counters.
    if not isinstance(listed, list) or not _WORKFLOW_KEYS & graph.keys():
        return []
    return [
        _Node(node["type"], {})
        for node in listed[:MAX_GRAPH_NODES]
        if isinstance(node, dict) and isinstance(node.get("type"), str)
    ]


def _detail(look: Look, field: str, nodes: list[_Node]) -> Detail:
    tool = _tool(look)
    model = _model(nodes)
    label, how = _label(nodes)
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


def _model(nodes: list[_Node]) -> str | None:
    """The first checkpoint or diffusion model that a loader names."""
    for node in nodes:
        if "oader" not in node.kind or "pscale" in node.kind:
            continue
        for name in _MODEL_INPUTS:
            value = node.inputs.get(name)
            if isinstance(value, str) and value:
                return one_line(value, 80)
    return None


def _label(nodes: list[_Node]) -> tuple[Label, str]:
    """What the graph does to pixels.

    A graph without an image loader makes all of its pixels. With one: inpainting nodes keep a
    photo's pixels outside the mask; a sampler remakes all; a detailer repaints faces; an upscaling
    model alone, or nothing known, leaves the picture's content a photo's.
    """
    # "Image Load" and "LoadImage" are loaders alike, of two packs of nodes.
    kinds = {_NO_LETTER.sub("", node.kind.lower()) for node in nodes}
    if not any("loadimage" in kind or "imageload" in kind for kind in kinds):
        return "synthetic", "text-to-image graph"
    if any("inpaint" in kind or "setlatentnoisemask" in kind for kind in kinds):
        return "composite", "inpainting graph"
    if any("sampler" in kind for kind in kinds):
        return "synthetic", "image-to-image graph"
    if any("detailer" in kind for kind in kinds):
        return "composite", "graph that repaints parts of an image"
    if any("upscale" in kind for kind in kinds):
        return "composite", "graph that enlarges an image by a model"
    return "composite", "graph that edits an image"


class _NoText(NamedTuple):
    text: str = ""


_NO_TEXT = _NoText()
