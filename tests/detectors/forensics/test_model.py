"""The linear model: what it weighs, what it refuses, and that it survives its file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import special

from madaudit.detectors.forensics import ForensicModel, Smoothing, feature_names, fit_forensic
from madaudit.errors import InputError

_D = len(feature_names())


def _world(seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two classes that differ in the first feature."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    values = rng.standard_normal((n, _D)).astype(np.float32)
    values[:, 0] += 2 * labels
    return values, labels, np.where(labels == 1, "generator", "photos")


def test_the_score_rises_with_what_sets_the_classes_apart():
    values, labels, groups = _world(0)
    model = fit_forensic(values, labels, groups)
    fresh, truth, _ = _world(1)
    scores = model.score(fresh)
    assert scores[truth == 1].mean() > scores[truth == 0].mean() + 1


def test_one_image_scores_as_it_does_among_others():
    values, labels, groups = _world(0)
    model = fit_forensic(values, labels, groups)
    assert model.score(values[3]) == pytest.approx(model.score(values)[3], abs=1e-12)


def test_the_order_of_rows_does_not_matter():
    values, labels, groups = _world(0)
    back = fit_forensic(values[::-1], labels[::-1], groups[::-1])
    np.testing.assert_allclose(
        back.score(values), fit_forensic(values, labels, groups).score(values), atol=1e-3
    )


def test_repeating_a_whole_class_does_not_move_the_scores():
    values, labels, groups = _world(0)
    more = np.concatenate([np.arange(labels.size), np.repeat(np.flatnonzero(labels == 1), 9)])
    twice = fit_forensic(values[more], labels[more], groups[more])
    np.testing.assert_allclose(
        twice.score(values), fit_forensic(values, labels, groups).score(values), atol=1e-3
    )


def test_a_group_of_many_counts_by_the_root_of_its_number():
    """400 rows of one group outvote 4 of another by ten, not by a hundred."""
    values = np.zeros((804, _D))
    labels = np.r_[np.ones(404), np.zeros(400)]
    values[:400, 0], values[400:404, 0] = 0.1, -1.0
    groups = np.array(["many"] * 400 + ["few"] * 4 + ["photos"] * 400)
    model = fit_forensic(values, labels, groups, smoothing=Smoothing(penalty=1e-6))
    assert model.centre[0] == pytest.approx(0.5 * (20 * 0.1 - 2 * 1.0) / 22)


def test_it_is_the_minimum_that_newtons_method_finds():
    values, labels, groups = _world(2, 120)
    penalty = 0.1
    model = fit_forensic(values, labels, groups, smoothing=Smoothing(penalty=penalty))
    standard = np.clip((values - values.mean(axis=0)) / values.std(axis=0), -4, 4)

    design = np.c_[standard, np.ones(labels.size)]
    ridge = penalty * np.r_[np.ones(_D), 0]
    fitted = np.zeros(_D + 1)
    for _ in range(30):  # Newton's method
        chance = special.expit(design @ fitted)
        slope = design.T @ (chance - labels) / labels.size + ridge * fitted
        curve = design.T @ (design * (chance * (1 - chance))[:, None]) / labels.size
        fitted -= np.linalg.solve(curve + np.diag(ridge), slope)
    np.testing.assert_allclose(model.weights, fitted[:-1], atol=2e-4)


def test_a_strange_image_cannot_score_without_bound():
    values, labels, groups = _world(0)
    model = fit_forensic(values, labels, groups)
    most = 4 * np.abs(model.weights).sum() + abs(model.bias)
    assert abs(model.score(np.full(_D, 1e30))) <= most


def test_what_the_groups_add_makes_up_the_score():
    values, labels, groups = _world(0)
    model = fit_forensic(values, labels, groups)
    parts = model.contributions(values[7])
    assert set(parts) == {name.partition(".")[0] for name in feature_names()}
    assert sum(parts.values()) + model.bias == pytest.approx(float(model.score(values[7])))


def test_what_changes_between_views_of_an_image_loses_its_say():
    """The second feature tells the classes as the first does, but not twice alike."""
    rng = np.random.default_rng(4)
    labels = np.repeat(np.arange(1000) % 2, 2)
    values = rng.standard_normal((2000, _D)) * 0.1
    values[:, 0] += np.repeat(labels[::2] + 0.5 * rng.standard_normal(1000), 2)
    values[:, 1] += labels + 0.5 * rng.standard_normal(2000)
    groups = np.where(labels == 1, "generator", "photos")
    items = np.repeat([f"image {n}" for n in range(1000)], 2)
    plain = fit_forensic(values, labels, groups)
    steady = fit_forensic(values, labels, groups, items=items, smoothing=Smoothing(steadiness=10))
    assert plain.weights[1] / plain.weights[0] > 0.8
    assert steady.weights[1] / steady.weights[0] < 0.3


def test_images_of_one_view_each_ask_for_no_steadiness():
    values, labels, groups = _world(0)
    plain = fit_forensic(values, labels, groups)
    alone = fit_forensic(values, labels, groups, items=[str(n) for n in range(labels.size)])
    np.testing.assert_array_equal(alone.weights, plain.weights)


def test_one_class_alone_is_refused():
    values, _, groups = _world(0)
    with pytest.raises(InputError, match="0 of 200 images are synthetic"):
        fit_forensic(values, np.zeros(200), groups)


def test_a_model_survives_its_file():
    values, labels, groups = _world(0)
    model = fit_forensic(values, labels, groups, notes={"seed": 0})
    again = ForensicModel.from_dict(json.loads(json.dumps(model.to_dict())))
    np.testing.assert_allclose(again.score(values), model.score(values), atol=1e-4)
    assert again.digest == model.digest


def test_weights_of_other_features_are_refused():
    values, labels, groups = _world(0)
    stored = fit_forensic(values, labels, groups).to_dict()
    stored["names"] = stored["names"][::-1]
    with pytest.raises(InputError, match="other features"):
        ForensicModel.from_dict(stored)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(broken):
    values, labels, groups = _world(0)
    stored = fit_forensic(values, labels, groups).to_dict()
    stored["weights"][5] = broken
    with pytest.raises(InputError, match="not finite"):
        ForensicModel.from_dict(stored)


def test_the_digest_follows_the_weights_and_not_the_notes():
    values, labels, groups = _world(0)
    one, same, other = (
        fit_forensic(values, labels, groups, smoothing=Smoothing(penalty=penalty), notes=notes)
        for penalty, notes in ((0.1, {"a": 1}), (0.1, {}), (0.2, {"a": 1}))
    )
    assert one.digest == same.digest != other.digest
