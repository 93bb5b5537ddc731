"""Discoveries from histograms, beside scipy on the p-values themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from madaudit.errors import OptionError
from madaudit.estimation.false_discovery import benjamini_hochberg, discover, marked_at_least

EDGES = np.linspace(0.0, 48.0, 193)


def histogram(p_values):
    places = np.searchsorted(EDGES, -np.log10(p_values), side="right") - 1
    return np.bincount(places, minlength=len(EDGES))


def world(n, marked, seed=0):
    """Uniform p-values, and some of marks."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.uniform(size=n - marked), 10.0 ** -rng.uniform(8, 30, marked)])


def test_what_is_found_is_what_scipy_finds_with_each_p_value_rounded_up():
    for seed in range(20):
        p_values = world(400, 30, seed)
        rounded = 10.0 ** -EDGES[np.searchsorted(EDGES, -np.log10(p_values), side="right") - 1]
        theirs = int((stats.false_discovery_control(rounded) <= 0.05).sum())
        assert benjamini_hochberg(histogram(p_values), EDGES, 0.05)[0] == theirs


def test_rounding_up_never_finds_more():
    for seed in range(20):
        p_values = world(400, 30, seed) ** 0.3
        exact = int((stats.false_discovery_control(p_values) <= 0.05).sum())
        assert benjamini_hochberg(histogram(p_values), EDGES, 0.05)[0] <= exact


def test_a_billion_samples_need_the_far_end_of_the_scale():
    counts = np.zeros(len(EDGES), np.int64)
    counts[0] = 5_000_000_000
    counts[EDGES == 13.0] = 100
    assert benjamini_hochberg(counts, EDGES, 0.01) == (100, 1e-13)
    # A hundred at 2e-10 would just do: .01 · 100 / 5e9.
    counts[EDGES == 13.0] = 0
    counts[EDGES == 9.5] = 100
    assert benjamini_hochberg(counts, EDGES, 0.01) == (0, None)


def test_marks_beyond_the_scale_count():
    counts = np.zeros(len(EDGES), np.int64)
    counts[0], counts[-1] = 1000, 7
    result = discover({"a": counts}, EDGES)
    assert (result.found, result.largest_score) == (7, 48.0)
    assert result.share.low == 7 / 1007
    assert 0 < result.flagged[0].p_value < 1e-200


@pytest.mark.slow
def test_the_lower_bound_holds_and_the_false_discovery_rate_is_kept():
    # 400 worlds with 50 marks each; level .95: at least 362 bounds hold (false alarm <= 1e-4).
    held, errors = 0, []
    for seed in range(400):
        rng = np.random.default_rng([1, seed])
        nulls, marks = rng.uniform(size=20_000), 10.0 ** -rng.uniform(2, 8, 50)
        both = histogram(nulls) + histogram(marks)
        held += marked_at_least(both, EDGES, 0.95) <= 50
        found, threshold = benjamini_hochberg(both, EDGES, 0.05)
        false = 0 if threshold is None else int((nulls <= threshold).sum())
        errors.append(false / max(found, 1))
    assert held >= 362
    # The mean of 400 shares, each in [0, 1], may lie above .05 by 4 standard errors.
    assert np.mean(errors) <= 0.05 + 4 * np.std(errors) / 20


def test_the_lower_bound_finds_most_of_what_is_plain():
    counts = histogram(world(100_000, 500))
    assert 490 <= marked_at_least(counts, EDGES, 0.95) <= 500


def test_without_marks_nothing_is_found_and_nothing_flagged():
    shards = {f"s{seed}": histogram(world(5000, 0, seed)) for seed in range(20)}
    result = discover(shards, EDGES)
    assert (result.found, result.flagged, result.share.low) == (0, (), 0.0)
    assert result.share.high == 1.0


def test_a_shard_with_marks_is_flagged_apart():
    shards = {f"s{seed}": histogram(world(5000, 0, seed)) for seed in range(20)}
    shards["odd"] = histogram(world(5000, 40, 99))
    (flagged,) = discover(shards, EDGES).flagged
    assert flagged.shard == "odd"
    assert 35 <= flagged.at_least <= 40
    assert flagged.tested == 5000


def test_many_weak_hints_flag_a_shard_that_no_single_sample_would():
    p_values = np.concatenate([world(5000, 0, 4), np.full(150, 0.004)])
    result = discover({"odd": histogram(p_values), "plain": histogram(world(5000, 0, 5))}, EDGES)
    assert [shard.shard for shard in result.flagged] == ["odd"]


def test_the_order_of_shards_does_not_matter():
    shards = {f"s{seed}": histogram(world(500, seed, seed)) for seed in range(6)}
    assert discover(shards, EDGES) == discover(dict(reversed(shards.items())), EDGES)


def test_nothing_tested_says_nothing():
    result = discover({"a": np.zeros(len(EDGES), np.int64)}, EDGES)
    assert (result.tested, result.found, result.share.point, result.largest_score) == (
        0,
        0,
        None,
        None,
    )


@pytest.mark.parametrize("options", [{"rate": 0.0}, {"level": 1.0}])
def test_a_rate_or_level_that_is_none_is_refused(options):
    with pytest.raises(OptionError, match="must lie between 0 and 1"):
        discover({}, EDGES, **options)
