"""Many strata at once say what each says alone."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.estimation import Histograms, Settings, estimate_tiers
from madaudit.estimation.many import Shares, detectable_bounds, estimate_many
from tests.estimation.score_worlds import draw

_PI = (0.0, 0.02, 0.3, 1.0)
_SETTINGS = Settings(least_detected=0.4, n_generators=19, may_simulate=False)


def targets():
    return np.concatenate([draw(pi, n=1000, n_target=5000, seed=3).target for pi in _PI])


def calibration():
    found = draw(0.1, n=1000, n_target=10, seed=3)
    return found.real[0], found.synthetic[0]


def grouped(counts):
    return lambda groups: np.stack([np.bincount(groups, row) for row in counts])


def shares(n, **known):
    none = dict.fromkeys(Shares._fields, np.zeros(n))
    return Shares(**{**none, **{name: np.full(n, value) for name, value in known.items()}})


def many(counts, **known):
    n = len(counts)
    return estimate_many(
        *calibration(), grouped(counts), shares(n, **known), np.full(n, 0.7), _SETTINGS
    )


@pytest.mark.slow
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_every_stratum_has_the_tiers_it_has_alone(missing):
    found = many(targets(), missing=missing)
    none = np.zeros(targets().shape[1])
    for k, target in enumerate(targets()):
        alone = estimate_tiers(
            Histograms(*calibration(), target, none, none, missing, 0.7), _SETTINGS
        )
        closed, wide = alone.model_based.closed, alone.model_based.sensitivity
        assert (found.low[k], found.high[k]) == pytest.approx((closed.low, closed.high), abs=1e-9)
        assert (found.set_low[k], found.set_high[k]) == pytest.approx((wide.low, wide.high))
        assert found.detectable[k] == pytest.approx(alone.detectable.low)
        assert np.isnan(found.point[k]) == (closed.point is None)


def test_marks_are_added_to_what_scores_say_of_the_rest():
    bare, marked = (
        many(targets()),
        many(targets(), synthetic_low=0.1, synthetic=0.1, synthetic_high=0.1, real=0.2),
    )
    assert marked.low == pytest.approx(0.1 + 0.7 * bare.low)
    assert marked.point == pytest.approx(0.1 + 0.7 * bare.point)
    assert marked.set_high == pytest.approx(0.1 + 0.7 * bare.set_high)


def test_a_stratum_without_scores_has_no_tiers():
    counts = targets()
    counts[1] = 0
    found = many(counts)
    assert found.is_known.tolist() == [True, False, True, True]


@pytest.mark.parametrize("side", [0, 1])
def test_half_a_calibration_carries_no_strata(side):
    pair = list(calibration())
    pair[side] = np.zeros_like(pair[side])
    n = len(targets())
    assert estimate_many(*pair, grouped(targets()), shares(n), np.ones(n), _SETTINGS) is None


def test_bounds_of_all_strata_are_the_bounds_of_each_when_tails_are_empty():
    real = np.array([50.0, 30.0, 20.0, 0.0])
    found = detectable_bounds(real, grouped(np.array([[10.0, 5, 5, 40]])), np.ones(1), level=0.95)
    assert 0.4 < found[0] < 40 / 60
