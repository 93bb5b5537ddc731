"""Settings hidden in pixels: planes, signatures, whose they are, and what is no payload."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from madaudit.detectors import DEFAULTS, PIXEL_DEFAULTS, build_detector, default_detectors
from madaudit.errors import MalformedError
from madaudit.types import Sidecar
from tests.detectors.image_building import (
    INFOTEXT,
    detect,
    detect_pixels,
    hidden,
    jpeg,
    pillow_bytes,
    png,
)
from tests.detectors.shared_data import DATA, needs_data

_NOVELAI = {
    "Software": "NovelAI",
    "Source": "NovelAI Diffusion V4.5 C02D4F98",
    "Comment": json.dumps({"steps": 28, "request_type": "NativeInfillingRequest"}),
}
_GRAPH = {"1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "dream"}}}


def _in_alpha(text: str) -> bytes:
    return hidden(gzip.compress(text.encode()), size=(60, 60))


@pytest.mark.parametrize(
    ("signature", "where"),
    [
        (b"stealth_pnginfo", "lowest bits of alpha"),
        (b"stealth_pngcomp", "lowest bits of alpha"),
        (b"stealth_rgbinfo", "lowest bits of RGB"),
        (b"stealth_rgbcomp", "lowest bits of RGB"),
    ],
)
@pytest.mark.parametrize("size", [(40, 70), (300, 9), (1, 3000)])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_both_planes_are_read_in_both_forms(signature, where, size, kind):
    text = INFOTEXT.encode()
    payload = gzip.compress(text) if signature.endswith(b"comp") else text
    image = hidden(payload, signature=signature, size=size, kind=kind)
    evidence = detect_pixels("stealth", image)
    assert evidence.is_hit
    assert evidence.detail.field == where
    assert (evidence.detail.tool, evidence.detail.model) == ("Automatic1111", "dream")


def test_novelais_fields_are_told_with_their_request():
    detail = detect_pixels("stealth", _in_alpha(json.dumps(_NOVELAI))).detail
    assert (detail.tool, detail.label) == ("NovelAI", "composite")
    assert "inpainting" in detail.says


def test_a_hidden_graph_is_comfyuis():
    detail = detect_pixels("stealth", _in_alpha(json.dumps({"prompt": _GRAPH}))).detail
    assert (detail.tool, detail.model, detail.label) == ("ComfyUI", "dream", "synthetic")


@pytest.mark.parametrize("text", ["a caption", "", '{"Software": "editor"}', "é" * 20])
def test_other_text_is_present_and_no_hit(text):
    evidence = detect_pixels("stealth", _in_alpha(text))
    assert (evidence.state, evidence.is_hit, evidence.detail.tool) == ("present", False, "unnamed")


@pytest.mark.parametrize("signature", [b"stealth_pngcom_", b"Stealth_pngcomp", b"stealth_rgbcomp"])
def test_another_signature_in_alpha_is_none(signature):
    image = hidden(gzip.compress(INFOTEXT.encode()), size=(60, 60))
    other = hidden(gzip.compress(INFOTEXT.encode()), signature=signature, size=(60, 60))
    if b"png" in signature:
        assert other != image
        assert detect_pixels("stealth", other).state == "absent"
    else:  # the signature of the other plane counts there alone
        assert detect_pixels("stealth", other).detail.field == "lowest bits of RGB"


@pytest.mark.parametrize("n_bits", [0, 7, 30 * 40 * 8, (1 << 32) - 1])
def test_a_length_that_the_image_cannot_hold_is_malformed(n_bits):
    image = hidden(gzip.compress(b"text"), n_bits=n_bits)
    with pytest.raises(MalformedError, match="hidden payload"):
        detect_pixels("stealth", image)


@pytest.mark.parametrize("payload", [b"no gzip at all", gzip.compress(b"text")[:3] + b"\xff" * 9])
def test_a_payload_that_is_not_compressed_is_malformed(payload):
    with pytest.raises(MalformedError, match="cannot be decompressed"):
        detect_pixels("stealth", hidden(payload))


def test_a_payload_that_expands_beyond_the_limit_is_malformed():
    bomb = gzip.compress(b"\0" * ((1 << 23) + 1))
    with pytest.raises(MalformedError, match="more than"):
        detect_pixels("stealth", hidden(bomb, size=(300, 250)))


@settings(max_examples=60, deadline=None, database=None)
@given(
    signature=st.sampled_from([b"stealth_pnginfo", b"stealth_pngcomp", b"stealth_rgbcomp"]),
    payload=st.binary(max_size=40),
    n_bits=st.one_of(st.none(), st.integers(0, 400), st.integers(0, (1 << 32) - 1)),
)
def test_whatever_is_hidden_is_read_or_malformed(signature, payload, n_bits):
    image = hidden(payload, signature=signature, size=(20, 30), n_bits=n_bits)
    with contextlib.suppress(MalformedError):
        assert detect_pixels("stealth", image).state == "present"


@pytest.mark.parametrize("side", ["width", "height"])
def test_a_header_that_fills_the_image_is_malformed(side):
    size = (152, 1) if side == "width" else (1, 152)
    with pytest.raises(MalformedError, match="the image holds 19"):
        detect_pixels("stealth", hidden(b"", size=size, n_bits=8))


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (151, 1)])
def test_an_image_too_small_for_a_signature_is_absent(size):
    image = pillow_bytes("PNG", size)
    assert detect_pixels("stealth", image).state == "absent"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_image_encoded_anew_is_unobservable(kind):
    image = pillow_bytes(kind, (40, 40))
    assert detect_pixels("stealth", image).state == "absent"
    assert detect_pixels("stealth", image, Sidecar(reencoded=True)).state == "unobservable"


@pytest.mark.parametrize("image", [jpeg(), pillow_bytes("GIF"), pillow_bytes("BMP")])
def test_a_format_that_loses_the_bits_is_unobservable(image):
    assert detect_pixels("stealth", image).state == "unobservable"


@pytest.mark.parametrize("image", [b"", b"<html>", png()[:-30]])
def test_what_cannot_be_decoded_is_missing(image):
    assert detect_pixels("stealth", image).state == "missing"


def test_without_pixels_nothing_is_said_of_them():
    assert detect("stealth", png()).state == "missing"


def test_a_lossy_copy_has_lost_the_mark():
    image = Image.open(io.BytesIO(_in_alpha(INFOTEXT))).convert("RGB")
    copy = io.BytesIO()
    image.save(copy, "WEBP", quality=90)
    assert detect_pixels("stealth", copy.getvalue()).state == "absent"


def test_a_copy_cut_below_has_a_signature_and_no_payload():
    image = Image.open(io.BytesIO(hidden(gzip.compress(INFOTEXT.encode()), size=(20, 200))))
    copy = io.BytesIO()
    image.crop((0, 0, 20, 190)).save(copy, "PNG")
    with pytest.raises(MalformedError):
        detect_pixels("stealth", copy.getvalue())


def test_a_copy_cut_at_the_right_keeps_the_mark():
    image = Image.open(io.BytesIO(hidden(gzip.compress(INFOTEXT.encode()), size=(20, 400))))
    copy = io.BytesIO()
    image.crop((0, 0, 15, 400)).save(copy, "PNG")
    assert detect_pixels("stealth", copy.getvalue()).is_hit


def test_compressed_text_in_the_pixels_themselves_gives_no_hit():
    image = png(size=(1000, 4), pixels=b"stealth_pngcomp" + zlib.compress(INFOTEXT.encode()))
    assert detect_pixels("stealth", image).state == "absent"


def test_it_runs_by_default_where_pixels_are_decoded():
    assert default_detectors("headers") == DEFAULTS
    assert set(default_detectors("pixels")) == {*DEFAULTS, *PIXEL_DEFAULTS}
    for name in DEFAULTS:
        assert build_detector(name).tier == "headers"
    for name in PIXEL_DEFAULTS:
        assert build_detector(name).tier == "pixels"


@needs_data
@pytest.mark.parametrize(
    ("path", "tool"),
    [
        ("sd-metadata/samples__png__novelai-curated.png", "NovelAI"),
        ("sd-metadata/samples__png__novelai-full.png", "NovelAI"),
        ("sd-metadata/samples__webp__novelai-curated.webp", "NovelAI"),
        (
            "sd-parsers/tests__resources__parsers__AUTOMATIC1111__automatic1111_stealth.png",
            "Automatic1111",
        ),
    ],
)
def test_genuine_pixels_are_read(path, tool):
    evidence = detect_pixels("stealth", (DATA / "provenance" / path).read_bytes())
    assert (evidence.detail.tool, evidence.detail.label) == (tool, "synthetic")
