"""Many strata: each by itself, leaning on one another, the worst, and their course in time."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.errors import InputError
from madaudit.estimation.strata import (
    estimate_strata,
    find_trend,
    find_worst,
    gather,
    shrink,
)
from tests.estimation.score_worlds import mixture, shares


def strata_of(prevalences, sizes, *, seed=0, n=2000):
    generator = np.random.default_rng(seed)
    real = generator.multinomial(n, shares()).astype(float)
    synthetic = generator.multinomial(n, shares(1.8124)).astype(float)
    targets = [
        generator.multinomial(size, mixture(pi))
        for pi, size in zip(prevalences, sizes, strict=True)
    ]
    return gather(real, synthetic, np.array(targets, dtype=float))


def test_strata_are_estimated_each_by_itself():
    strata = strata_of([0.0, 0.1, 0.6], [50_000] * 3)
    found = estimate_strata(strata)
    assert (found.low <= [0.0, 0.1, 0.6]).all()
    assert (found.high >= [0.0, 0.1, 0.6]).all()


def test_small_strata_lean_on_the_others_and_large_ones_stay():
    generator = np.random.default_rng(1)
    truth = generator.beta(4, 16, 120)
    strata = strata_of(truth, [60] * 100 + [50_000] * 20)
    alone, together = estimate_strata(strata), shrink(strata)
    errors = [((part.point - truth)[:100] ** 2).mean() for part in (alone, together)]
    assert errors[1] < errors[0]
    assert np.abs(together.point - alone.point)[100:].max() < 0.02


def test_with_perfect_scores_strata_are_beta_binomial():
    """Bins that never overlap show every label, so the posterior is in closed form."""
    generator = np.random.default_rng(2)
    found = generator.binomial(30, generator.beta(2, 8, 400)).astype(float)
    targets = np.stack([30 - found, found], axis=1)
    strata = gather(np.array([1e7, 0.0]), np.array([0.0, 1e7]), targets)
    mean = found.mean() / 30
    ratio = (found / 30).var() / (mean * (1 - mean))
    prior = (30 - 30 * ratio) / (30 * ratio - 1)
    expected = (found + mean * prior) / (30 + prior)
    np.testing.assert_allclose(shrink(strata).point, expected, atol=0.02)


def test_equal_strata_lean_fully():
    strata = strata_of([0.2] * 40, [100] * 40)
    assert np.ptp(shrink(strata).point) < 0.3 * np.ptp(estimate_strata(strata).point)


def test_the_worst_strata_are_named_with_their_number_allowed_for():
    truth = np.r_[np.full(95, 0.05), np.full(5, 0.5)]
    worst = find_worst(strata_of(truth, [2000] * 100), 0.2)
    assert worst.is_above[95:].all()
    assert not worst.is_above[:95].any()
    assert (worst.low <= truth).all()
    assert (worst.low[95:] > 0.3).all()


def test_more_strata_lower_every_bound():
    few = find_worst(strata_of([0.5, 0.1], [2000] * 2), 0.2)
    many = find_worst(strata_of([0.5, 0.1] * 50, [2000] * 100), 0.2)
    assert many.low[0] < few.low[0]


@pytest.mark.parametrize("growth", [0.0, 0.4])
def test_a_trend_is_found_where_there_is_one(growth):
    times = np.arange(2015.0, 2025.0)
    odds = np.exp(-3 + growth * (times - 2015))
    trend = find_trend(strata_of(odds / (1 + odds), [20_000] * 10), times)
    low, point, high = trend.log_odds_per_unit
    assert low <= growth <= high
    assert low <= point <= high
    assert (trend.p_value < 1e-3) == (growth > 0)
    assert (np.diff(trend.rising) >= 0).all()


@pytest.mark.slow
def test_strata_that_scatter_beyond_chance_widen_the_trend():
    times = np.arange(12.0)
    calm = find_trend(strata_of([0.2] * 12, [20_000] * 12), times).log_odds_per_unit
    wild = find_trend(strata_of([0.1, 0.3] * 6, [20_000] * 12), times).log_odds_per_unit
    assert wild[2] - wild[0] > 3 * (calm[2] - calm[0])


@pytest.mark.parametrize("times", [np.zeros(3), np.array([0.0, 1.0])])
def test_no_trend_without_time(times):
    with pytest.raises(InputError, match="cannot find a trend"):
        find_trend(strata_of([0.1] * len(times), [100] * len(times)), times)


def test_strata_need_both_calibrations_and_one_set_of_bins():
    with pytest.raises(InputError, match="one side of the calibration is empty"):
        gather(np.zeros(4), np.ones(4), np.ones((2, 4)))
    with pytest.raises(InputError, match="one row per stratum and 4 bins"):
        gather(np.ones(4), np.ones(4), np.ones((2, 5)))
