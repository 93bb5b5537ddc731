"""Real scores that shift between shards: found, profiled out, and harmless where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.errors import InputError
from madaudit.estimation.intervals import find_intervals
from madaudit.estimation.likelihood import Evidence
from madaudit.estimation.tilt import estimate_shifted, find_shift
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
    real, synthetic = shares(0, COARSE_EDGES) * 2000, shares(SHIFT, COARSE_EDGES) * 2000
    target = 1e5 * (0.8 * shares(0, COARSE_EDGES) + 0.2 * shares(SHIFT, COARSE_EDGES))
    naive = find_intervals(Evidence.closed(real[None], synthetic[None], target[None]))
    found = estimate_shifted(real, synthetic, target, shards(0.0))
    width = (naive.high - naive.low)[0]
    assert 0.95 * width < found.high - found.low < 1.3 * width


def test_a_few_shards_are_refused():
    with pytest.raises(InputError, match="from 9 clean shards; at least 10"):
        find_shift(shards(0.1, n_shards=9))
