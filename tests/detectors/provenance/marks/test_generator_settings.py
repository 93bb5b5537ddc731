"""Programs told by the names of their settings: each place, each mode, and names that are few."""

from __future__ import annotations

import json

import pytest

from madaudit.detectors.provenance.marks.generator_settings import (
    AS_CHUNKS,
    IN_OWN_CHUNK,
    IN_SETTINGS,
)
from tests.detectors.image_building import (
    USER_COMMENT,
    detect,
    exif_block,
    itxt_chunk,
    jpeg_with_exif,
    jpeg_with_xmp,
    png,
    state_of,
    text_chunk,
    user_comment,
    xmp_packet,
)
from tests.detectors.shared_data import DATA, needs_data

_HF = {
    "prompt": "a cat",
    "resolution": "1024 x 1024",
    "guidance_scale": 5.5,
    "num_inference_steps": 24,
    "sampler": "Euler a",
    "use_upscaler": None,
    "Model": "animagine",
}
_EASY = {"use_stable_diffusion_model": "sd-v1-5", "num_inference_steps": 25, "seed": 1}
_EASY_WORDS = {"Stable Diffusion model": "sd-v1-5", "Guidance Scale": 7, "Steps": 25, "Seed": 1}
_MFLUX = {"mflux_version": "0.10", "steps": 4, "model": "schnell"}
_DRAWN = {"c": "a cat", "uc": "", "sampler": "DDIM", "steps": 20, "seed": 1, "model": "sdxl.ckpt"}
_TENSORART = {"prompt": "a cat", "steps": 25, "baseModel": {"modelFileName": "WAI"}}
_SYGIL = {"SD:prompt": "a cat", "SD:seed": "1", "SD:steps": "50", "SD:cfg_scale": "7.5"}
_SD_SCRIPTS = {"prompt": "a cat", "seed": "1", "sampler": "ddim", "steps": "50", "scale": "7.5"}


def _found(image: bytes):
    evidence = detect("generator_settings", image)
    assert evidence.is_hit
    return evidence.detail


def _parameters(values: dict) -> bytes:
    return png(text_chunk("parameters", json.dumps(values)))


def _comment(values: dict) -> bytes:
    return jpeg_with_exif(exif_block({USER_COMMENT: user_comment(json.dumps(values))}))


def _chunks(values: dict) -> bytes:
    return png(*(text_chunk(keyword, str(value)) for keyword, value in values.items()))


def _own(keyword: str, values: dict) -> bytes:
    return png(itxt_chunk(keyword, json.dumps(values).encode() + b"\0"))


def _drawn(values: dict, tool: str = "Draw Things") -> bytes:
    text = json.dumps(values).replace('"', "&quot;")
    alternatives = f"<rdf:Alt><rdf:li xml:lang='x-default'>{text}</rdf:li></rdf:Alt>"
    return xmp_packet(
        f"<xmp:CreatorTool>{tool}</xmp:CreatorTool>"
        f"<exif:UserComment>{alternatives}</exif:UserComment>",
        attributes='xmlns:exif="http://ns.adobe.com/exif/1.0/"',
    )


@pytest.mark.parametrize(
    ("image", "tool", "model"),
    [
        (_parameters(_HF), "Hugging Face Space", "animagine"),
        (_parameters({**_HF, "Model": {"Model": "anime"}}), "Hugging Face Space", "anime"),
        (_comment(_EASY), "Easy Diffusion", "sd-v1-5"),
        (_comment(_EASY_WORDS), "Easy Diffusion", "sd-v1-5"),
        (_chunks(_EASY), "Easy Diffusion", "sd-v1-5"),
        (_chunks(_EASY_WORDS), "Easy Diffusion", "sd-v1-5"),
        (_comment(_MFLUX), "mflux", "schnell"),
        (_comment({**_DRAWN, "scale": 7, "size": "512x512"}), "Draw Things", "sdxl.ckpt"),
        (jpeg_with_xmp(_drawn(_DRAWN)), "Draw Things", "sdxl.ckpt"),
        (png(itxt_chunk("XML:com.adobe.xmp", _drawn(_DRAWN))), "Draw Things", "sdxl.ckpt"),
        (_own("generation_data", _TENSORART), "TensorArt", "WAI"),
        (_own("smproj", {"ProjectType": "TextToImage"}), "Stability Matrix", None),
        (_chunks(_SYGIL), "Sygil WebUI", None),
        (_chunks(_SD_SCRIPTS), "sd-scripts", None),
    ],
)
def test_each_program_is_told_in_its_places(image, tool, model):
    detail = _found(image)
    assert (detail.tool, detail.model) == (tool, model)


@pytest.mark.parametrize(
    ("image", "label", "words"),
    [
        (_parameters({**_HF, "use_upscaler": {"upscale_by": 1.5}}), "synthetic", "text-to-image"),
        (_comment(_EASY), "synthetic", "text-to-image"),
        (_comment({**_EASY, "prompt_strength": 0.8}), "synthetic", "image-to-image"),
        (_chunks({**_EASY_WORDS, "Prompt Strength": 0.8}), "synthetic", "image-to-image"),
        (_comment(_MFLUX), "synthetic", "text-to-image"),
        (_comment({**_MFLUX, "image_path": "cat.png"}), "synthetic", "image-to-image"),
        (_comment({**_MFLUX, "masked_image_path": "m.png"}), "composite", "inpainting"),
        (_comment({**_MFLUX, "model": "seedvr2-3b"}), "composite", "enlargement"),
        (jpeg_with_xmp(_drawn({**_DRAWN, "strength": 1})), "synthetic", "text-to-image"),
        (jpeg_with_xmp(_drawn({**_DRAWN, "strength": 0.4})), "synthetic", "image-to-image"),
        (jpeg_with_xmp(_drawn(_DRAWN)), "synthetic", "how is not said"),
        (_own("generation_data", _TENSORART), "synthetic", "how is not said"),
        (_own("smproj", {"ProjectType": "FluxTextToImage"}), "synthetic", "text-to-image"),
        (_own("smproj", {"ProjectType": "QwenImageEdit"}), "synthetic", "image-to-image"),
        (_own("smproj", {"ProjectType": "Upscale"}), "composite", "enlargement"),
        (_own("smproj", {"ProjectType": "Inpainting"}), "composite", "inpainting"),
        (_own("smproj", {"ProjectType": 7}), "synthetic", "how is not said"),
        (_chunks(_SYGIL), "synthetic", "text-to-image"),
        (_chunks({**_SYGIL, "SD:denoising_strength": "0.7"}), "synthetic", "image-to-image"),
    ],
)
def test_the_settings_say_how_it_was_made(image, label, words):
    detail = _found(image)
    assert (detail.label, words in detail.says) == (label, True)


@pytest.mark.parametrize("signature", IN_SETTINGS, ids=lambda one: one.tool)
def test_every_name_of_a_signature_must_be_there(signature):
    for left_out in signature.names:
        values = {name: "x" for name in signature.names if name != left_out}
        assert detect("generator_settings", _parameters(values)).state == "absent"


@pytest.mark.parametrize("signature", AS_CHUNKS, ids=lambda one: one.tool)
def test_every_chunk_of_a_signature_must_be_there(signature):
    for left_out in signature.names:
        values = {name: "x" for name in signature.names if name != left_out}
        assert detect("generator_settings", _chunks(values)).state == "absent"


@pytest.mark.parametrize("keyword", IN_OWN_CHUNK)
@pytest.mark.parametrize("text", ["", "{}", "[1]", "a text", '{"prompt": "a cat"}'])
def test_a_chunk_of_that_name_with_another_text_is_absent(keyword, text):
    assert detect("generator_settings", png(text_chunk(keyword, text))).state == "absent"


def test_no_photo_editor_writes_a_signature():
    """All names are of settings that only a generator has."""
    common = {
        "Title",
        "Author",
        "Description",
        "Copyright",
        "Creation Time",
        "Software",
        "Comment",
    }
    for signature in AS_CHUNKS:
        assert not signature.names & common
        assert len(signature.names) >= 3


@pytest.mark.parametrize("tool", ["Adobe Photoshop", "I Draw Things", ""])
def test_xmp_of_another_tool_is_absent(tool):
    image = jpeg_with_xmp(_drawn(_DRAWN | {"c": "Draw Things"}, tool))
    assert detect("generator_settings", image).state == "absent"


def test_xmp_that_names_the_program_without_settings_is_absent():
    image = jpeg_with_xmp(xmp_packet("<xmp:CreatorTool>Draw Things</xmp:CreatorTool>"))
    assert detect("generator_settings", image).state == "absent"


def test_damaged_xmp_of_the_program_is_missing():
    assert state_of("generator_settings", jpeg_with_xmp(b"<Draw Things")) == "missing"


@needs_data
@pytest.mark.parametrize(
    ("path", "tool", "model"),
    [
        (
            "samples__png__huggingface-space.png",
            "Hugging Face Space",
            "WAI NSFW illustrious SDXL v16",
        ),
        ("samples__png__tensorart.png", "TensorArt", "WAI-Nsfw-Illustrious-16"),
    ],
)
def test_genuine_files_are_read(path, tool, model):
    detail = _found((DATA / "provenance/sd-metadata" / path).read_bytes())
    assert (detail.tool, detail.model, detail.label) == (tool, model, "synthetic")
