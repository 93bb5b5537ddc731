"""ComfyUI's graph in both of its forms, and what its nodes do to an image.

"prompt": node number to {"class_type", "inputs"}; "workflow": {"nodes": [{"type"}, …]}.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from madaudit.detectors.base import one_line
from madaudit.detectors.provenance.generation import Mode
from madaudit.errors import MalformedError
from madaudit.limits import MAX_GRAPH_NODES, MAX_JSON_BYTES

_PREFIX = re.compile(r"^\s*(prompt|workflow)\s*:\s*(?=\{)", re.IGNORECASE)
_NO_LETTER = re.compile(r"[^a-z]")
_WORKFLOW_KEYS = frozenset({"links", "last_node_id", "state"})
_MODEL_INPUTS = ("ckpt_name", "unet_name", "model_name", "gguf_name", "model")


class Node(NamedTuple):
    """A step of a graph: its kind and its inputs."""

    kind: str
    inputs: dict[str, Any]


def read_nodes(text: str) -> list[Node]:
    """The nodes of a graph in either form; empty where the text is no graph.

    Raises:
        MalformedError: more than is read.
    """
    if len(text) > MAX_JSON_BYTES:
        raise MalformedError(f"graph of {len(text)} characters; at most {MAX_JSON_BYTES} are read")
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


def _graph_nodes(graph: dict[str, Any]) -> list[Node]:
    return _prompt_nodes(graph) or _workflow_nodes(graph)


def _prompt_nodes(graph: dict[str, Any]) -> list[Node]:
    nodes = []
    for node in list(graph.values())[:MAX_GRAPH_NODES]:
        if isinstance(node, dict) and isinstance(node.get("class_type"), str):
            inputs = node.get("inputs")
            nodes.append(Node(node["class_type"], inputs if isinstance(inputs, dict) else {}))
    return nodes


def _workflow_nodes(graph: dict[str, Any]) -> list[Node]:
    listed = graph.get("nodes")
    # Other programs list nodes with a type as well; ComfyUI's carry links or counters.
    if not isinstance(listed, list) or not _WORKFLOW_KEYS & graph.keys():
        return []
    return [
        Node(node["type"], {})
        for node in listed[:MAX_GRAPH_NODES]
        if isinstance(node, dict) and isinstance(node.get("type"), str)
    ]


def model_of(nodes: list[Node]) -> str | None:
    """The first checkpoint or diffusion model that a loader names."""
    for node in nodes:
        if "oader" not in node.kind or "pscale" in node.kind:
            continue
        for name in _MODEL_INPUTS:
            value = node.inputs.get(name)
            if isinstance(value, str) and value:
                return one_line(value, 80)
    return None


def mode_of(nodes: list[Node]) -> Mode:
    """What the graph does to pixels.

    A graph without an image loader makes all of its pixels. With one: inpainting nodes keep a
    photo's pixels outside the mask; a sampler remakes all; a detailer repaints faces; an upscaling
    model alone, or nothing known, leaves the picture's content a photo's.
    """
    # "Image Load" and "LoadImage" are loaders alike, of two packs of nodes.
    kinds = {_NO_LETTER.sub("", node.kind.lower()) for node in nodes}
    if not any("loadimage" in kind or "imageload" in kind for kind in kinds):
        return Mode("synthetic", "text-to-image graph")
    if any("inpaint" in kind or "setlatentnoisemask" in kind for kind in kinds):
        return Mode("composite", "inpainting graph")
    if any("sampler" in kind for kind in kinds):
        return Mode("synthetic", "image-to-image graph")
    if any("detailer" in kind for kind in kinds):
        return Mode("composite", "graph that repaints parts of an image")
    if any("upscale" in kind for kind in kinds):
        return Mode("composite", "graph that enlarges an image by a model")
    return Mode("composite", "graph that edits an image")
