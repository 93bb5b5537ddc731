"""ComfyUI's graphs: both forms, their places, labels, and services built on it."""

from __future__ import annotations

import json

import pytest

from tests.detectors.image_building import (
    DESCRIPTION,
    MAKE,
    MODEL,
    USER_COMMENT,
    avif,
    detect,
    exif_block,
    itxt_chunk,
    jpeg_with_exif,
    jpeg_with_xmp,
    png,
    riff_chunk,
    text_chunk,
    user_comment,
    webp,
    xmp_packet,
)


def _prompt(*kinds: str, **inputs: str) -> str:
    nodes = {str(n): {"class_type": kind, "inputs": inputs} for n, kind in enumerate(kinds)}
    return json.dumps(nodes)


def _workflow(*kinds: str) -> str:
    nodes = [{"id": n, "type": kind} for n, kind in enumerate(kinds)]
    return json.dumps({"last_node_id": len(nodes), "nodes": nodes, "links": []})


_GRAPH = _prompt("CheckpointLoaderSimple", "KSampler", ckpt_name="dream.safetensors")


def _found(image: bytes):
    evidence = detect("comfyui", image)
    assert evidence.state == "present"
    return evidence.detail


@pytest.mark.parametrize(
    ("keyword", "text"), [("prompt", _GRAPH), ("workflow", _workflow("KSampler"))]
)
def test_both_forms_of_a_graph_are_read(keyword, text):
    detail = _found(png(text_chunk(keyword, text)))
    assert (detail.tool, detail.label) == ("ComfyUI", "synthetic")
    assert detail.field == f"PNG tEXt {keyword}"


def test_the_executed_graph_comes_before_the_drawn_one():
    image = png(text_chunk("workflow", _workflow("KSampler")), text_chunk("prompt", _GRAPH))
    assert _found(image).field == "PNG tEXt prompt"


def test_a_broken_prompt_leaves_the_workflow():
    image = png(text_chunk("prompt", "{"), text_chunk("workflow", _workflow("KSampler")))
    assert _found(image).field == "PNG tEXt workflow"


def test_the_loaders_model_is_named():
    assert _found(png(text_chunk("prompt", _GRAPH))).model == "dream.safetensors"


def test_an_upscalers_model_is_not_the_generators():
    graph = _prompt("UpscaleModelLoader", "KSampler", model_name="4x.pth")
    assert _found(png(text_chunk("prompt", graph))).model is None


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("tag", "prefix"),
    [(MAKE, "Prompt:"), (DESCRIPTION, "Workflow: "), (MODEL, "prompt:"), (MAKE, "workflow:")],
)
def test_a_graph_behind_a_prefix_in_exif_is_read(tag, prefix, order):
    text = _GRAPH if prefix.lower().startswith("prompt") else _workflow("KSampler")
    block = exif_block({tag: prefix + text}, order=order)
    for image in (jpeg_with_exif(block), webp(riff_chunk(b"EXIF", block)), avif(exif=block)):
        assert _found(image).tool == "ComfyUI"


def test_of_two_exif_tags_the_executed_graph_counts():
    tags = {DESCRIPTION: f"Workflow: {_workflow('KSampler')}", MAKE: f"Prompt: {_GRAPH}"}
    assert _found(jpeg_with_exif(exif_block(tags))).field == "EXIF Make"


def test_one_json_with_prompt_and_workflow_is_read():
    both = {"prompt": json.loads(_GRAPH), "workflow": json.loads(_workflow("KSampler"))}
    block = exif_block({USER_COMMENT: user_comment(json.dumps(both))})
    assert _found(jpeg_with_exif(block)).model == "dream.safetensors"


def test_an_empty_prompt_beside_a_workflow_does_not_hide_it():
    both = {"prompt": {}, "workflow": json.loads(_workflow("KSampler"))}
    block = exif_block({USER_COMMENT: user_comment(json.dumps(both))})
    assert _found(jpeg_with_exif(block)).label == "synthetic"


def test_a_graph_in_xmp_is_read():
    quoted = _GRAPH.replace('"', "&quot;")
    packet = xmp_packet(f"<comfy:prompt>{quoted}</comfy:prompt>")
    for image in (jpeg_with_xmp(packet), avif(xmp=packet)):
        assert _found(image).field.endswith("comfy:prompt")


@pytest.mark.parametrize(
    ("kinds", "label", "how"),
    [
        (["KSampler"], "synthetic", "text-to-image"),
        (["SamplerCustomAdvanced", "ImageUpscaleWithModel"], "synthetic", "text-to-image"),
        (["LoadImage", "KSampler"], "synthetic", "image-to-image"),
        (["Image Load", "KSampler"], "synthetic", "image-to-image"),
        (["LoadImage", "VAEEncodeForInpaint", "KSampler"], "composite", "inpainting"),
        (["LoadImage", "SetLatentNoiseMask", "KSampler"], "composite", "inpainting"),
        (["Image Load", "InpaintModelConditioning", "KSampler"], "composite", "inpainting"),
        (["LoadImage", "FaceDetailer"], "composite", "repaints"),
        (["LoadImage", "ImageUpscaleWithModel"], "composite", "enlarges"),
        (["LoadImage", "ImageScale"], "composite", "edits"),
    ],
)
@pytest.mark.parametrize("form", [_prompt, _workflow])
def test_the_nodes_say_what_became_of_the_pixels(kinds, label, how, form):
    keyword = "prompt" if form is _prompt else "workflow"
    detail = _found(png(text_chunk(keyword, form(*kinds))))
    assert (detail.label, how in detail.says) == (label, True)


@pytest.mark.parametrize(
    ("other", "tool"),
    [
        (text_chunk("generation_data", "{}"), "TensorArt"),
        (itxt_chunk("parameters", b'{"sui_image_params": {}}'), "SwarmUI"),
        (b"", "ComfyUI"),
    ],
)
def test_services_are_told_by_what_they_add(other, tool):
    assert _found(png(other, text_chunk("prompt", _GRAPH))).tool == tool


def test_civitai_is_told_by_its_resource_names():
    graph = json.loads(_GRAPH) | {"extraMetadata": '{"resources": "urn:air:sdxl:1"}'}
    block = exif_block({USER_COMMENT: user_comment(json.dumps(graph))})
    assert _found(jpeg_with_exif(block)).tool == "Civitai"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a lighthouse",
        "{}",
        "[]",
        "null",
        '{"nodes": 3}',
        '{"nodes": [{"type": 4}], "links": []}',
        '{"nodes": [{"type": "n8n-nodes-base.set", "name": "Set"}], "connections": {}}',
        '{"1": {"class_type": 4}}',
        '{"prompt": "a lighthouse", "steps": 20}',
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"n": ' + "9" * 5000 + "}",
    ],
)
@pytest.mark.parametrize("keyword", ["prompt", "workflow"])
def test_what_is_no_graph_is_absent(keyword, text):
    assert detect("comfyui", png(text_chunk(keyword, text))).state == "absent"


def test_a_camera_that_names_itself_is_no_graph():
    block = exif_block({MAKE: "Canon", MODEL: "EOS {5D}"})
    assert detect("comfyui", jpeg_with_exif(block)).state == "absent"
