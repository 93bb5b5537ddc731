"""The probe that comes with madaudit: its encoder, what it was fitted on, what it is worth."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from madaudit.detectors import build_detector
from madaudit.detectors.base import Batch, Raster
from madaudit.detectors.probes.files import read_probe
from madaudit.encoders.weights import look_up
from tests.detectors.image_building import look_at, pillow_bytes
from tests.detectors.shared_data import DATA, needs_data, rows_of

_CARD = (Path(__file__).parents[2] / "docs" / "models" / "clip_probe.md").read_text("utf-8")


def test_it_is_bound_to_the_tower_that_its_card_names():
    probe = read_probe("")
    assert probe.encoder == look_up("clip-vit-b16-int8").sha256
    assert len(probe.weights) == 512
    assert probe.encoder[:8] in _CARD
    assert probe.digest[:16] in _CARD


def test_it_was_fitted_on_nothing_whose_licence_forbids_it():
    licences = read_probe("").provenance["licences"]
    allowed = ("CC0", "MIT", "CC-BY-2.0", "CC-BY-4.0", "Apache-2.0", "CreativeML Open RAIL-M")
    assert all(licence.startswith(allowed) for licence in licences.values())
    groups = read_probe("").provenance["fit"]["groups"]
    assert {name.partition(": ")[2] for name in groups} == set(licences)


def test_what_it_says_it_was_verified_on_is_its_cards_summary():
    said = re.findall(r"\d\.\d+", build_detector("clip_probe").verified)
    summary = _CARD.partition("<!-- summary -->")[2].partition("<!-- /summary -->")[0]
    assert len(said) == 3
    assert all(number in summary for number in said)


def _score(detector, rows) -> np.ndarray:
    scores = []
    for row in rows:
        with Image.open(DATA / row["path"]) as picture:
            stream = io.BytesIO()
            picture.convert("RGB").save(stream, "JPEG", quality=90)
        pixels = np.asarray(Image.open(stream).convert("RGB"))
        batch = Batch([look_at(pillow_bytes("PNG", (9, 9)))], lambda _, p=pixels: Raster(p))
        (evidence,) = detector.detect(batch)
        if evidence.state == "present":
            scores.append(evidence.score)
    return np.array(scores)


@pytest.mark.slow
@needs_data
def test_it_ranks_images_of_a_generator_it_never_saw_above_photos_it_never_saw():
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra onnx)")
    detector = build_detector("clip_probe")
    why = detector.why_unavailable()
    if why is not None:
        pytest.skip(why)
    synthetic = _score(detector, rows_of("synthetic/midjourney_v61"))
    real = _score(detector, rows_of("real/imagenet_sample")[:40])
    # The card has .95 (.91–.98) over all collections; .8 would be 4 standard errors below it.
    assert (synthetic[:, None] > real).mean() > 0.8
