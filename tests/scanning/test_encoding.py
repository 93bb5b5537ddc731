"""Encoding ahead: in order, while the scan goes on, and not at all where nobody asks."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from madaudit.detectors import build_detector
from madaudit.detectors.base import Batch, Detector
from madaudit.encoders.space import FeatureSpace
from madaudit.scanning.batches import Prepared
from madaudit.scanning.encoding import NO_ENCODING, encoding, one_ahead, spaces_of
from tests.encoders.encoder_fakes import Means


@dataclass(frozen=True)
class Asking(Detector):
    """Asks for features and says nothing."""

    encoder: Means = field(default_factory=Means)
    name = "asking"
    version = 1
    kind = "graded"
    tier = "model"
    verified = "a fake"

    def space(self):
        return FeatureSpace(self.encoder)

    def detect(self, batch):
        return []


@dataclass(frozen=True)
class Waiting(Means):
    """Goes on with each image only when it is let."""

    gate: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(0), compare=False
    )
    seen: list[int] = field(default_factory=list, compare=False)

    def project(self, crops):
        assert self.gate.acquire(timeout=20)
        self.seen.append(int(crops[0][0, 0, 0]))
        return super().project(crops)


def _image(value: int) -> np.ndarray:
    return np.full((8, 8, 3), value, np.uint8)


def test_images_are_encoded_in_order_while_their_giver_goes_on():
    encoder = Waiting()
    with encoding([Asking(encoder)]) as ahead:
        started = [ahead.start(_image(value)) for value in range(4)]
        assert encoder.seen == []
        encoder.gate.release(4)
        key = FeatureSpace(encoder).key
        found = [one[key].result(timeout=20) for one in started]
    assert encoder.seen == [0, 1, 2, 3]
    np.testing.assert_array_equal(found, [[value] * 3 for value in range(4)])


def test_detectors_on_one_space_share_it():
    assert len(spaces_of([Asking(), Asking(), build_detector("constant")])) == 1
    assert len(spaces_of([Asking(), Asking(Means(seed=1))])) == 2


def test_without_a_detector_that_asks_nothing_is_encoded():
    before = threading.active_count()
    with encoding([build_detector("constant")]) as ahead:
        assert ahead is NO_ENCODING
        assert ahead.start(_image(0)) == {}
        assert threading.active_count() == before


def test_what_is_left_over_is_not_encoded_when_the_scan_stops():
    encoder = Waiting()
    with encoding([Asking(encoder)]) as ahead:
        started = [ahead.start(_image(value)) for value in range(50)]
        encoder.gate.release(1)
        next(iter(started[0].values())).result(timeout=20)
        encoder.gate.release(1)  # for the one that has begun
    assert len(encoder.seen) <= 2


def test_an_encoders_failure_is_told_to_whoever_asks():
    class Broken(Means):
        def project(self, crops):
            raise ValueError("no tower")

    with encoding([Asking(Broken())]) as ahead:
        (future,) = ahead.start(_image(0)).values()
        with pytest.raises(ValueError, match="no tower"):
            future.result(timeout=20)


def test_each_batch_is_handed_over_once_the_next_is_made():
    made: list[int] = []

    def batches():
        for number in range(3):
            made.append(number)
            yield Prepared(Batch([]), [number])

    seen = [(prepared.verdicts[0], len(made)) for prepared in one_ahead(batches())]
    assert seen == [(0, 2), (1, 3), (2, 3)]
    assert list(one_ahead(iter([]))) == []
