"""What a detector is told about samples that are no images."""

from __future__ import annotations

import pytest

from madaudit.detectors import DEFAULTS, build_detector
from madaudit.detectors.base import Batch, Look
from madaudit.types import Sample


@pytest.mark.parametrize("name", DEFAULTS)
def test_marks_of_a_sample_without_an_image_are_unobservable(name: str) -> None:
    batch = Batch([Look(Sample(0, "k", text="a document"), None)])
    assert [item.state for item in build_detector(name).detect(batch)] == ["unobservable"]


@pytest.mark.parametrize("name", DEFAULTS)
def test_marks_of_a_missing_image_are_missing(name: str) -> None:
    sample = Sample(0, "k", status="missing_image", error="no image member")
    assert [i.state for i in build_detector(name).detect(Batch([Look(sample, None)]))] == [
        "missing"
    ]
