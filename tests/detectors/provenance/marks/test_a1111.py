"""Infotext: which texts are one, who wrote it, and what it says about the pixels."""

from __future__ import annotations

import pytest

from madaudit.detectors.provenance.infotext import parse_infotext
from tests.detectors.image_building import (
    INFOTEXT,
    USER_COMMENT,
    detect,
    exif_block,
    itxt_chunk,
    jpeg,
    jpeg_with_exif,
    png,
    riff_chunk,
    text_chunk,
    user_comment,
    webp,
    ztxt_chunk,
)

_PLAIN = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"


def _found(parameters: str):
    evidence = detect("a1111", png(text_chunk("parameters", f"a lighthouse\n{parameters}")))
    assert evidence.state == "present"
    return evidence.detail


def test_an_infotext_is_read_into_names_and_values():
    parameters = parse_infotext(f'{INFOTEXT}, Lora hashes: "a: 1, b: 2", Hashes: {{}}')
    assert parameters is not None
    assert parameters["Sampler"] == "Euler a"
    assert parameters["Lora hashes"] == "a: 1, b: 2"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a lighthouse",
        "Steps: 20,",
        "Steps: 20, then stir for five minutes",
        "Recipe\nSteps: 20, Servings: 4, Time: 30 minutes",
        "We used Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1 for all figures",
        "Steps: many, Sampler: Euler a, CFG scale: 7",
        "steps: 20, sampler: Euler a",
    ],
)
def test_prose_is_no_infotext(text):
    assert parse_infotext(text) is None
    assert detect("a1111", png(text_chunk("parameters", text))).state == "absent"


def test_the_last_line_of_parameters_counts():
    text = f"Steps: 1, Sampler: LMS, Seed: 1\nprompt\n{_PLAIN}"
    assert parse_infotext(text)["Sampler"] == "Euler a"


@pytest.mark.parametrize(
    ("version", "tool"),
    [
        ("v1.7.0", "Automatic1111"),
        ("1.10.1", "Automatic1111"),
        ("f2.0.1v1.10.1-previous-659-gc055f2d4", "Forge"),
        ("f1.0.5-v1.10.1-RC-latest-2190-g8731f1e9", "Forge"),
        ("f1.0.0v2-v1.10.1RC-latest", "reForge"),
        ("neo", "Forge Neo"),
        ("classic", "Forge Classic"),
        ("ComfyUI", "ComfyUI"),
        ("Fooocus v2.5.5", "Fooocus"),
        ("stable-diffusion.cpp", "stable-diffusion.cpp"),
        ("something else", "Automatic1111"),
    ],
)
def test_the_version_names_the_program(version, tool):
    assert _found(f"{_PLAIN}, Version: {version}").tool == tool


def test_the_program_named_as_app_comes_first():
    assert _found(f"{_PLAIN}, Version: v1.7.0, App: SD.Next").tool == "SD.Next"


@pytest.mark.parametrize("name", ["Civitai resources", "Civitai metadata"])
def test_civitai_is_told_by_its_own_fields(name):
    assert _found(f"{_PLAIN}, {name}: [{{}}]").tool == "Civitai"


def test_without_any_version_it_is_the_first_web_ui():
    assert _found(_PLAIN).tool == "Automatic1111"


def test_the_model_is_named():
    detail = _found(f"{_PLAIN}, Model: dream")
    assert detail.model == "dream"
    assert "dream" in detail.says


@pytest.mark.parametrize(
    ("fields", "label", "how"),
    [
        ("", "synthetic", "text-to-image"),
        (", Denoising strength: 0.7", "synthetic", "image-to-image"),
        (
            ", Denoising strength: 0.7, Hires upscale: 2, Hires upscaler: Latent",
            "synthetic",
            "text-to-image",
        ),
        (", Denoising strength: 0.7, Mask blur: 4", "composite", "inpainting"),
        (", Denoising strength: 0.7, Inpaint area: Only masked", "composite", "inpainting"),
        (", Masked area padding: 32", "composite", "inpainting"),
    ],
)
def test_the_fields_say_what_became_of_the_pixels(fields, label, how):
    detail = _found(_PLAIN + fields)
    assert (detail.label, how in detail.says) == (label, True)


@pytest.mark.parametrize("keyword", ["postprocessing", "extras"])
def test_an_enlargement_by_the_extras_tab_is_composite(keyword):
    text = "Postprocess upscale by: 4, Postprocess upscaler: R-ESRGAN 4x+"
    evidence = detect("a1111", png(text_chunk(keyword, text)))
    assert (evidence.state, evidence.detail.label) == ("present", "composite")


def test_a_generation_counts_before_its_later_enlargement():
    extras = text_chunk("postprocessing", "Postprocess upscale by: 4")
    evidence = detect("a1111", png(extras, text_chunk("parameters", INFOTEXT)))
    assert evidence.detail.label == "synthetic"


@pytest.mark.parametrize(
    ("image", "field"),
    [
        (png(text_chunk("parameters", INFOTEXT)), "PNG tEXt parameters"),
        (png(ztxt_chunk("parameters", INFOTEXT.encode())), "PNG zTXt parameters"),
        (png(itxt_chunk("parameters", INFOTEXT.encode())), "PNG iTXt parameters"),
        (png(behind=text_chunk("parameters", INFOTEXT)), "PNG tEXt parameters"),
        (jpeg((0xFE, INFOTEXT.encode())), "JPEG comment"),
    ],
)
def test_the_field_says_where_it_stands(image, field):
    assert detect("a1111", image).detail.field == field


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("text_order", "<>")
def test_a_user_comment_is_read_in_either_byte_order(order, text_order):
    comment = user_comment(INFOTEXT, order=text_order)
    block = exif_block({USER_COMMENT: comment}, order=order)
    for image in (jpeg_with_exif(block), webp(riff_chunk(b"EXIF", block))):
        assert detect("a1111", image).detail.field == "EXIF UserComment"


@pytest.mark.parametrize("code", [b"ASCII\0\0\0", b"\0" * 8, b""])
def test_a_user_comment_is_read_in_every_character_code(code):
    block = exif_block({USER_COMMENT: code + INFOTEXT.encode()})
    assert detect("a1111", jpeg_with_exif(block)).state == "present"


def test_control_characters_of_a_file_do_not_reach_the_sentence():
    detail = _found(f"{_PLAIN}, Model: evil\x1b[2Jname\x07")
    assert detail.says.isprintable()
