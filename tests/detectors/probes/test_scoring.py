"""What a probe says of an image, of an embedding, and of what has neither."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from madaudit.detectors import build_detector
from madaudit.detectors.base import Batch, Look, Raster
from madaudit.detectors.probes.probe import Probe
from madaudit.encoders import build_encoder
from madaudit.encoders.crops import CropRule
from madaudit.encoders.weights import FOLDER_VARIABLE
from madaudit.types import Evidence, Sample
from tests.detectors.image_building import look_at, pillow_bytes
from tests.detectors.probes.probe_building import TOWER, small_probe, write_probe

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra onnx)")


@pytest.fixture
def options(tmp_path: Path) -> dict[str, str]:
    return write_probe(tmp_path)


def _said(options: dict[str, str], sample: Sample) -> Evidence:
    (evidence,) = build_detector("clip_probe", options).detect(Batch([Look(sample, None)]))
    return evidence


def _scored(options: dict[str, str], pixels: np.ndarray) -> Evidence:
    look = look_at(pillow_bytes("PNG", (16, 16)))
    batch = Batch([look], lambda _: Raster(pixels))
    (evidence,) = build_detector("clip_probe", options).detect(batch)
    return evidence


def test_the_score_is_that_of_the_centre_squares_features(options):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 75, 3), dtype=np.uint8)
    encoder = build_encoder("clip-onnx", {"weights": str(TOWER)})
    # (60 − 8)/2 = 26 and (75 − 8)/2 = 33.5, down to the grid of 16.
    (features,) = encoder.encode([pixels[16:24, 32:40]])
    expected = features.astype(float) @ [1.0, -2.0, 0.5, 3.0] + 0.25
    evidence = _scored(options, pixels)
    assert evidence.state == "present"
    assert evidence.score == pytest.approx(expected, abs=1e-6)
    assert evidence.detail is not None
    assert evidence.detail.label is None
    assert not evidence.is_hit


def test_an_image_without_room_for_a_square_is_unobservable(options):
    evidence = _scored(options, np.zeros((7, 400, 3), np.uint8))
    assert evidence.state == "unobservable"
    assert "its short side is below the 8 px" in evidence.detail.says


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (Sample(0, "k", text="a document"), "a text has no pixels"),
        (Sample(0, "k"), "neither pixels nor features"),
        (Sample(0, "k", embedding=np.ones(4)), "does not say which encoder"),
        (Sample(0, "k", embedding=np.ones(4), space="x"), "of another encoder"),
    ],
)
def test_what_cannot_be_scored_is_unobservable_with_the_reason(options, sample, reason):
    evidence = _said(options, sample)
    assert evidence.state == "unobservable"
    assert reason in evidence.detail.says


def test_an_embedding_of_the_same_space_is_scored(options):
    detector = build_detector("clip_probe", options)
    vector = np.array([0.1, 0.2, 0.3, 0.4], np.float16)
    evidence = _said(options, Sample(0, "k", embedding=vector, space=detector.space().key))
    expected = small_probe().scores(vector)[0]
    assert evidence.state == "present"
    assert evidence.score == pytest.approx(expected)


@pytest.mark.parametrize("crops", [CropRule(5), CropRule(1, 1)])
def test_an_embedding_of_other_crops_is_not_scored(tmp_path, options, crops):
    key = build_detector("clip_probe", options).space().key
    others = write_probe(tmp_path, small_probe(crops))
    evidence = _said(others, Sample(0, "k", embedding=np.ones(4), space=key))
    assert evidence.state == "unobservable"


def test_features_that_are_not_finite_are_missing(options):
    key = build_detector("clip_probe", options).space().key
    evidence = _said(options, Sample(0, "k", embedding=np.full(4, np.nan), space=key))
    assert evidence.state == "missing"


def test_without_weights_it_names_the_command_that_gets_them(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    why = build_detector("clip_probe").why_unavailable()
    assert why is not None
    assert "madaudit weights fetch clip-vit-b16-int8" in why


def test_a_probe_of_other_weights_is_refused(tmp_path):
    options = write_probe(tmp_path, Probe(np.ones(4), 0.0, "ab" * 32))
    why = build_detector("clip_probe", options).why_unavailable()
    assert why is not None
    assert "belongs to the encoder with SHA-256 abababababab" in why


def test_a_plan_with_another_probe_is_another_plan(tmp_path, options):
    before = build_detector("clip_probe", options).fingerprint()
    (tmp_path / "other").mkdir()
    probe = small_probe()
    changed = Probe(probe.weights * 2, probe.intercept, probe.encoder)
    after = build_detector("clip_probe", write_probe(tmp_path / "other", changed)).fingerprint()
    assert before["encoder"] == after["encoder"]
    assert before["probe"] != after["probe"]


def test_a_probe_file_that_is_none_is_told_and_not_run(tmp_path):
    path = tmp_path / "probe.json"
    for content, reason in ((b"\x80\x04.", "not JSON"), (b"{}", "its format is not")):
        path.write_bytes(content)
        why = build_detector("clip_probe", {"probe": str(path)}).why_unavailable()
        assert why is not None
        assert reason in why
