"""What every detector promises; a new one is tested by being registered."""

from __future__ import annotations

import dataclasses
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from madaudit.detectors import build_detector, known_detectors
from madaudit.detectors.base import Batch, Detector, Look, Raster
from madaudit.types import LABELS, STATES, Evidence
from tests.detectors.image_building import (
    INFOTEXT,
    SYNTHETIC_STORE,
    chunk,
    exif_block,
    hidden,
    jpeg,
    jpeg_with_exif,
    jpeg_with_xmp,
    look_at,
    pillow_bytes,
    png,
    source_type_xmp,
    text_chunk,
    webp,
)
from tests.detectors.probes.probe_building import write_head, write_probe
from tests.detectors.watermarks.text.marked_building import small_gpt2
from tests.encoders.bank_building import small_bank
from tests.encoders.clip_building import miniature

_NO_IMAGES = (b"", b"<html>not found</html>", b"\0" * 400)
_IMAGES = (
    png(text_chunk("parameters", INFOTEXT)),
    png(chunk(b"caBX", SYNTHETIC_STORE)),
    jpeg_with_xmp(source_type_xmp()),
    jpeg_with_exif(exif_block({0x0131: "AI generated;txt2img;flux"})),
    hidden(INFOTEXT.encode(), signature=b"stealth_pnginfo", size=(40, 50)),
    pillow_bytes("JPEG", (300, 280)),
    pillow_bytes("PNG", (64, 64)),
    jpeg(),
    webp(),
    pillow_bytes("GIF"),
    png()[:-20],
    *_NO_IMAGES,
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> str:
    return str(small_gpt2(tmp_path_factory.mktemp("tokenizer") / "gpt2"))


def _with_torch(folder: Path) -> dict[str, str]:
    """UniversalFakeDetect on a miniature of its encoder."""
    pytest.importorskip("open_clip", reason="open_clip is not installed (extra clip)")
    place, _ = miniature(folder)
    head = write_head(folder / "fc.pth", [0.5] * 16, 0.1)
    return {"model": f"local-dir:{place}", "head": str(head), "precision": "fp32"}


# What stands in for weights that tests do without.
_MINIATURES = {
    "clip_probe": write_probe,
    "neighbours": small_bank,
    "universal_fake_detect": _with_torch,
}
_NEEDS_TORCH = {"universal_fake_detect"}
_NAMES = [
    pytest.param(name, marks=pytest.mark.torch if name in _NEEDS_TORCH else ())
    for name in sorted(known_detectors())
]


@pytest.fixture(scope="module", params=_NAMES)
def detector(request, tokenizer, tmp_path_factory) -> Detector:
    options = {}
    if request.param in ("greenlist", "synthid_text"):
        options = {"tokenizer": tokenizer}
    elif request.param in _MINIATURES:
        options = _MINIATURES[request.param](tmp_path_factory.mktemp(request.param))
    built = build_detector(request.param, options)
    why = built.why_unavailable()
    if why is not None:
        pytest.skip(why)
    return built


def _decoded(image: bytes) -> Raster | None:
    try:
        picture = Image.open(io.BytesIO(image))
        alpha = np.asarray(picture.getchannel("A")) if picture.mode == "RGBA" else None
        return Raster(np.asarray(picture.convert("RGB")), alpha)
    except OSError:
        return None


def _batch(images: tuple[bytes, ...]) -> Batch:
    looks: list[Look] = [look_at(image) for image in images]
    return Batch(looks, lambda index: _decoded(images[index]))


def _said(evidence: list[Evidence]) -> list[str]:
    """As text, in which a missing score equals another."""
    return [repr(item) for item in evidence]


def test_it_says_one_thing_of_each_sample(detector):
    evidence = detector.detect(_batch(_IMAGES))
    assert len(evidence) == len(_IMAGES)
    assert {item.state for item in evidence} <= set(STATES)


def test_an_empty_batch_gives_nothing(detector):
    assert detector.detect(_batch(())) == []


def test_the_size_of_the_batch_does_not_matter(detector):
    one_by_one = [detector.detect(_batch((image,)))[0] for image in _IMAGES]
    assert _said(one_by_one) == _said(detector.detect(_batch(_IMAGES)))


def test_the_order_of_the_batch_does_not_matter(detector):
    backwards = detector.detect(_batch(_IMAGES[::-1]))
    assert _said(backwards[::-1]) == _said(detector.detect(_batch(_IMAGES)))


def test_it_says_the_same_twice(detector):
    assert _said(detector.detect(_batch(_IMAGES))) == _said(detector.detect(_batch(_IMAGES)))


@pytest.mark.parametrize("image", _NO_IMAGES)
def test_what_is_no_image_is_missing(detector, image):
    (evidence,) = detector.detect(_batch((image,)))
    assert evidence.state == "missing"
    assert np.isnan(evidence.score)


def test_a_pickled_copy_says_the_same(detector):
    copy = pickle.loads(pickle.dumps(detector))
    assert copy == detector
    assert _said(copy.detect(_batch(_IMAGES))) == _said(detector.detect(_batch(_IMAGES)))


def test_what_is_present_says_why_in_words(detector):
    for item in detector.detect(_batch(_IMAGES)):
        if item.state == "present":
            assert item.detail is not None
            assert item.detail.says.isprintable()
            assert item.detail.label in (None, *LABELS)


def test_a_detector_has_no_hit_on_a_plain_image(detector):
    plain = (pillow_bytes("JPEG", (300, 280)), pillow_bytes("PNG", (64, 64)), webp())
    assert not any(item.is_hit for item in detector.detect(_batch(plain)))


@pytest.mark.parametrize("name", sorted(known_detectors()))
def test_it_names_itself_as_the_registry_does(name):
    built = build_detector(name)
    assert built.name == name
    assert built.version >= 1
    assert built.kind in ("one-sided", "graded")
    assert built.tier in ("headers", "pixels", "model")
    assert built.verified


@pytest.mark.parametrize("name", sorted(known_detectors()))
def test_it_is_a_frozen_dataclass(name):
    kind = type(build_detector(name))
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
