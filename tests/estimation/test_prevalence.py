"""`estimate_prevalence`: tiers, headline, edge cases, and what it refuses."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from madaudit.errors import InputError, OptionError
from madaudit.estimation import Histograms, Settings, estimate_prevalence, estimate_tiers
from madaudit.types import Interval
from tests.estimation.score_worlds import SHIFT, draw, shares

_NONE = np.zeros(len(shares()))


def drawn(pi=0.1, n=1000, n_target=100_000, seed=0):
    return tuple(part[0] for part in draw(pi, n=n, n_target=n_target, seed=seed))


def histograms(pi=0.1, *, n=1000, n_target=100_000, **more):
    return Histograms(*drawn(pi, n, n_target), _NONE, _NONE, **more)


def labelled(n_labels, *, pi=0.1, seed=0):
    """Labels of a simple random sample, right by construction."""
    generator = np.random.default_rng(seed)
    real, synthetic, _ = drawn(pi)
    of_class = [
        generator.multinomial(round(100_000 * share), shares(shift))
        for share, shift in ((1 - pi, 0.0), (pi, SHIFT))
    ]
    target = sum(of_class)
    picked = generator.multivariate_hypergeometric(target, n_labels)
    found = generator.hypergeometric(of_class[1], of_class[0], picked)
    return (real, synthetic, target), {"gold_real": picked - found, "gold_synthetic": found}


def ends(interval):
    return (interval.low, interval.point, interval.high)


def test_without_labels_the_headline_assumes_nothing_of_generators():
    found = estimate_prevalence(*drawn())
    assert found.tier == "detectable"
    assert found.prevalence == found.detectable
    assert found.model_based.closed.low <= 0.1 <= found.model_based.closed.high


def test_a_measured_detected_share_makes_the_set_the_headline():
    found = estimate_tiers(histograms(), Settings(least_detected=0.5, n_generators=19))
    assert found.tier == "model_based"
    assert found.prevalence == found.model_based.sensitivity
    assert found.prevalence.high == pytest.approx(found.model_based.closed.high / 0.5)
    assert found.prevalence.low == min(found.detectable.low, found.model_based.closed.low)


@pytest.mark.parametrize(("level", "enough"), [(0.95, 19), (0.9, 9), (0.5, 1)])
def test_the_set_leads_only_where_generators_are_enough_for_its_level(level, enough):
    """The worst of K exchangeable generators bounds a new one with probability K / (K + 1)."""
    tiers = [
        estimate_tiers(histograms(), Settings(level, least_detected=0.5, n_generators=n)).tier
        for n in (enough - 1, enough)
    ]
    assert tiers == ["detectable", "model_based"]


def test_with_labels_enough_the_headline_is_what_people_saw():
    counts, gold = labelled(600)
    found = estimate_prevalence(*counts, **gold)
    assert found.tier == "adjudicated"
    assert found.prevalence.low < 0.1 < found.prevalence.high
    assert found.n_labels == 600


def test_a_few_labels_stand_beside_the_headline():
    counts, gold = labelled(100)
    found = estimate_prevalence(*counts, **gold)
    assert found.tier == "detectable"
    assert found.adjudicated is not None
    assert any("100 labels" in flag for flag in found.flags)


def test_p_is_one_minus_the_headlines_prevalence():
    found = estimate_tiers(histograms(), Settings(n_generators=19))
    low, point, high = ends(found.prevalence)
    assert ends(found.p) == (1 - high, 1 - point, 1 - low)
    assert estimate_prevalence(*drawn()).p.point is None


def test_the_dictionary_is_the_commands():
    counts, gold = labelled(400)
    content = json.loads(json.dumps(estimate_prevalence(*counts, **gold).to_dict()))
    expected = {"n", "p", "p_distinct", "tier", "tiers", "assumptions", "flags", "strata"}
    assert set(content) == expected
    assert set(content["tiers"]) == {"floor", "detectable", "model_based", "adjudicated"}
    for tier in ("detectable", "model_based", "adjudicated"):
        assert {"low", "point", "high", "level"} <= set(content["tiers"][tier])
    assert {"low", "high"} <= set(content["tiers"]["model_based"]["sensitivity"])
    assert content["n"] == 100_000


def test_a_higher_level_widens_every_tier():
    counts, gold = labelled(400)
    narrow = estimate_prevalence(*counts, **gold, level=0.8)
    wide = estimate_prevalence(*counts, **gold, level=0.99)
    for tier in ("detectable", "adjudicated"):
        assert getattr(wide, tier).low < getattr(narrow, tier).low
    assert wide.model_based.closed.high > narrow.model_based.closed.high


@pytest.mark.slow
@pytest.mark.parametrize("tier", ["detectable", "model_based"])
def test_estimates_rise_with_the_evidence(tier):
    real, synthetic, target = drawn(0.05)
    values = []
    for moved in (0, 500, 2000, 8000):
        shifted = target * (1 - moved / target.sum()) + moved * shares(SHIFT)
        found = estimate_prevalence(real, synthetic, shifted)
        values.append(
            found.detectable.low if tier == "detectable" else found.model_based.closed.point
        )
    assert values == sorted(values)
    assert values[-1] > values[0]


def test_posteriors_never_fall_with_the_score():
    found = estimate_prevalence(*drawn(n=200)).model_based.p_synthetic
    assert len(found) == len(shares())
    assert (np.diff(found) >= 0).all()
    assert 0 <= found[0] < found[-1] <= 1


def test_finer_bins_than_needed_change_little():
    real, synthetic, target = drawn(n=2000)
    pairs = [part.reshape(-1, 2).sum(axis=1) for part in (real, synthetic, target)]
    fine = estimate_prevalence(real, synthetic, target).model_based.closed
    coarse = estimate_prevalence(*pairs).model_based.closed
    assert fine.point == pytest.approx(coarse.point, abs=0.01)


def test_labels_in_very_many_bins_are_no_more_certain_than_a_binomial():
    counts, gold = labelled(400)
    found = estimate_prevalence(*counts, **gold).adjudicated
    binomial = 2 * 1.96 * np.sqrt(0.1 * 0.9 / 400)
    assert 0.5 * binomial < found.high - found.low < 1.1 * binomial


# Edge cases, each with its stated behaviour (docs/estimation.md).


def test_without_synthetic_calibration_there_is_a_lower_bound_alone():
    real, _, target = drawn(0.5)
    found = estimate_prevalence(real, _NONE, target)
    assert found.tier == "detectable"
    assert 0 < found.prevalence.low <= 0.5
    assert (found.prevalence.point, found.prevalence.high) == (None, 1.0)
    assert found.model_based is None


@pytest.mark.parametrize("which", ["real", "both"])
def test_without_real_calibration_there_is_the_floor_alone(which):
    _, synthetic, target = drawn()
    found = estimate_prevalence(_NONE, synthetic if which == "real" else _NONE, target)
    assert found.tier == "floor"
    assert ends(found.prevalence) == (0.0, None, 1.0)
    assert found.detectable is None


@pytest.mark.parametrize("known", ["real", "synthetic", "none"])
def test_without_a_whole_calibration_labels_stand_alone(known):
    (real, synthetic, target), gold = labelled(100)
    parts = (real if known == "real" else _NONE, synthetic if known == "synthetic" else _NONE)
    found = estimate_prevalence(*parts, target, **gold)
    assert found.tier == "adjudicated"
    assert found.prevalence.low < 0.1 < found.prevalence.high
    assert found.model_based is None


@pytest.mark.parametrize("counts", ["none", "one bin"])
def test_a_target_that_tells_nothing_leaves_the_floor(counts):
    real, synthetic, _ = drawn()
    target = _NONE + (1000.0 * (np.arange(len(_NONE)) == 100) if counts == "one bin" else 0.0)
    histogram = Histograms(real, synthetic, target, _NONE, _NONE)
    found = estimate_tiers(histogram, Settings(), floor=Interval(0.3, 0.3, 1.0))
    assert (found.tier, ends(found.prevalence)) == ("floor", (0.3, None, 1.0))


def test_missing_scores_widen_to_anything_and_take_the_point():
    whole = estimate_tiers(histograms(), Settings()).model_based
    part = estimate_tiers(histograms(missing_share=0.2), Settings()).model_based
    assert part.closed.low == pytest.approx(0.8 * whole.closed.low)
    assert part.closed.high == pytest.approx(0.8 * whole.closed.high + 0.2)
    assert part.closed.point is None
    assert part.sensitivity.high == pytest.approx(0.8 * whole.sensitivity.high + 0.2)


def test_hardly_any_missing_scores_leave_the_point():
    found = estimate_tiers(histograms(missing_share=0.0005), Settings()).model_based
    assert found.closed.point is not None


def test_a_real_target_has_a_lower_end_of_exactly_0():
    closed = estimate_prevalence(*drawn(0.0)).model_based.closed
    assert closed.low == 0.0
    assert closed.high < 0.02


def test_a_synthetic_target_has_an_upper_end_of_exactly_1():
    closed = estimate_prevalence(*drawn(1.0)).model_based.closed
    assert closed.high == 1.0
    assert closed.low > 0.98


def test_an_empty_target_tells_nothing():
    real, synthetic, _ = drawn()
    found = estimate_prevalence(real, synthetic, _NONE)
    assert ends(found.prevalence) == (0.0, None, 1.0)
    assert any("nothing is known" in flag for flag in found.flags)


def test_a_target_in_one_bin_tells_nothing():
    real, synthetic, _ = drawn()
    target = _NONE.copy()
    target[100] = 1000
    found = estimate_prevalence(real, synthetic, target)
    assert ends(found.prevalence) == (0.0, None, 1.0)
    assert any("in one bin" in flag for flag in found.flags)


def test_identical_templates_tell_nothing_whatever_the_target():
    real, synthetic, target = drawn(0.5, n=2000)
    for counts in (real, synthetic, target):
        closed = estimate_prevalence(real, real, counts).model_based.closed
        assert (closed.low, closed.high) == (0.0, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("n", [200, 1000])
def test_templates_that_differ_by_chance_alone_tell_nothing(n):
    """TPR ≈ FPR. [0, 1] in nine of ten (measured); fewer than 14 of 20 then have p < .003."""
    generator = np.random.default_rng(5)
    found = [
        estimate_prevalence(*(generator.multinomial(size, shares()) for size in (n, n, 100_000)))
        for _ in range(20)
    ]
    closed = [one.model_based.closed for one in found]
    assert sum((one.low, one.high) == (0.0, 1.0) for one in closed) >= 14
    assert all(any("hardly tell" in flag for flag in one.flags) for one in found)
    assert all(one.tier != "model_based" for one in found)


def test_templates_that_tell_the_classes_apart_are_not_flagged():
    found = estimate_prevalence(*drawn())
    assert not any("hardly tell" in flag for flag in found.flags)


@pytest.mark.parametrize("pi", [0.0, 0.3])
def test_a_target_of_20_gives_a_wide_interval(pi):
    closed = estimate_prevalence(*drawn(pi, n_target=20)).model_based.closed
    assert closed.low <= pi <= closed.high
    assert 0.1 < closed.high - closed.low < 0.8


def test_labels_of_every_sample_leave_nothing_open():
    found = estimate_prevalence(
        _NONE[:4],
        _NONE[:4],
        [10, 10, 10, 10],
        gold_real=[10, 9, 5, 1],
        gold_synthetic=[0, 1, 5, 9],
    ).adjudicated
    assert ends(found) == pytest.approx((15 / 40, 15 / 40, 15 / 40))


def test_bins_without_labels_may_hold_anything():
    found = estimate_prevalence(
        [0, 0], [0, 0], [9e5, 1e5], gold_real=[1000, 0], gold_synthetic=[0, 0]
    )
    assert found.adjudicated.high >= 0.1
    assert found.adjudicated.low == 0.0
    assert found.adjudicated.point == 0.0
    assert any("have no label" in flag for flag in found.flags)


def test_labels_that_prefer_scores_within_merged_bins_are_flagged():
    counts, gold = labelled(800)
    uneven = {name: part * (np.arange(len(part)) % 8 < 2) for name, part in gold.items()}
    assert not any("prefer" in flag for flag in estimate_prevalence(*counts, **gold).flags)
    assert any("prefer" in flag for flag in estimate_prevalence(*counts, **uneven).flags)


def test_duplicates_widen_and_move_no_point():
    plain = estimate_tiers(histograms(n=5000, n_target=10_000), Settings()).model_based.closed
    fewer = estimate_tiers(histograms(n=5000, n_target=10_000, effective_ratio=0.05), Settings())
    closed = fewer.model_based.closed
    assert closed.high - closed.low > 1.5 * (plain.high - plain.low)
    assert closed.point == pytest.approx(plain.point, abs=0.01)
    assert any("duplicates" in flag for flag in fewer.flags)


def test_a_floor_of_marks_bounds_the_headline():
    floor = Interval(0.3, 0.3, 1.0)
    found = estimate_tiers(histograms(0.1), Settings(), floor=floor)
    assert found.prevalence.low == 0.3
    assert found.floor == floor
    assert found.model_based.closed.low < 0.3


def test_a_measured_detected_share_names_its_generators():
    found = estimate_tiers(histograms(), Settings(least_detected=0.8, n_generators=20))
    assert found.prevalence.high == pytest.approx(found.model_based.closed.high / 0.8)
    assert any("20 generators" in text for text in found.assumptions)
    assert not any("unseen" in flag for flag in found.flags)


def test_scores_unlike_the_calibration_are_flagged():
    real, synthetic, _ = drawn()
    strange = np.zeros_like(real)
    strange[[0, 127]] = 50_000
    assert any(
        "do not fit" in flag for flag in estimate_prevalence(real, synthetic, strange).flags
    )


# What is refused.


def test_more_labels_than_samples_are_refused():
    with pytest.raises(InputError, match="bin 1 has 3 gold labels but 2 target samples"):
        estimate_prevalence([1, 1], [1, 1], [5, 2], gold_real=[0, 3], gold_synthetic=[0, 0])


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_counts_that_are_none_are_refused(value):
    with pytest.raises(InputError, match="counts are finite and at least 0"):
        estimate_prevalence([1, value], [1, 1], [5, 2])


def test_other_bins_are_refused():
    with pytest.raises(InputError, match="real has 3 bins, target has 2"):
        estimate_prevalence([1, 1, 1], [1, 1], [5, 2])


@pytest.mark.parametrize("counts", [[[1, 2]], 3, ["a", "b"]])
def test_what_is_no_histogram_is_refused(counts):
    with pytest.raises(InputError, match="target_counts"):
        estimate_prevalence([1, 1], [1, 1], counts)


@pytest.mark.parametrize("level", [0.0, 1.0, np.nan])
def test_a_level_outside_0_and_1_is_refused(level):
    with pytest.raises(OptionError, match="must lie between 0 and 1"):
        estimate_prevalence([1, 1], [1, 1], [5, 2], level=level)


@pytest.mark.parametrize("share", [0.0, 1.5, np.nan])
def test_a_detected_share_of_none_is_refused(share):
    with pytest.raises(OptionError, match="least_detected"):
        estimate_tiers(histograms(), Settings(least_detected=share))


@pytest.mark.parametrize("change", [{"missing_share": 1.5}, {"effective_ratio": 0.0}])
def test_shares_out_of_range_are_refused(change):
    with pytest.raises(InputError, match="must lie in"):
        dataclasses.replace(histograms(), **change)


def test_coarse_bins_follow_the_calibration_alone():
    one, two = (
        estimate_prevalence(*drawn()[:2], target).model_based.p_synthetic
        for target in (drawn(0.1)[2], drawn(0.1)[2] * 3)
    )
    assert np.flatnonzero(np.diff(one)).tolist() == np.flatnonzero(np.diff(two)).tolist()


def test_scores_that_contradict_the_calibration_lead_no_headline():
    # Real samples of the target lie where the calibration has neither real nor synthetic ones.
    real, synthetic = [500, 400, 90, 10], [10, 90, 400, 500]
    found = estimate_prevalence(real, synthetic, [3000, 200, 3000, 200])

    assert found.model_based.goodness_of_fit < 1e-3
    assert found.tier == "floor"
    assert (found.p.low, found.p.high) == (0.0, 1.0)
    assert any("no tier of scores is the headline" in flag for flag in found.flags)


def test_labels_lead_even_where_scores_do_not_fit():
    real, synthetic = [500, 400, 90, 10], [10, 90, 400, 500]
    found = estimate_prevalence(
        real,
        synthetic,
        [3000, 200, 3000, 200],
        gold_real=[100, 50, 50, 0],
        gold_synthetic=[0, 50, 50, 50],
    )

    assert found.tier == "adjudicated"
