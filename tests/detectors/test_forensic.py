"""The forensic detector: what it scores, what it does not, and what it says of itself."""

from __future__ import annotations

import json
import math
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from madaudit.detectors import DEFAULTS, PIXEL_DEFAULTS, build_detector
from madaudit.detectors.base import Batch, Look, Raster
from madaudit.detectors.forensic import Forensic, shipped_model
from madaudit.detectors.forensics import features
from madaudit.types import Evidence, Sample
from tests.detectors.forensics.pictures import photo_like
from tests.detectors.image_building import look_at, pillow_bytes

_CARD = Path(__file__).parents[2] / "docs" / "models" / "forensic.json"


def _judge(rgb: np.ndarray) -> Evidence:
    return Forensic().judge(rgb)


def test_the_score_is_the_shipped_models():
    image = photo_like(0)
    assert _judge(image).score == float(shipped_model().score(features(image)))


def test_every_scored_image_is_present_and_never_a_hit():
    evidence = _judge(photo_like(1))
    assert evidence.state == "present"
    assert not evidence.is_hit
    assert evidence.detail.label is None


@pytest.mark.parametrize("size", [(1, 1), (1, 9000), (127, 127), (127, 4000)])
def test_an_image_that_is_too_small_is_unobservable(size):
    evidence = _judge(np.zeros((*size, 3), np.uint8))
    assert evidence.state == "unobservable"
    assert math.isnan(evidence.score)
    assert "128 each way are needed" in evidence.detail.says


@pytest.mark.parametrize("value", [0, 255])
def test_a_flat_image_is_unobservable(value):
    evidence = _judge(np.full((400, 400, 3), value, np.uint8))
    assert evidence.state == "unobservable"
    assert "flat" in evidence.detail.says


def test_a_huge_image_is_scored_by_its_tiles():
    wide = np.broadcast_to(photo_like(2)[:, :1], (256, 20_000, 3)).copy()
    wide[:, 4900:5300] = photo_like(3, (256, 400))
    evidence = _judge(wide)
    assert evidence.state == "present"
    assert math.isfinite(evidence.score)


def test_a_sample_without_an_image_is_unobservable():
    batch = Batch([Look(Sample(0, "a", text="words"), None)])
    (evidence,) = build_detector("forensic").detect(batch)
    assert evidence.state == "unobservable"


def test_an_image_that_cannot_be_decoded_is_missing():
    (evidence,) = build_detector("forensic").detect(Batch([look_at(pillow_bytes("JPEG"))]))
    assert evidence.state == "missing"
    assert math.isnan(evidence.score)


def test_neighbours_in_a_batch_do_not_matter():
    images = [photo_like(seed) for seed in range(3)]
    looks = [look_at(pillow_bytes("PNG", (256, 256)))] * 3
    together = Forensic().detect(Batch(looks, lambda index: Raster(images[index])))
    assert [item.score for item in together] == [_judge(image).score for image in images]


def test_the_weights_are_part_of_its_fingerprint():
    assert Forensic().fingerprint() == {"weights": shipped_model().digest}


def test_the_weights_are_small():
    folder = resources.files("madaudit.detectors.forensics")
    assert len((folder / "weights.json").read_bytes()) < 2_000_000


def _measured() -> float:
    return json.loads(_CARD.read_text(encoding="utf-8"))["native"]["mean"][1]


def test_it_is_a_default_only_where_its_card_reaches_the_bar():
    is_default = "forensic" in (*DEFAULTS, *PIXEL_DEFAULTS)
    assert is_default == (_measured() >= 0.65)


def test_what_it_says_of_itself_is_what_was_measured():
    assert f"{_measured():.3f}".lstrip("0") in Forensic.verified
    assert ("switched off" in Forensic.verified) == (_measured() < 0.65)
    assert shipped_model().notes["leave_one_out_auc"][1] == pytest.approx(_measured(), abs=1e-4)
