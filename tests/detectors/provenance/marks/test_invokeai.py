"""InvokeAI's chunks, generation by generation: modes, models, and what is not theirs."""

from __future__ import annotations

import json

import pytest

from madaudit.types import Sidecar
from tests.detectors.image_building import detect, itxt_chunk, jpeg, png, text_chunk
from tests.detectors.shared_data import DATA, needs_data

_DREAM = '"a cat, -I like it" -s 50 -S 2980747362 -W 512 -H 768 -C 5 -A k_lms'
_FIRST_DREAM = '"a cat" -b1 -s50 -S42 -W512 -H512 -C7.5 -mklms'


def _found(keyword: str, content) -> object:
    text = content if isinstance(content, str) else json.dumps(content)
    evidence = detect("invokeai", png(itxt_chunk(keyword, text.encode())))
    assert evidence.state == "present"
    assert evidence.detail.tool == "InvokeAI"
    assert evidence.detail.field == f"PNG iTXt {keyword}"
    return evidence.detail


@pytest.mark.parametrize(
    ("mode", "label", "words"),
    [
        ("txt2img", "synthetic", "text-to-image"),
        ("sdxl_txt2img", "synthetic", "text-to-image"),
        ("flux_img2img", "synthetic", "image-to-image"),
        ("inpaint", "composite", "inpainting"),
        ("sdxl_inpaint", "composite", "inpainting"),
        ("z_image_outpaint", "composite", "outpainting"),
        ("something_new", "synthetic", "how is not said"),
        (None, "synthetic", "how is not said"),
    ],
)
def test_metadata_states_its_mode(mode, label, words):
    detail = _found("invokeai_metadata", {"generation_mode": mode, "steps": 30})
    assert (detail.label, words in detail.says) == (label, True)


@pytest.mark.parametrize(
    "model", [{"name": "juggernaut", "key": "1"}, {"model_name": "juggernaut"}, "juggernaut"]
)
def test_metadata_names_its_model_in_every_form(model):
    assert _found("invokeai_metadata", {"steps": 30, "model": model}).model == "juggernaut"


@pytest.mark.parametrize("name", ["upscale_model", "upscale_initial_image"])
def test_an_enlarged_image_is_composite(name):
    values = {"positive_prompt": "a cat", "steps": 30, name: {"name": "4x"}}
    assert _found("invokeai_metadata", values).label == "composite"
    assert _found("invokeai_metadata", values | {name: None}).label == "synthetic"


@pytest.mark.parametrize("values", [{}, {"app_version": "6.0"}, [], "text", {"steps": None}])
def test_metadata_of_no_generation_is_absent(values):
    image = png(itxt_chunk("invokeai_metadata", json.dumps(values).encode()))
    assert detect("invokeai", image).state == "absent"


@pytest.mark.parametrize(
    ("image", "label", "words"),
    [
        ({"type": "txt2img"}, "synthetic", "text-to-image"),
        ({"type": "img2img"}, "synthetic", "image-to-image"),
        ({"type": "img2img", "init_mask": "mask.png"}, "composite", "inpainting"),
        ({"type": "inpaint"}, "composite", "inpainting"),
        ({}, "synthetic", "how is not said"),
    ],
)
def test_sd_metadata_states_its_mode(image, label, words):
    values = {"model_weights": "dream-1.5", "image": {"steps": 50, **image}}
    detail = _found("sd-metadata", values)
    assert (detail.label, words in detail.says, detail.model) == (label, True, "dream-1.5")


@pytest.mark.parametrize(
    ("flags", "label", "words"),
    [
        ("", "synthetic", "text-to-image"),
        (" -G 0.9 -cf 0.75 -U 4 0.95", "synthetic", "text-to-image"),
        (" -I cat.png -f 0.7", "synthetic", "image-to-image"),
        (" -I cat.png -M mask.png", "composite", "inpainting"),
        (" -I cat.png -tm face", "composite", "inpainting"),
        (" -I cat.png -c top 64", "composite", "outpainting"),
        (" -I cat.png --out_direction left", "composite", "outpainting"),
    ],
)
def test_a_dreams_flags_state_its_mode(flags, label, words):
    detail = _found("Dream", _DREAM + flags)
    assert (detail.label, words in detail.says) == (label, True)


def test_the_first_dreams_wrote_flags_without_spaces():
    assert _found("Dream", _FIRST_DREAM).label == "synthetic"


@pytest.mark.parametrize(
    "text",
    ["", "I have a dream", '"a dream" -s 50 -S 12', "-W 512 -H 512", "Dream -s -S -W -H -C"],
)
def test_another_dream_is_absent(text):
    assert detect("invokeai", png(text_chunk("Dream", text))).state == "absent"


@pytest.mark.parametrize(
    ("kind", "label"), [("t2l", "synthetic"), ("inpaint", "composite"), ("test_type", None)]
)
def test_the_node_before_the_third_release_is_read(kind, label):
    values = {"session_id": "1", "node": {"id": "2", "type": kind, "model": "sd-1.5"}}
    detail = _found("invokeai", values)
    assert (detail.label, detail.model) == (label, "sd-1.5")


@pytest.mark.parametrize(
    ("kinds", "label"),
    [
        (("denoise_latents", "noise", "l2i"), "synthetic"),
        (("i2l", "denoise_latents", "l2i"), "synthetic"),
        (("flux_denoise", "flux_vae_encode"), "synthetic"),
        (("i2l", "create_gradient_mask", "denoise_latents"), "composite"),
        (("infill_lama", "denoise_latents"), "composite"),
        (("esrgan",), "composite"),
        (
            ("spandrel_image_to_image_autoscale", "tiled_multi_diffusion_denoise_latents"),
            "composite",
        ),
        (("img_crop", "img_resize"), None),
        (("create_denoise_mask", "canny_edge_detection"), None),
    ],
)
def test_a_graphs_nodes_say_what_became_of_the_pixels(kinds, label):
    graph = {"id": "g", "nodes": {str(n): {"type": kind} for n, kind in enumerate(kinds)}}
    workflow = {"nodes": [{"id": "1", "data": {"type": kind}} for kind in kinds]}
    assert _found("invokeai_graph", graph).label == label
    assert _found("invokeai_workflow", workflow).label == label


def test_a_graph_that_only_handles_a_photo_is_no_hit():
    graph = json.dumps({"nodes": {"1": {"type": "img_crop"}}})
    evidence = detect("invokeai", png(text_chunk("invokeai_graph", graph)))
    assert (evidence.state, evidence.is_hit) == ("present", False)


def test_metadata_comes_before_the_graph():
    metadata = json.dumps({"generation_mode": "inpaint", "steps": 30})
    graph = json.dumps({"nodes": {"1": {"type": "denoise_latents"}}})
    image = png(text_chunk("invokeai_graph", graph), text_chunk("invokeai_metadata", metadata))
    assert detect("invokeai", image).detail.label == "composite"


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, '{"nodes": 3}', '{"nodes": [[1]]}', "null"]
)
@pytest.mark.parametrize(
    "keyword", ["invokeai_metadata", "sd-metadata", "invokeai", "invokeai_graph"]
)
def test_text_of_another_form_is_absent(keyword, text):
    assert detect("invokeai", png(text_chunk(keyword, text))).state == "absent"


def test_its_json_in_another_place_gives_no_hit():
    text = json.dumps({"invokeai_metadata": {"generation_mode": "txt2img", "steps": 3}})
    assert detect("invokeai", jpeg((0xFE, text.encode()))).state == "absent"
    assert detect("invokeai", png(), Sidecar(caption=text)).state == "absent"


@needs_data
@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("sd-metadata/samples__png__invokeai.png", "waiIllustriousSDXL_v160"),
        ("sd-parsers/tests__resources__parsers__InvokeAI__invokeai_imeta1.png", "juggernautXL"),
        (
            "sd-parsers/tests__resources__parsers__InvokeAI__invokeai_sdmeta1.png",
            "deliberateForInvoke_v08",
        ),
        ("sd-parsers/tests__resources__parsers__InvokeAI__invokeai_dream1.png", None),
    ],
)
def test_genuine_metadata_is_read(path, model):
    detail = detect("invokeai", (DATA / "provenance" / path).read_bytes()).detail
    assert (detail.label, detail.model) == ("synthetic", model)
    assert "text-to-image" in detail.says
