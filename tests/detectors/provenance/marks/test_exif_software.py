"""EXIF signatures in the file, and in the column that img2dataset keeps of it."""

from __future__ import annotations

import io
import json
import logging

import exifread
import pytest

from madaudit.detectors.provenance.marks.exif_software import SIGNATURES, signature_of
from madaudit.detectors.provenance.tiff import read_tags
from madaudit.types import Sidecar
from tests.detectors.image_building import (
    ARTIST,
    DESCRIPTION,
    MAKE,
    MAKER_NOTE,
    MODEL,
    SOFTWARE,
    USER_COMMENT,
    avif,
    chunk,
    detect,
    exif_block,
    jpeg,
    jpeg_with_exif,
    png,
    raw_profile_chunk,
    riff_chunk,
    user_comment,
    webp,
)

_UUID = "56c0ca36-7be1-4bce-a593-949f3ae4322e"
_POLLINATIONS = user_comment('{"prompt":"a cat","seed":42,"originalPrompt":"cat"}')
# One file for each signature: tool, label, model and its tags.
_SIGNED = {
    "flux": ("FLUX", "synthetic", "flux-dev", {SOFTWARE: "AI generated;txt2img;flux"}),
    "flux-img2img": ("FLUX", "synthetic", "flux-dev", {SOFTWARE: "AI generated;img2img;flux"}),
    "flux-fill": ("FLUX", "composite", "flux-dev", {SOFTWARE: "AI generated;fill;flux"}),
    "flux2": ("FLUX", "synthetic", None, {SOFTWARE: "AI generated;flux2"}),
    "ovis": ("Ovis", "synthetic", None, {SOFTWARE: "AI generated;txt2img", MAKE: "Ovis"}),
    "qwen": (
        "Qwen",
        "synthetic",
        "qwen-image",
        {SOFTWARE: "AI generated;t2i;qwen", MAKE: "Qwen", MODEL: "qwen-image"},
    ),
    "words-alone": ("unnamed", "synthetic", None, {SOFTWARE: "AI generated"}),
    "others-inpaint": (
        "HiDream-ai",
        "composite",
        None,
        {SOFTWARE: "AI generated;hidream;inpaint", MAKE: "HiDream-ai"},
    ),
    "grok": (
        "Grok",
        "synthetic",
        None,
        {DESCRIPTION: "Signature: " + "aB3+" * 20 + "==", ARTIST: _UUID.upper()},
    ),
    "ideogram": ("Ideogram", "synthetic", None, {MAKE: "Ideogram AI"}),
    "openai-note": ("OpenAI", "synthetic", None, {MAKER_NOTE: b"OpenAI--ImageGeneration--x"}),
    "openai-comment": (
        "OpenAI",
        "synthetic",
        None,
        {USER_COMMENT: b"ASCII\0\0\0Made with OpenAI Labs"},
    ),
    "pollinations": ("Pollinations", "synthetic", "flux", {USER_COMMENT: _POLLINATIONS}),
    "novelai": (
        "NovelAI",
        "synthetic",
        "NovelAI Diffusion V4",
        {SOFTWARE: "NovelAI Diffusion V4"},
    ),
    "civitai": ("Civitai", "synthetic", None, {ARTIST: "ai", SOFTWARE: _UUID}),
}
_ADDED = {
    "flux": {MODEL: "flux-dev"},
    "flux-img2img": {MODEL: "flux-dev"},
    "flux-fill": {MODEL: "flux-dev"},
    "pollinations": {MAKE: "flux"},
}
_REAL = [
    {MAKE: "Canon", MODEL: "EOS 5D", SOFTWARE: "Firmware 1.1"},
    {MAKE: "Apple", MODEL: "iPhone 15", SOFTWARE: "17.1"},
    {SOFTWARE: "Adobe Photoshop 25.1 (Windows)", ARTIST: "Someone"},
    {SOFTWARE: "GIMP 2.10"},
    {SOFTWARE: "Adobe Firefly plugin wrote: AI generated;txt2img;flux"},
    {SOFTWARE: "not NovelAI"},
    {ARTIST: "ai"},
    {ARTIST: "ai weiwei", SOFTWARE: _UUID},
    {ARTIST: "ai", SOFTWARE: f"{_UUID} and more"},
    {SOFTWARE: _UUID},
    {MAKE: "flux"},
    {USER_COMMENT: _POLLINATIONS},
    {MAKE: "Canon", USER_COMMENT: user_comment('{"prompt":"a cat"}')},
    {MAKER_NOTE: b"Canon OpenAI--ImageGeneration--"},
    {USER_COMMENT: b"ASCII\0\0\0Made with OpenAI Labs? No."},
    {DESCRIPTION: "Made with OpenAI Labs"},
    {DESCRIPTION: "Signature: " + "aB3+" * 20},
    {DESCRIPTION: "Signature: short", ARTIST: _UUID},
    {DESCRIPTION: "Signature: " + "aB3+" * 20, ARTIST: "Someone"},
    {SOFTWARE: "AI generated art viewer 1.0"},
    {MAKE: "Ideogram AI camera"},
    {MAKE: "Ovis", SOFTWARE: "Ovis 1.0"},
]


def _block(name: str, order: str = "<") -> bytes:
    return exif_block(_SIGNED[name][3] | _ADDED.get(name, {}), order=order)


def _column(image: bytes, *, details: bool = False) -> str:
    """The exif column as img2dataset makes it (downloader.py, `details=False`)."""
    logging.getLogger("exifread").setLevel(logging.CRITICAL)
    tags = exifread.process_file(io.BytesIO(image), details=details)
    return json.dumps(
        {key: str(value).strip() for key, value in tags.items() if value is not None}
    )


def test_every_signature_has_a_file_here():
    used = [signature_of(read_tags(_block(name))) for name in _SIGNED]
    assert [one for one in SIGNATURES if one not in used] == []


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("name", _SIGNED)
def test_every_signature_is_found(name, order):
    evidence = detect("exif_software", jpeg_with_exif(_block(name, order)))
    assert evidence.is_hit
    assert (evidence.detail.tool, evidence.detail.label, evidence.detail.model) == _SIGNED[name][
        :3
    ]


@pytest.mark.parametrize("name", _SIGNED)
def test_a_signature_is_found_in_every_format(name):
    block = _block(name)
    images = [png(chunk(b"eXIf", block)), png(raw_profile_chunk("exif", b"Exif\0\0" + block))]
    images += [webp(riff_chunk(b"EXIF", block)), avif(exif=block)]
    assert all(detect("exif_software", image).is_hit for image in images)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("tags", _REAL)
def test_cameras_and_editors_never_hit(tags, order):
    image = jpeg_with_exif(exif_block(tags, order=order))
    assert detect("exif_software", image).state == "absent"


@pytest.mark.parametrize(
    "name",
    ["flux", "flux-img2img", "flux-fill", "flux2", "ovis", "qwen", "grok", "novelai", "civitai"],
)
def test_a_signature_is_found_in_the_exif_column_of_a_reencoded_image(name):
    column = _column(jpeg_with_exif(_block(name)))
    evidence = detect("exif_software", jpeg(), Sidecar(exif=column, reencoded=True))
    assert evidence.detail.tool == _SIGNED[name][0]
    assert evidence.detail.field.startswith("exif column ")


@pytest.mark.parametrize("name", ["openai-comment", "pollinations"])
def test_a_comment_is_found_where_a_pipeline_kept_it(name):
    """img2dataset itself leaves UserComment and MakerNote out (`details=False`)."""
    image = jpeg_with_exif(_block(name))
    assert "UserComment" not in _column(image)
    kept = Sidecar(exif=_column(image, details=True), reencoded=True)
    assert detect("exif_software", jpeg(), kept).detail.tool == _SIGNED[name][0]


@pytest.mark.parametrize("tags", [{}, {MAKE: "Canon", SOFTWARE: "Firmware 1.1"}])
def test_nothing_in_the_exif_column_proves_nothing(tags):
    """It lacks UserComment and MakerNote, where OpenAI and Pollinations sign."""
    column = _column(jpeg_with_exif(exif_block(tags)))
    sidecar = Sidecar(exif=column, reencoded=True)
    for name in ("a1111", "c2pa", "comfyui", "exif_software", "iptc"):
        assert detect(name, jpeg(), sidecar).state == "unobservable"


def test_a_reencoded_image_without_the_column_is_unobservable():
    assert detect("exif_software", jpeg(), Sidecar(reencoded=True)).state == "unobservable"


def test_the_column_counts_although_the_image_was_not_reencoded():
    column = _column(jpeg_with_exif(_block("flux")))
    assert detect("exif_software", jpeg(), Sidecar(exif=column)).is_hit


def test_the_thumbnails_tags_in_the_exif_column_are_not_the_images():
    block = exif_block({SOFTWARE: "editor"}, thumbnail={SOFTWARE: "AI generated;txt2img;flux"})
    column = _column(jpeg_with_exif(block))
    assert "Thumbnail Software" in column
    assert detect("exif_software", jpeg(), Sidecar(exif=column)).state == "absent"
