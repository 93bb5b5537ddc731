"""One ratio from many scores: what it must not do, and that it loses little of what there is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madaudit.errors import InputError
from madaudit.estimation.combination import Combiner, fit_combiner

_NAMES = ("a", "b")
# Detector a separates the classes by 2 standard deviations, b by 1; independent of one another.
_SHIFT = np.array([2.0, 1.0])


def _classes(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(size=(n, 2)), random.normal(size=(n, 2)) + _SHIFT


def _true_ratio(scores: np.ndarray) -> np.ndarray:
    return scores @ _SHIFT - (_SHIFT**2).sum() / 2


def _auc(real: np.ndarray, synthetic: np.ndarray) -> float:
    ranks = np.argsort(np.argsort(np.concatenate([real, synthetic])))
    n = len(synthetic)
    return (ranks[len(real) :].sum() - n * (n - 1) / 2) / (n * len(real))


@pytest.fixture(scope="module")
def combiner() -> Combiner:
    return fit_combiner(*_classes(2000), _NAMES)


def test_it_comes_close_to_the_true_ratio(combiner: Combiner) -> None:
    real, synthetic = _classes(5000, seed=1)
    scores = np.concatenate([real, synthetic])
    error = combiner.log_ratio(scores) - _true_ratio(scores)
    assert abs(error.mean()) < 0.1
    assert np.sqrt((error**2).mean()) < 0.6


def test_two_detectors_tell_more_than_the_better_one(combiner: Combiner) -> None:
    real, synthetic = _classes(5000, seed=2)
    together = _auc(combiner.log_ratio(real), combiner.log_ratio(synthetic))
    best = _auc(real[:, 0], synthetic[:, 0])
    ideal = _auc(_true_ratio(real), _true_ratio(synthetic))
    assert best + 0.01 < together
    assert together > ideal - 0.005


@pytest.mark.slow
def test_class_numbers_do_not_move_it() -> None:
    real, synthetic = _classes(1000)
    many = fit_combiner(np.tile(real, (10, 1)), np.tile(synthetic, (10, 1)), _NAMES)
    uneven = fit_combiner(np.tile(real, (19, 1)), synthetic, _NAMES)
    scores = np.concatenate(_classes(500, seed=3))
    np.testing.assert_allclose(uneven.log_ratio(scores), many.log_ratio(scores), atol=0.02)


_SCORE = st.floats(-30, 30)


@given(
    scores=st.lists(st.tuples(_SCORE, _SCORE), min_size=1, max_size=20),
    rise=st.tuples(st.floats(0, 10), st.floats(0, 10)),
)
@settings(max_examples=60)
def test_it_never_falls_as_a_score_rises(
    combiner: Combiner, scores: list[tuple[float, float]], rise: tuple[float, float]
) -> None:
    array = np.array(scores)
    assert (combiner.log_ratio(array + rise) >= combiner.log_ratio(array) - 1e-12).all()


def test_a_useless_detector_is_left_flat() -> None:
    real, synthetic = _classes(2000)
    synthetic[:, 1] -= 1.0
    useless = fit_combiner(real, synthetic, _NAMES)
    ends = useless.log_ratio(np.array([[1.0, -3.0], [1.0, 3.0]]))
    assert ends[1] - ends[0] < 0.5


def test_a_detector_that_errs_the_wrong_way_gets_no_vote() -> None:
    real, synthetic = _classes(500)
    synthetic[:, 1] -= 3.0
    ends = fit_combiner(real, synthetic, _NAMES).log_ratio(np.array([[1.0, -4.0], [1.0, 4.0]]))
    assert ends[0] == pytest.approx(ends[1])


def test_a_missing_detector_widens_and_does_not_vote(combiner: Combiner) -> None:
    _, synthetic = _classes(5000, seed=4)
    whole = combiner.log_ratio(synthetic)
    synthetic[:, 1] = np.nan
    partly = combiner.log_ratio(synthetic)
    only_a = fit_combiner(*(c[:, :1] for c in _classes(2000)), _NAMES[:1])
    assert np.abs(partly).mean() < np.abs(whole).mean()
    np.testing.assert_allclose(partly, only_a.log_ratio(synthetic[:, :1]))


def test_without_any_score_there_is_no_ratio_and_a_mark_outranks_all(combiner: Combiner) -> None:
    scores = np.array([[np.nan, np.nan], [np.nan, np.nan], [-9.0, -9.0]])
    ratio = combiner.log_ratio(scores, np.array([False, True, True]))
    assert np.isnan(ratio[0])
    assert np.isposinf(ratio[1:]).all()


def test_outlying_scores_count_as_the_largest_seen(combiner: Combiner) -> None:
    near, far = combiner.log_ratio(np.array([[50.0, 50.0], [1e30, np.inf]]))
    assert near == far < 15


def test_it_survives_json_and_keeps_its_fingerprint(combiner: Combiner) -> None:
    again = Combiner.from_dict(json.loads(json.dumps(combiner.to_dict())))
    scores = np.concatenate(_classes(50, seed=5))
    np.testing.assert_array_equal(again.log_ratio(scores), combiner.log_ratio(scores))
    assert again.fingerprint == combiner.fingerprint
    assert fit_combiner(*_classes(100), _NAMES).fingerprint != combiner.fingerprint


def test_a_detector_with_one_score_for_all_says_nothing() -> None:
    flat = fit_combiner(np.zeros((50, 1)), np.zeros((50, 1)), ("a",))
    np.testing.assert_allclose(flat.log_ratio(np.array([[-1.0], [0.0], [1.0]])), 0.0, atol=1e-6)


def test_a_handful_of_samples_makes_no_bold_claim() -> None:
    few = fit_combiner(np.array([[0.0], [0.1]]), np.array([[5.0], [5.1]]), ("a",))
    assert np.abs(few.log_ratio(np.array([[0.0], [5.0]]))).max() < 2


@pytest.mark.parametrize(
    ("real", "synthetic", "names", "message"),
    [
        (np.full((3, 1), np.nan), np.zeros((3, 1)), ("a",), "no detector has scores of both"),
        (np.zeros((3, 2)), np.zeros((3, 1)), ("a",), r"real has shape \(3, 2\)"),
        (np.zeros((3, 7)), np.zeros((3, 7)), tuple("abcdefg"), "cannot combine 7 detectors"),
    ],
)
def test_what_cannot_be_fitted_is_refused(real, synthetic, names, message) -> None:
    with pytest.raises(InputError, match=message):
        fit_combiner(real, synthetic, names)


def test_another_version_and_another_shape_are_refused(combiner: Combiner) -> None:
    with pytest.raises(InputError, match="version 99"):
        Combiner.from_dict({**combiner.to_dict(), "version": 99})
    with pytest.raises(InputError, match="cannot read the combiner"):
        Combiner.from_dict({"version": 1})
    with pytest.raises(InputError, match=r"allowed is \(n, 2\)"):
        combiner.log_ratio(np.zeros((3, 1)))
