"""Whether the floor of a sampled scan holds: drawn by the scanner's own plan, over and over.

The data sets are finite and fixed; shards differ in size by two orders of magnitude and in
prevalence from none to all, large ones being cleaner, so weights and marks go together.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from madaudit.estimation import MarkTally, estimate_floor
from madaudit.estimation.tally import NO_MARK, SYNTHETIC, RowMasks
from madaudit.scanning.tasks import draw_ordinals, plan_tasks, sample_weight
from madaudit.types import Shard

pytestmark = pytest.mark.slow

_REPLICATES = 400
# 400 draws at a true coverage of .95 give fewer than 362 with probability < 1e-4; .85 is caught.
_COVERED = 362

# (samples, of them marked) by shard.
_FEW = [(5000, 100), (400, 120), (60, 54), (900, 90), (30, 0), (2000, 100), (20, 20), (1500, 750)]
_MANY = [(50 + 13 * n, (50 + 13 * n) * (n % 7) // 20) for n in range(150)]
_RARE = [(3000, 30), (1000, 0), (500, 25), (4000, 20)]
_CASES = {"few shards": (_FEW, 84), "many shards": (_MANY, 100), "rare marks": (_RARE, 400)}


def draw(shards, n_sample, seed, *, bytes_mislead=False):
    """The tally of one sampled scan; the first ordinals of each shard are the marked ones.

    Shards count as equally long, or as of bytes that mislead: the more is marked, the fewer.
    """
    named = {f"{n:05d}.tar": sizes for n, sizes in enumerate(shards)}
    listed = [
        Shard(name, name, "tar", 100 * n - 80 * marked if bytes_mislead else 0, "1")
        for name, (n, marked) in named.items()
    ]
    total = MarkTally()
    for task in plan_tasks(listed, n_sample=n_sample, seed=seed):
        n_samples, n_marked = named[task.shard.name]
        ordinals = np.array(sorted(draw_ordinals(task, n_samples, seed)))
        verdicts = np.where(ordinals < n_marked, SYNTHETIC, NO_MARK).astype(np.int8)
        weights = np.full(len(ordinals), sample_weight(task, n_samples))
        masks = RowMasks(*[np.zeros(len(ordinals), dtype=bool)] * 5)
        total += MarkTally.count(verdicts, weights, masks)
    return total


def prevalence(shards):
    return sum(marked for _, marked in shards) / sum(samples for samples, _ in shards)


def spread(shards, n_sample):
    """Standard deviation of the point over stratified draws of ⌊N/S⌋ a shard, from above.

    Cochran 1977, eq. 5.7, with the finite population correction; a surplus makes it smaller.
    """
    n_all, n_each = sum(samples for samples, _ in shards), n_sample // len(shards)
    variance = 0.0
    for samples, marked in shards:
        share, n_drawn = marked / samples, min(n_each, samples)
        within = share * (1 - share) * samples / (samples - 1)
        variance += (samples / n_all) ** 2 * within / n_drawn * (1 - n_drawn / samples)
    return math.sqrt(variance)


@pytest.mark.parametrize(("shards", "n_sample"), _CASES.values(), ids=_CASES)
def test_the_lower_bound_of_a_sampled_floor_covers_the_truth(shards, n_sample):
    truth = prevalence(shards)
    bounds = [
        estimate_floor(draw(shards, n_sample, seed), is_sampled=True).all_marks.low
        for seed in range(_REPLICATES)
    ]
    assert sum(low <= truth for low in bounds) >= _COVERED


@pytest.mark.parametrize(("shards", "n_sample"), [_CASES["few shards"], _CASES["rare marks"]])
def test_the_weighted_point_of_a_sampled_floor_is_unbiased(shards, n_sample):
    points = [
        estimate_floor(draw(shards, n_sample, seed), is_sampled=True).all_marks.point
        for seed in range(_REPLICATES)
    ]
    # |z| ≤ 4 holds with probability 1 − 6e-5 if the mean of 400 points is the truth.
    allowed = 4.0 * spread(shards, n_sample) / math.sqrt(_REPLICATES)
    assert abs(np.mean(points) - prevalence(shards)) <= allowed


def test_the_test_for_bias_would_notice_missing_weights():
    shards, n_sample = _CASES["few shards"]
    unweighted = np.mean([marked / samples for samples, marked in shards])
    allowed = 4.0 * spread(shards, n_sample) / math.sqrt(_REPLICATES)
    assert abs(unweighted - prevalence(shards)) > 5 * allowed


@pytest.mark.parametrize(("shards", "n_sample"), _CASES.values(), ids=_CASES)
def test_the_floor_holds_where_the_shards_bytes_mislead(shards, n_sample):
    """Draws follow bytes, so some shards are drawn by chance only; weights make up for both."""
    truth = prevalence(shards)
    floors = [
        estimate_floor(draw(shards, n_sample, seed, bytes_mislead=True), is_sampled=True).all_marks
        for seed in range(_REPLICATES)
    ]
    points = np.array([floor.point for floor in floors])
    assert sum(floor.low <= truth for floor in floors) >= _COVERED
    # As above, |z| ≤ 4, with the standard deviation of the replicates themselves; the ratio of
    # two weighted sums has a bias of the order of its variance, which is added.
    spread_of_mean = points.std(ddof=1) / math.sqrt(_REPLICATES)
    assert abs(points.mean() - truth) <= 4.0 * spread_of_mean + points.var()
