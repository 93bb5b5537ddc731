"""NovelAI's fields in PNG chunks and in EXIF."""

from __future__ import annotations

import json

import pytest

from tests.detectors.image_building import (
    SOFTWARE,
    USER_COMMENT,
    detect,
    exif_block,
    itxt_chunk,
    jpeg_with_exif,
    png,
    riff_chunk,
    text_chunk,
    user_comment,
    webp,
)
from tests.detectors.shared_data import DATA, needs_data

_SOURCE = "NovelAI Diffusion V4.5 C02D4F98"


def _comment(kind: str | None = "PromptGenerateRequest") -> str:
    request = {} if kind is None else {"request_type": kind}
    return json.dumps({"steps": 28, "uc": "blurry", "strength": 0.7, **request})


def _fields(kind: str | None = "PromptGenerateRequest") -> dict[str, str]:
    return {"Software": "NovelAI", "Source": _SOURCE, "Comment": _comment(kind)}


def _png(fields: dict[str, str]) -> bytes:
    return png(*(text_chunk(keyword, text) for keyword, text in fields.items()))


def _webp(fields: dict[str, str]) -> bytes:
    block = exif_block({USER_COMMENT: user_comment(json.dumps(fields))})
    return webp(riff_chunk(b"EXIF", block))


@pytest.mark.parametrize("image", [_png(_fields()), _webp(_fields())])
def test_the_model_is_named_in_both_places(image):
    detail = detect("novelai", image).detail
    assert (detail.tool, detail.model, detail.label) == ("NovelAI", _SOURCE, "synthetic")


@pytest.mark.parametrize(
    ("kind", "label", "words"),
    [
        ("PromptGenerateRequest", "synthetic", "text-to-image"),
        ("Img2ImgRequest", "synthetic", "image-to-image"),
        ("NativeInfillingRequest", "composite", "inpainting"),
        ("NextYearsRequest", "synthetic", "how is not said"),
        (None, "synthetic", "how is not said"),
    ],
)
@pytest.mark.parametrize("make", [_png, _webp])
def test_the_request_says_how_it_was_made(kind, label, words, make):
    detail = detect("novelai", make(_fields(kind))).detail
    assert (detail.label, words in detail.says) == (label, True)


@pytest.mark.parametrize("comment", ["", "no JSON", "[1]", '{"request_type": [1]}'])
def test_its_name_is_enough_where_the_comment_is_damaged(comment):
    detail = detect("novelai", _png({**_fields(), "Comment": comment})).detail
    assert "how is not said" in detail.says


@pytest.mark.parametrize("software", ["", "GIMP 3.0", "made with NovelAI", "novelai"])
def test_another_programs_fields_are_absent(software):
    for image in (
        _png({**_fields(), "Software": software}),
        _webp({**_fields(), "Software": software}),
    ):
        assert detect("novelai", image).state == "absent"


def test_its_name_in_another_place_gives_no_hit():
    texts = [itxt_chunk("Description", b"NovelAI"), text_chunk("Title", "NovelAI generated image")]
    assert detect("novelai", png(*texts)).state == "absent"
    assert detect("novelai", jpeg_with_exif(exif_block({SOFTWARE: "editor"}))).state == "absent"


@needs_data
@pytest.mark.parametrize(
    ("path", "model", "words"),
    [
        ("sd-metadata/samples__png__novelai-curated.png", _SOURCE, "text-to-image"),
        ("sd-metadata/samples__webp__novelai-curated.webp", _SOURCE, "text-to-image"),
        (
            "sd-parsers/tests__resources__parsers__NovelAI__novelai1_cropped.png",
            "Stable Diffusion 1D44365E",
            "how is not said",
        ),
    ],
)
def test_genuine_metadata_is_read(path, model, words):
    detail = detect("novelai", (DATA / "provenance" / path).read_bytes()).detail
    assert (detail.tool, detail.model, detail.label) == ("NovelAI", model, "synthetic")
    assert words in detail.says
