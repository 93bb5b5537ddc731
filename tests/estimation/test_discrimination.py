"""Intervals of AUC and detected shares hold; rates that few samples cannot show are refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm

from madaudit.errors import OptionError
from madaudit.estimation.discrimination import auc, operating_point, reliability, require_fpr


def _classes(n: int, m: int, shift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(size=n), random.normal(size=m) + shift


def test_auc_is_the_mann_whitney_statistic_with_ties() -> None:
    random = np.random.default_rng(0)
    real, synthetic = random.integers(0, 6, 50) * 1.0, random.integers(2, 9, 70) * 1.0
    expected = mannwhitneyu(synthetic, real).statistic / (50 * 70)
    assert auc(real, synthetic).point == pytest.approx(expected)


def test_classes_told_apart_without_an_error_still_have_an_interval() -> None:
    found = auc(np.zeros(20), np.ones(20))
    assert (found.point, found.high) == (1.0, 1.0)
    assert 0.7 < found.low < 0.95
    turned = auc(np.ones(20), np.zeros(20))
    assert turned.low == 0.0
    assert turned.high == pytest.approx(1 - found.low)


def test_a_class_without_samples_has_neither() -> None:
    none = np.zeros(0)
    assert auc(none, np.ones(3)) is None
    assert operating_point(np.ones(3), none, 0.05) is None
    assert reliability(none, none) is None


def test_the_threshold_is_the_lowest_score_that_keeps_the_rate() -> None:
    real = np.arange(100.0)
    found = operating_point(real, np.array([94.5, 95.0, 96.0, 200.0]), 0.05)
    # Five of a hundred lie at 95 and above; 94.5 calls the same five, and one synthetic more.
    assert found.threshold == 94.5
    assert found.seen_fpr.point == 0.05
    assert found.tpr.point == 1.0


def test_where_scores_tie_no_threshold_calls_more_than_the_rate() -> None:
    real = np.repeat([0.0, 1.0], [90, 10])
    found = operating_point(real, np.array([0.0, 1.0, 2.0, 2.0]), 0.05)
    assert found.threshold == 2.0
    assert (found.seen_fpr.point, found.tpr.point) == (0.0, 0.5)


def test_a_rate_without_a_threshold_detects_nothing() -> None:
    found = operating_point(np.ones(50), np.ones(10), 0.05)
    assert found.to_dict()["threshold"] is None
    assert (found.tpr.point, found.seen_fpr.point) == (0.0, 0.0)


def test_a_rate_that_the_samples_cannot_show_is_refused() -> None:
    require_fpr(0.01, 5)
    require_fpr(0.001, 30_000)
    with pytest.raises(OptionError, match="from 29999 real samples; needed are 30000"):
        require_fpr(0.001, 29_999)
    with pytest.raises(OptionError, match=r"allowed is \(0, 1\)"):
        require_fpr(0.0, 10)


def test_true_ratios_are_reliable_and_doubled_ones_are_not() -> None:
    real, synthetic = _classes(20_000, 5_000, 1.5)
    ratio = [1.5 * scores - 1.5**2 / 2 for scores in (real, synthetic)]
    honest = reliability(*ratio)
    loud = reliability(*(3 * one for one in ratio))
    assert honest.error < 0.015 < loud.error
    assert honest.cost - honest.least_cost < 0.01
    assert loud.cost - loud.least_cost > 0.1
    assert loud.least_cost == pytest.approx(honest.least_cost)
    assert len(honest.bins) == 10


def test_ratios_that_tell_nothing_cost_one_bit() -> None:
    assert reliability(np.zeros(10), np.zeros(20)).cost == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
@pytest.mark.parametrize(("n", "m"), [(60, 25), (400, 100)])
def test_the_auc_interval_covers(shift: float, n: int, m: int) -> None:
    # 400 replicates, at least 362 for a nominal .95 (shared/STYLE.md §6).
    truth = norm.cdf(shift / np.sqrt(2))
    hits = 0
    for seed in range(400):
        found = auc(*_classes(n, m, shift, seed))
        hits += found.low <= truth <= found.high
    assert hits >= 362


@pytest.mark.slow
@pytest.mark.parametrize("fpr", [0.05, 0.01])
@pytest.mark.parametrize(("n", "m"), [(100, 30), (600, 150)])
def test_the_interval_of_the_detected_share_covers(fpr: float, n: int, m: int) -> None:
    truth = norm.sf(norm.isf(fpr) - 1.5)
    hits = 0
    for seed in range(400):
        found = operating_point(*_classes(n, m, 1.5, seed), fpr).tpr
        hits += found.low <= truth <= found.high
    assert hits >= 362
