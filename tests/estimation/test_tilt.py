"""Real scores that shift between shards: found, profiled out, and harmless where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.errors import InputError
from madaudit.estimation.intervals import find_intervals
from madaudit.estimation.likelihood import Evidence
from madaudit.estimation.tilt import aligned, estimate_shifted, find_shift
from tests.estimation.score_worlds import COARSE_EDGES, SHIFT, shares


def shards(spread, *, n_shards=40, n=2000, seed=0):
    """Clean shards whose mean score varies."""
    generator = np.random.default_rng(seed)
    means = generator.normal(0, spread, n_shards)
    return np.array(
        [generator.multinomial(n, shares(mean, COARSE_EDGES)) for mean in means], dtype=float
    )


@pytest.mark.parametrize("along", ["score", "component"])
def test_the_direction_is_the_scores_own_and_the_spread_is_found(along):
    shift = find_shift(shards(0.2), along=along)
    middle = np.linspace(-1.67, 3.67, 16)
    correlation = np.corrcoef(middle[2:12], shift.direction[2:12])[0, 1]
    assert abs(correlation) > 0.98
    assert shift.spread == pytest.approx(0.2, rel=0.35)
    assert shift.share_explained > 0.9


@pytest.mark.parametrize("along", ["score", "component"])
def test_equal_shards_have_next_to_no_spread(along):
    assert find_shift(shards(0.0), along=along).spread < 0.02


def test_shards_put_back_in_line_have_the_template_of_one_shard():
    apart = shards(0.4)
    pooled, lined = apart.sum(axis=0), aligned(apart, find_shift(apart))
    one = shares(0, COARSE_EDGES)
    # Pooled, it is that of a broader distribution.
    assert spread_of(pooled) > 1.05 * spread_of(one)
    assert spread_of(lined) == pytest.approx(spread_of(one), rel=0.03)
    assert 0.5 * pooled.sum() < lined.sum() < pooled.sum()


def spread_of(counts):
    """Variance of the bins' numbers."""
    weights, bins = counts / counts.sum(), np.arange(len(counts))
    return weights @ bins**2 - (weights @ bins) ** 2


def test_shards_that_do_not_shift_stay_as_they_are():
    equal = shards(0.0)
    assert aligned(equal, find_shift(equal)) == pytest.approx(equal.sum(axis=0), rel=0.02)


@pytest.mark.slow
def test_a_wide_shift_is_covered_where_shards_are_put_back_in_line():
    generator = np.random.default_rng(7)
    covered = 0
    for seed in range(12):
        apart = shards(0.2, seed=seed)
        synthetic = generator.multinomial(2000, shares(SHIFT, COARSE_EDGES)).astype(float)
        own = shares(generator.normal(0, 0.2), COARSE_EDGES)
        mixture = 0.99 * own + 0.01 * shares(SHIFT, COARSE_EDGES)
        target = generator.multinomial(10**6, mixture / mixture.sum()).astype(float)
        found = estimate_shifted(apart.sum(axis=0), synthetic, target, apart)
        covered += found.low <= 0.01 <= found.high
    # Coverage was .2 before; 8 or fewer of 12 at a true .95 come up in two of a thousand.
    assert covered >= 9


@pytest.mark.slow
def test_shards_that_shift_widen_an_interval_to_the_truth():
    real, synthetic = shares(0, COARSE_EDGES) * 2000, shares(SHIFT, COARSE_EDGES) * 2000
    target = 1e6 * (0.8 * shares(0.15, COARSE_EDGES) + 0.2 * shares(SHIFT, COARSE_EDGES))
    naive = find_intervals(Evidence.closed(real[None], synthetic[None], target[None]))
    found = estimate_shifted(real, synthetic, target, shards(0.15))
    assert naive.low[0] > 0.2
    assert found.low <= 0.2 <= found.high


@pytest.mark.slow
def test_without_shift_the_interval_is_hardly_wider():
    real, synthetic = shards(0.0).sum(axis=0), shares(SHIFT, COARSE_EDGES) * 2000
    target = 1e5 * (0.8 * shares(0, COARSE_EDGES) + 0.2 * shares(SHIFT, COARSE_EDGES))
    naive = find_intervals(Evidence.closed(real[None], synthetic[None], target[None]))
    found = estimate_shifted(real, synthetic, target, shards(0.0))
    width = (naive.high - naive.low)[0]
    assert 0.95 * width < found.high - found.low < 1.3 * width


def test_a_few_shards_are_refused():
    with pytest.raises(InputError, match="from 9 clean shards; at least 10"):
        find_shift(shards(0.1, n_shards=9))
