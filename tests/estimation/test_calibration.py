"""A calibration speaks only of the scores that it was counted on, and says so."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from madaudit.errors import InputError
from madaudit.estimation.calibration import Calibration, Source
from madaudit.estimation.sketch import ScoreSketch
from tests.estimation.calibration_building import make_calibration

_IDENTITIES = {"a": "1" * 64, "b": "2" * 64}


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return make_calibration()


def _again(content: dict[str, Any], arrays: dict[str, Any]) -> Calibration:
    return Calibration.from_dict(json.loads(json.dumps(content)), arrays)


def test_it_comes_back_as_it_was(calibration: Calibration) -> None:
    read = _again(calibration.to_dict(), calibration.arrays())
    assert read.to_dict() == calibration.to_dict()
    assert read.fingerprint == calibration.fingerprint
    assert (read.real["camera"].counts == calibration.real["camera"].counts).all()
    assert read.sources[0] == Source("camera", "real", 300, "CC0", "3 broken")


def test_its_sides_are_the_sums_of_their_sources(calibration: Calibration) -> None:
    total = calibration.real_counts
    assert (total.counts == sum(one.counts for one in calibration.real.values())).all()
    assert total.missing == sum(one.missing for one in calibration.real.values())
    assert total.combiner == calibration.combiner.fingerprint
    assert calibration.synthetic_counts.n == sum(s.n for s in calibration.synthetic.values())


def test_a_calibration_without_one_side_has_empty_counts_there() -> None:
    assert make_calibration(generators=()).synthetic_counts.n == 0


def test_it_fits_a_store_with_its_detectors_and_more(calibration: Calibration) -> None:
    calibration.require_fits({**_IDENTITIES, "iptc": "3" * 64})


def test_a_store_without_its_detector_is_refused(calibration: Calibration) -> None:
    with pytest.raises(InputError, match=r"'b', of which the store has no scores \(it has a\)"):
        calibration.require_fits({"a": "1" * 64})


def test_scores_of_another_identity_are_refused(calibration: Calibration) -> None:
    with pytest.raises(InputError, match=r"'b' are of identity 222222222222, the store's of 9"):
        calibration.require_fits({**_IDENTITIES, "b": "9" * 64})


def test_every_number_that_decides_changes_the_fingerprint(calibration: Calibration) -> None:
    others = [
        make_calibration(seed=1),
        make_calibration(pipeline="img2dataset"),
        make_calibration(least_detected=0.4),
        make_calibration(identities={**_IDENTITIES, "a": "8" * 64}),
        make_calibration(generators=("gan",)),
    ]
    assert len({calibration.fingerprint, *(one.fingerprint for one in others)}) == 6


def test_a_sketch_of_another_combiner_is_refused(calibration: Calibration) -> None:
    with pytest.raises(InputError, match="the sketch of 'x' is of another combiner"):
        Calibration(
            calibration.detectors,
            "pixels",
            "none",
            calibration.combiner,
            {"x": ScoreSketch.count(np.zeros(3), combiner="other")},
            {},
        )


def test_weighted_samples_are_refused(calibration: Calibration) -> None:
    fingerprint = calibration.combiner.fingerprint
    weighted = ScoreSketch.count(np.zeros(3), np.full(3, 2.0), combiner=fingerprint)
    made = Calibration(
        calibration.detectors, "pixels", "none", calibration.combiner, {"x": weighted}, {}
    )
    with pytest.raises(InputError, match="known samples count one each"):
        made.arrays()


def _set(*path: Any, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def change(content: dict[str, Any], arrays: dict[str, Any]) -> None:
        place: Any = {"content": content, "arrays": arrays}
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


_MODEL = ("content", "combiner", "models", 0)
_HOSTILE = {
    "another version": _set("content", "version", value=2),
    "sketches of another version": _set("content", "sketch_version", value=9),
    "no combiner": _set("content", "combiner", value=None),
    "a combiner of another version": _set("content", "combiner", "version", value=7),
    "a combiner without a model": _set("content", "combiner", "models", value=[]),
    "a combiner of a detector that is not there": _set(*_MODEL, "used", value=[5]),
    "a combiner with knots that are no number": _set(*_MODEL, "knots", value=[["x"] * 9]),
    "a combiner with too few knots": _set(*_MODEL, "knots", value=[[0.0, 1.0]]),
    "a combiner that falls": _set(*_MODEL, "heights", value=[[-1.0] * 8]),
    "a combiner without bounds": _set(*_MODEL, "intercept", value=float("inf")),
    "detectors that are no names": _set("content", "detectors", value={"a": 1, "b": 2}),
    "detectors in a list": _set("content", "detectors", value=["a", "b"]),
    "another detector's name": _set("content", "detectors", value={"a": "1", "c": "2"}),
    "a source twice": _set("content", "real", value=["camera", "camera"]),
    "a name with a line break": _set("content", "real", value=["camera", "a\nb"]),
    "a source of no label": _set("content", "sources", 0, "label", value="both"),
    "a negative number of samples": _set("content", "sources", 0, "n", value=-1),
    "a share beyond one": _set("content", "least_detected", value=1.5),
    "a share that is true": _set("content", "least_detected", value=True),
    "performance of infinite numbers": _set("content", "performance", value={"x": float("inf")}),
    "counts below zero": _set("arrays", "real", value=np.full((2, 1027), -1)),
    "counts that overflow": _set("arrays", "real", value=np.full((2, 1027), 1 << 62)),
    "counts of another shape": _set("arrays", "real", value=np.zeros((2, 3), dtype=np.int64)),
    "counts of another kind": _set("arrays", "real", value=np.zeros((2, 1027))),
    "no counts": _set("arrays", "real", value=None),
    "an edited number": _set("content", "n_generators", value=40),
    "an edited count": _set("arrays", "real", 0, 500, value=10_000),
}


@pytest.mark.parametrize("change", _HOSTILE.values(), ids=_HOSTILE.keys())
def test_what_is_no_calibration_is_refused_in_one_line(
    calibration: Calibration, change: Callable[..., None]
) -> None:
    content = copy.deepcopy(calibration.to_dict())
    arrays = {side: cells.copy() for side, cells in calibration.arrays().items()}
    change(content, arrays)
    with pytest.raises(InputError, match="calibrate again") as caught:
        Calibration.from_dict(content, arrays)
    assert "\n" not in str(caught.value)
