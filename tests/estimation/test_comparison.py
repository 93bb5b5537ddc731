"""Two data sets: what differs by more than chance, also where samples of one shard are alike."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from madaudit.errors import InputError
from madaudit.estimation.comparison import (
    Difference,
    ShardSums,
    adjust,
    compare_intervals,
    compare_scores,
    compare_shares,
)
from madaudit.types import Interval


def sums(part, total):
    """One shard: plain binomial counts."""
    return ShardSums(np.array([part], float), np.array([total], float), float(total))


def clustered(generator, share, n_shards=40, size=50, alikeness=0.1):
    """Shards whose own shares vary: beta-binomial with that intraclass correlation."""
    weight = 1.0 / alikeness - 1.0
    shares = generator.beta(share * weight, (1.0 - share) * weight, n_shards)
    part = generator.binomial(size, shares).astype(float)
    return ShardSums(part, np.full(n_shards, float(size)), float(n_shards * size))


def test_the_interval_is_newcombes_own_example():
    # Newcombe 1998, table II, example (a): 56/70 − 48/80, method 10: .0524 to .3339.
    found = compare_shares("x", sums(48, 80), sums(56, 70))
    assert found.change.point == pytest.approx(0.2)
    assert (found.change.low, found.change.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_the_test_is_the_pooled_score_test_and_fishers_at_small_counts():
    large = compare_shares("x", sums(300, 1000), sums(350, 1000))
    table = np.array([[300, 700], [350, 650]])
    assert large.p_value == pytest.approx(stats.chi2_contingency(table, correction=False)[1])
    small = compare_shares("x", sums(0, 12), sums(4, 12))
    assert small.p_value == pytest.approx(stats.fisher_exact([[0, 12], [4, 8]])[1])


def test_the_effect_is_cohens_h():
    found = compare_shares("x", sums(25, 100), sums(50, 100))
    assert found.effect == pytest.approx(np.pi / 2 - np.pi / 3)


def test_an_exchange_of_both_turns_the_change_round():
    there, back = (
        compare_shares("x", a, b)
        for a, b in ((sums(3, 40), sums(9, 50)), (sums(9, 50), sums(3, 40)))
    )
    assert there.p_value == back.p_value
    assert (there.change.low, there.change.high) == (-back.change.high, -back.change.low)


def test_nothing_in_both_is_no_change():
    found = compare_shares("x", sums(0, 1000), sums(0, 10))
    assert found.p_value == 1.0
    assert found.change.low < 0 < found.change.high


def test_an_empty_data_set_is_compared_with_nothing():
    found = compare_shares("x", sums(0, 0), sums(1, 10))
    assert found.p_value is None
    assert (found.change.low, found.change.high) == (-1.0, 1.0)


def test_alike_samples_widen_the_interval_by_the_design_effect():
    # Whole shards are marked or not: 20 draws of 100 alike samples are 20 draws.
    part = np.array([100.0, 0.0] * 10)
    whole = ShardSums(part, np.full(20, 100.0), 2000.0)
    found = compare_shares("x", whole, whole)
    assert found.design_effect == pytest.approx(100 * 20 / 19)
    alone = compare_shares("x", sums(1000, 2000), sums(1000, 2000))
    assert found.change.high > 9 * alone.change.high


def test_too_few_shards_say_nothing_of_alikeness():
    assert compare_shares("x", sums(1, 10), sums(2, 10)).design_effect is None


@pytest.mark.slow
def test_the_false_alarm_rate_holds_with_alike_samples_and_would_not_without():
    generator = np.random.default_rng(11)
    calls, naive = 0, 0
    for _ in range(400):
        pair = clustered(generator, 0.1), clustered(generator, 0.1)
        calls += compare_shares("x", *pair).p_value < 0.05
        single = [sums(float(one.part.sum()), float(one.total.sum())) for one in pair]
        naive += compare_shares("x", *single).p_value < 0.05
    # Binomial(400, .05) exceeds 36 with probability 1e-4; the naive test must fail this.
    assert calls <= 36
    assert naive > 36


@pytest.mark.slow
def test_intervals_of_the_change_cover_it():
    generator, covered = np.random.default_rng(12), 0
    for _ in range(400):
        found = compare_shares("x", clustered(generator, 0.1), clustered(generator, 0.16))
        covered += found.change.low <= 0.06 <= found.change.high
    assert covered >= 362


# --- scores ---------------------------------------------------------------------------------


def histograms(generator, shift, n_shards=12, size=200):
    edges = np.linspace(-8, 8, 65)
    return [
        np.histogram(generator.normal(shift, 1, size), edges)[0].astype(float)
        for _ in range(n_shards)
    ]


def test_the_area_is_the_mann_whitney_statistic():
    generator = np.random.default_rng(1)
    before, after = generator.integers(0, 6, 80), generator.integers(1, 7, 60)
    counts = [[np.bincount(x, minlength=8).astype(float)] for x in (before, after)]
    found = compare_scores("x", *counts)
    area = stats.mannwhitneyu(after, before).statistic / (80 * 60)
    assert found.after == pytest.approx(area)
    assert found.effect == pytest.approx(2 * area - 1)


def test_the_distance_is_kolmogorov_and_smirnovs():
    generator = np.random.default_rng(2)
    before, after = generator.integers(0, 40, 400), generator.integers(3, 43, 500)
    counts = [[np.bincount(x, minlength=50).astype(float)] for x in (before, after)]
    expected = stats.ks_2samp(before, after, method="asymp")
    assert compare_scores("x", *counts).p_value == pytest.approx(expected.pvalue, rel=0.15)


def test_a_change_of_shape_alone_is_seen():
    narrow = [np.array([0.0, 100, 0, 100, 0])] * 12
    wide = [np.array([100.0, 0, 0, 0, 100])] * 12
    found = compare_scores("x", narrow, wide)
    assert found.after == pytest.approx(0.5)
    assert found.p_value < 1e-6


@pytest.mark.slow
def test_the_areas_interval_covers_and_equal_scores_raise_no_alarm():
    generator, covered, calls = np.random.default_rng(3), 0, 0
    truth = float(stats.norm.cdf(0.3 / np.sqrt(2))) - 0.5
    for _ in range(400):
        first = histograms(generator, 0.0)
        found = compare_scores("x", first, histograms(generator, 0.3))
        covered += found.change.low <= truth <= found.change.high
        calls += compare_scores("x", first, histograms(generator, 0.0)).p_value < 0.05
    assert covered >= 362
    assert calls <= 36


def test_other_bins_are_refused():
    with pytest.raises(InputError, match="must be counted over the same bins"):
        compare_scores("x", [np.ones(3)], [np.ones(4)])


# --- estimates, and many comparisons --------------------------------------------------------


def test_intervals_apart_are_a_change_and_overlapping_ones_none():
    apart = compare_intervals("p", Interval(0.1, 0.12, 0.14), Interval(0.2, 0.22, 0.24))
    assert apart.change.low > 0
    assert apart.p_value < 1e-6
    near = compare_intervals("p", Interval(0.1, 0.15, 0.2), Interval(0.12, 0.17, 0.22))
    assert near.change.low < 0 < near.change.high
    assert near.p_value > 0.05


def test_normal_intervals_give_the_normal_difference():
    half = 1.959964 * 0.01
    found = compare_intervals(
        "p", Interval(0.5 - half, 0.5, 0.5 + half), Interval(0.53 - half, 0.53, 0.53 + half)
    )
    assert found.change.high - found.change.low == pytest.approx(2 * np.sqrt(2) * half)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(0.03 / 0.01 / np.sqrt(2)), rel=1e-4)


def test_bounds_without_a_point_differ_only_where_they_lie_apart():
    floor = Interval(0.1, None, 1.0)
    assert compare_intervals("p", floor, Interval(0.3, None, 1.0)).p_value == 1.0
    assert compare_intervals("p", Interval(0, None, 0.2), Interval(0.3, None, 1.0)).p_value < 0.06


def test_adjusted_values_are_holms():
    items = [
        Difference(str(p), 0, 0, Interval(0, 0, 0), p, None, 0, None)
        for p in (0.01, 0.04, 0.03, None)
    ]
    assert [item.adjusted for item in adjust(items)] == pytest.approx([0.03, 0.06, 0.06, None])
