"""InvokeAI's PNG chunks, of every generation of its metadata.

2022: "Dream", the command line, later with "sd-metadata" beside it; early 2023: "invokeai", the
node; since then "invokeai_metadata", with "invokeai_graph" and "invokeai_workflow". Sources:
invoke-ai/InvokeAI, ldm/invoke/args.py (2.x), invokeai/app/services/metadata.py (3.0 before its
release), invokeai/app/invocations/metadata.py (since), the web program's graph of its enlarger.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from madaudit.detectors.base import FromSource, Look, MarkDetector
from madaudit.detectors.provenance.generation import (
    ENLARGEMENT,
    HANDLING,
    IMAGE_TO_IMAGE,
    INPAINTING,
    OUTPAINTING,
    TEXT_TO_IMAGE,
    UNSTATED,
    Mode,
    generated,
)
from madaudit.detectors.provenance.json_text import read_object
from madaudit.limits import MAX_DREAM_CHARS, MAX_GRAPH_NODES
from madaudit.types import Detail

_MODES = {
    "txt2img": TEXT_TO_IMAGE,
    "img2img": IMAGE_TO_IMAGE,
    "inpaint": INPAINTING,
    "outpaint": OUTPAINTING,
}
# A size, a seed and a number of steps in the command line: no other text has them all.
_DREAM = tuple(re.compile(rf"(?:^|\s)-{flag} ?\d") for flag in "sSWHC")
_DREAM_IMAGE = re.compile(r"\s(?:-I|--init_img)\s+\S")
_DREAM_MASK = re.compile(r"\s(?:-M|-tm|--init_mask|--text_mask)\s+\S")
_DREAM_OUTSIDE = re.compile(r"\s(?:-c|-D|--outcrop|--out_direction)\s+\S")
_SAMPLER = re.compile(r"denoise(?!_mask)|t2l|l2l|txt2img|img2img|inpaint")
_MASKER = re.compile(r"inpaint|denoise_mask|gradient_mask|infill")
_ENCODER = re.compile(r"i2l|l2l|img2img|vae_encode")
_ENLARGER = re.compile(r"esrgan|spandrel|restore_face")
_GENERATIVE = ("positive_prompt", "steps", "model", "generation_mode")
_SOURCE = "invoke-ai/InvokeAI, "


@dataclass(frozen=True)
class InvokeAI(MarkDetector):
    """Settings and graphs of InvokeAI, and of lstein's and NMKD's programs before it."""

    name: ClassVar[str] = "invokeai"
    version: ClassVar[int] = 1
    verified: ClassVar[str] = (
        "verified on a genuine file and on genuine metadata of 3 generations (docs/provenance.md)"
    )
    from_source: ClassVar[tuple[FromSource, ...]] = (
        FromSource(
            "InvokeAI (image-to-image, inpainting)",
            "PNG tEXt Dream, sd-metadata",
            _SOURCE + "ldm/invoke/args.py",
        ),
        FromSource(
            "InvokeAI (image-to-image, inpainting, enlargement)",
            "PNG iTXt invokeai_metadata",
            _SOURCE + "invokeai/app/invocations/metadata.py",
        ),
        FromSource(
            "InvokeAI (3.0 before its release)",
            "PNG tEXt invokeai",
            _SOURCE + "invokeai/app/services/metadata.py",
        ),
    )

    def examine(self, look: Look) -> Detail | None:
        texts = look.texts
        if not texts:
            return None
        for keyword, read in _READERS.items():
            if keyword in texts:
                found = read(texts[keyword].text)
                if found is not None:
                    mode, model = found
                    return generated("InvokeAI", mode, texts[keyword].where, model)
        return None


_Found = tuple[Mode, Any]


def _read_metadata(text: str) -> _Found | None:
    values = read_object(text)
    if values is None or not any(values.get(name) for name in _GENERATIVE):
        return None
    model = values.get("model")
    if isinstance(model, dict):
        model = model.get("name") or model.get("model_name")
    if values.get("upscale_initial_image") or values.get("upscale_model"):
        return ENLARGEMENT, model
    # Since SDXL the name of the model's family stands before: "sdxl_txt2img", "flux_inpaint".
    mode = str(values.get("generation_mode")).rpartition("_")[2]
    return _MODES.get(mode, UNSTATED), model


def _read_sd_metadata(text: str) -> _Found | None:
    values = read_object(text)
    image = values.get("image") if values else None
    if not values or not isinstance(image, dict) or "steps" not in image:
        return None
    model = values.get("model_weights") or values.get("model_id") or values.get("model")
    if image.get("init_mask") or image.get("mask"):
        return INPAINTING, model
    return _MODES.get(str(image.get("type")), UNSTATED), model


def _read_dream(text: str) -> _Found | None:
    line = text[:MAX_DREAM_CHARS]
    if not all(pattern.search(line) for pattern in _DREAM):
        return None
    # The prompt comes first, in quotation marks; flags inside it are words.
    flags = line[line.rfind('"') + 1 :]
    if _DREAM_OUTSIDE.search(flags):
        return OUTPAINTING, None
    if _DREAM_MASK.search(flags):
        return INPAINTING, None
    return IMAGE_TO_IMAGE if _DREAM_IMAGE.search(flags) else TEXT_TO_IMAGE, None


def _read_node(text: str) -> _Found | None:
    values = read_object(text)
    node = values.get("node") if values else None
    if not isinstance(node, dict) or not isinstance(node.get("type"), str):
        return None
    return _mode_of_nodes([node["type"]]), node.get("model")


def _read_graph(text: str) -> _Found | None:
    """Nodes by name in a graph, listed with their data in a workflow."""
    values = read_object(text)
    nodes = values.get("nodes") if values else None
    listed = list(nodes.values()) if isinstance(nodes, dict) else nodes
    if not isinstance(listed, list):
        return None
    kinds = []
    for node in listed[:MAX_GRAPH_NODES]:
        data = node.get("data", node) if isinstance(node, dict) else None
        kind = data.get("type") if isinstance(data, dict) else None
        if isinstance(kind, str):
            kinds.append(kind)
    return (_mode_of_nodes(kinds), None) if kinds else None


def _mode_of_nodes(kinds: list[str]) -> Mode:
    """What a graph's nodes do; one that neither samples nor enlarges may only crop a photo."""
    if any(_ENLARGER.search(kind) for kind in kinds):
        return ENLARGEMENT
    if not any(_SAMPLER.search(kind) for kind in kinds):
        return HANDLING
    if any(_MASKER.search(kind) for kind in kinds):
        return INPAINTING
    return IMAGE_TO_IMAGE if any(_ENCODER.search(kind) for kind in kinds) else TEXT_TO_IMAGE


_READERS: dict[str, Callable[[str], _Found | None]] = {
    "invokeai_metadata": _read_metadata,
    "sd-metadata": _read_sd_metadata,
    "Dream": _read_dream,
    "invokeai": _read_node,
    "invokeai_graph": _read_graph,
    "invokeai_workflow": _read_graph,
}
