"""What every detector promises; tests/contracts/test_detectors.py holds ours to the same list."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, get_args

from madaudit.contracts.base import (
    Checked,
    require,
    require_frozen,
    require_named,
    run_checks,
    sent_to_a_worker,
)
from madaudit.contracts.images import NO_IMAGES, plain_images, sample_images
from madaudit.detectors.base import Batch, Detector, Kind, Look, Raster, Tier
from madaudit.detectors.provenance.containers import parse
from madaudit.limits import DEFAULT_MAX_PIXELS
from madaudit.scanning.decode import decode
from madaudit.types import LABELS, STATES, Evidence, Sample

Images = Sequence[bytes]


class DetectorCase(NamedTuple):
    """A detector, and images to try it on.

    Attributes:
        name: that it is registered by.
        detector: itself, able to run here.
        images: marked, plain and broken ones, and what is no image.
    """

    name: str
    detector: Detector
    images: Images


def check_detector(name: str, detector: Detector) -> list[Checked]:
    """Every promise of the family, checked on one detector."""
    return run_checks(CHECKS, DetectorCase(name, detector, sample_images()))


def it_says_one_thing_of_each_sample(case: DetectorCase) -> None:
    detector, images = case.detector, case.images
    said = detector.detect(batch_of(images))
    require(len(said) == len(images), f"{len(said)} answers to {len(images)} samples")
    odd = [item.state for item in said if item.state not in STATES]
    require(not odd, f"states {odd[:3]}; allowed: {', '.join(STATES)}")


def an_empty_batch_gives_nothing(case: DetectorCase) -> None:
    said = case.detector.detect(batch_of(()))
    require(said == [], f"{said!r}")


def the_size_of_the_batch_does_not_matter(case: DetectorCase) -> None:
    detector, images = case.detector, case.images
    one_by_one = [detector.detect(batch_of((image,)))[0] for image in images]
    _require_same(one_by_one, detector.detect(batch_of(images)), "alone and in a batch")


def the_order_of_the_batch_does_not_matter(case: DetectorCase) -> None:
    detector, images = case.detector, case.images
    backwards = detector.detect(batch_of(images[::-1]))
    _require_same(backwards[::-1], detector.detect(batch_of(images)), "backwards and forwards")


def it_says_the_same_twice(case: DetectorCase) -> None:
    detector, images = case.detector, case.images
    first, second = (detector.detect(batch_of(images)) for _ in range(2))
    _require_same(first, second, "once and again")


def what_is_no_image_is_missing(case: DetectorCase) -> None:
    for image in NO_IMAGES:
        (item,) = case.detector.detect(batch_of((image,)))
        is_missing = item.state == "missing" and math.isnan(item.score)
        require(is_missing, f"{item.state}, score {item.score} for the bytes {image[:24]!r}")


def a_pickled_copy_says_the_same(case: DetectorCase) -> None:
    detector, images = case.detector, case.images
    copy = sent_to_a_worker(detector)
    require(copy == detector, "the copy is not equal to it")
    said = copy.detect(batch_of(images))
    _require_same(said, detector.detect(batch_of(images)), "a copy and itself")


def what_is_present_says_why_in_words(case: DetectorCase) -> None:
    detector, images = case.detector, case.images
    for item in detector.detect(batch_of(images)):
        if item.state == "present":
            require(item.detail is not None, "a present mark without a detail")
            says = "" if item.detail is None else item.detail.says
            require(says.isprintable() and bool(says), f"says {says!r}")
            label = None if item.detail is None else item.detail.label
            require(label in (None, *LABELS), f"label {label!r}; allowed: {', '.join(LABELS)}")


def a_detector_has_no_hit_on_a_plain_image(case: DetectorCase) -> None:
    hits = [item for item in case.detector.detect(batch_of(plain_images())) if item.is_hit]
    require(not hits, f"{len(hits)} hits on images of noise: {hits[:1]!r}")


def it_is_a_frozen_dataclass(case: DetectorCase) -> None:
    require_frozen(case.detector)


def it_names_itself_as_the_registry_does(case: DetectorCase) -> None:
    detector = case.detector
    require_named(detector, case.name)
    require(detector.kind in get_args(Kind), f"kind is {detector.kind!r}; {get_args(Kind)}")
    require(detector.tier in get_args(Tier), f"tier is {detector.tier!r}; {get_args(Tier)}")
    require(bool(detector.verified), "verified is empty; say on what it was checked")


CHECKS: tuple[Callable[[DetectorCase], None], ...] = (
    it_says_one_thing_of_each_sample,
    an_empty_batch_gives_nothing,
    the_size_of_the_batch_does_not_matter,
    the_order_of_the_batch_does_not_matter,
    it_says_the_same_twice,
    what_is_no_image_is_missing,
    a_pickled_copy_says_the_same,
    what_is_present_says_why_in_words,
    a_detector_has_no_hit_on_a_plain_image,
    it_is_a_frozen_dataclass,
    it_names_itself_as_the_registry_does,
)


def batch_of(images: Images) -> Batch:
    """Images as a scan at tier "pixels" hands them over."""
    looks = []
    for ordinal, image in enumerate(images):
        view = memoryview(image)
        sample = Sample(ordinal, f"{ordinal}", 0, len(image), view)
        looks.append(Look(sample, parse(view)))

    def raster(index: int) -> Raster | None:
        container, image = looks[index].container, looks[index].sample.image
        if container is None or image is None:
            return None
        return decode(image, container, DEFAULT_MAX_PIXELS).raster

    return Batch(looks, raster)


def _require_same(first: Sequence[Evidence], second: Sequence[Evidence], how: str) -> None:
    """Compared as text, in which a missing score equals another."""
    require(len(first) == len(second), f"{len(first)} and {len(second)} answers, {how}")
    for place, (one, other) in enumerate(zip(first, second, strict=True)):
        require(repr(one) == repr(other), f"sample {place}, {how}: {one!r} and {other!r}")
