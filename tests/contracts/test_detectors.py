"""What every detector promises; a new one is tested by being registered."""

from __future__ import annotations

from pathlib import Path

import pytest

from madaudit.contracts.detectors import (
    CHECKS,
    DetectorCase,
    it_is_a_frozen_dataclass,
    it_names_itself_as_the_registry_does,
)
from madaudit.contracts.images import NO_IMAGES
from madaudit.detectors import build_detector, known_detectors
from madaudit.detectors.base import Detector
from tests.contracts.promises import promise_of
from tests.detectors.image_building import (
    INFOTEXT,
    SYNTHETIC_STORE,
    chunk,
    exif_block,
    hidden,
    jpeg,
    jpeg_with_exif,
    jpeg_with_xmp,
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
    *NO_IMAGES,
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


@pytest.mark.parametrize("check", CHECKS, ids=promise_of)
def test_it_keeps_the_contract(check, detector):
    check(DetectorCase(detector.name, detector, _IMAGES))


@pytest.mark.parametrize("check", [it_is_a_frozen_dataclass, it_names_itself_as_the_registry_does])
@pytest.mark.parametrize("name", sorted(known_detectors()))
def test_it_is_what_it_says_even_where_it_cannot_run(check, name):
    check(DetectorCase(name, build_detector(name), ()))
