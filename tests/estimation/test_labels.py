"""Which samples to label, how many more, and what mistakes of labellers cost."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from madaudit.errors import OptionError
from madaudit.estimation import LabelChecks, Settings, allocate, estimate_tiers, labels_needed
from madaudit.estimation.counts import Histograms
from madaudit.estimation.intervals import find_intervals
from madaudit.estimation.labels import corrected_interval
from madaudit.estimation.likelihood import Evidence

_TARGET = np.array([8e5, 1.5e5, 4e4, 9e3, 1e3])
_WEIGHTS = np.array([0.001, 0.01, 0.2, 0.7, 0.99])
_NONE = np.zeros(1)


def evidence(n_real, n_synthetic, n_target=1e9):
    return Evidence.adjudicated(
        np.array([[float(n_real)]]), np.array([[float(n_synthetic)]]), np.array([[n_target]])
    )


def test_every_bin_is_drawn_from_and_the_sum_is_what_was_asked_for():
    drawn = allocate(_TARGET, _WEIGHTS, 500)
    assert drawn.sum() == 500
    assert (drawn >= [5, 5, 2, 2, 2]).all()


def test_uncertain_bins_are_drawn_from_more_densely_than_clear_ones():
    rates = allocate(_TARGET, _WEIGHTS, 3000) / _TARGET
    assert rates[2] > 5 * rates[0]


def test_a_share_of_1_follows_the_target():
    drawn = allocate(_TARGET, _WEIGHTS, 100_000, share=1.0)
    np.testing.assert_allclose(drawn / 1e5, _TARGET / _TARGET.sum(), atol=2e-5)


@pytest.mark.parametrize("n_labels", [0, 3, 10, 49])
def test_no_more_is_drawn_than_there_is(n_labels):
    target = np.array([40.0, 6.0, 0.0, 1.0])
    drawn = allocate(target, np.full(4, 0.5), n_labels)
    assert (drawn <= target).all()
    assert drawn.sum() >= min(n_labels, 11)


def test_labels_needed_are_enough_and_not_many_more():
    gold_synthetic, gold_real = np.array([3.0, 40.0]), np.array([197.0, 60.0])
    target = np.array([9e5, 1e5])
    needed = labels_needed(gold_real, gold_synthetic, target, 0.02)
    factor = needed / 300
    found = find_intervals(
        Evidence.adjudicated(gold_real[None] * factor, gold_synthetic[None] * factor, target[None])
    )
    assert 0.017 < (found.high - found.low)[0] < 0.0201


def test_a_width_that_is_met_needs_no_more_labels():
    assert labels_needed(np.array([90.0]), np.array([10.0]), np.array([1e6]), 0.5) == 100


@pytest.mark.parametrize("width", [0.0, 1.0])
def test_a_width_out_of_range_is_refused(width):
    with pytest.raises(OptionError, match="width"):
        labels_needed(np.array([90.0]), np.array([10.0]), np.array([1e6]), width)


def test_perfect_labellers_change_next_to_nothing():
    found = find_intervals(evidence(900, 100))
    corrected = corrected_interval(evidence(900, 100), LabelChecks(10**7, 0, 10**7, 0))
    assert corrected.low == pytest.approx(found.low[0], abs=5e-4)
    assert corrected.high == pytest.approx(found.high[0], abs=5e-4)
    assert corrected.point == pytest.approx(0.1, abs=5e-4)


def test_known_error_rates_are_taken_back():
    """Rogan and Gladen's estimator, with an interval by the delta method."""
    error0, error1, pi = 0.05, 0.2, 0.2
    called = round(100_000 * (error0 + (1 - error0 - error1) * pi))
    checks = LabelChecks(10**7, 5 * 10**5, 10**7, 2 * 10**6)
    found = corrected_interval(evidence(100_000 - called, called), checks)
    rate = called / 100_000
    half = norm.ppf(0.975) * np.sqrt(rate * (1 - rate) / 100_000) / 0.75
    assert found.point == pytest.approx(0.2, abs=5e-4)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.05)


def test_labellers_who_err_as_often_as_they_find_leave_0_possible():
    found = corrected_interval(evidence(980, 20), LabelChecks(200, 4, 200, 10))
    assert found.low == 0.0
    assert found.high < 0.04


def test_fewer_checks_widen():
    many = corrected_interval(evidence(900, 100), LabelChecks(2000, 20, 2000, 200))
    few = corrected_interval(evidence(900, 100), LabelChecks(100, 1, 100, 10))
    assert few.low < many.low
    assert few.high > many.high


def test_the_adjudicated_tier_uses_checks_and_says_so():
    histograms = Histograms(
        _NONE,
        _NONE,
        np.array([1e6]),
        gold_real=np.array([900.0]),
        gold_synthetic=np.array([100.0]),
    )
    plain = estimate_tiers(histograms, Settings())
    checked = estimate_tiers(histograms, Settings(checks=LabelChecks(100, 2, 100, 20)))
    assert checked.prevalence.high > plain.prevalence.high
    assert "labels are right" in plain.assumptions
    assert any("blind checks" in text for text in checked.assumptions)


@pytest.mark.parametrize("counts", [(10, 11, 10, 0), (0, 0, 10, 0), (10, 0, 10, -1)])
def test_checks_that_cannot_be_are_refused(counts):
    with pytest.raises(OptionError, match="cannot correct labels"):
        LabelChecks(*counts)
