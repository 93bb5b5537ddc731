"""Which samples are drawn, and with what weight."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.errors import OptionError
from madaudit.scanning.tasks import ShardTask, draw_ordinals, own_part, plan_tasks
from madaudit.types import Shard


def _shards(n: int) -> list[Shard]:
    return [Shard(f"{i:05d}.tar", f"/x/{i:05d}.tar", "tar", 1000, "v") for i in range(n)]


def test_a_census_has_every_shard_at_weight_one() -> None:
    tasks = plan_tasks(_shards(3), n_sample=None, seed=0)
    assert [(task.n_draw, task.weight) for task in tasks] == [(None, 1.0)] * 3


def test_a_draw_is_spread_evenly_over_shards() -> None:
    tasks = plan_tasks(_shards(7), n_sample=30, seed=1)
    drawn = [task.n_draw for task in tasks]
    assert sum(d for d in drawn if d is not None) == 30
    assert set(drawn) == {4, 5}


def test_fewer_samples_than_shards_draw_that_many_shards() -> None:
    tasks = plan_tasks(_shards(100), n_sample=10, seed=1)
    assert len(tasks) == 10
    assert {(task.n_draw, task.weight) for task in tasks} == {(1, 10.0)}


def test_the_same_seed_draws_the_same_and_another_seed_does_not() -> None:
    task = ShardTask(_shards(1)[0], n_draw=20)
    assert draw_ordinals(task, 1000, 5) == draw_ordinals(task, 1000, 5)
    assert draw_ordinals(task, 1000, 5) != draw_ordinals(task, 1000, 6)


def test_two_shards_do_not_draw_the_same_ordinals() -> None:
    first, second = (ShardTask(shard, n_draw=20) for shard in _shards(2))
    assert draw_ordinals(first, 1000, 5) != draw_ordinals(second, 1000, 5)


def test_a_small_shard_gives_what_it_has() -> None:
    task = ShardTask(_shards(1)[0], n_draw=20)
    assert draw_ordinals(task, 3, 0) == frozenset({0, 1, 2})


def test_every_ordinal_is_equally_likely_to_be_drawn() -> None:
    # 2000 draws of 5 out of 20: each ordinal is expected 500 times with standard deviation
    # sqrt(2000 * .25 * .75) = 19.4; five deviations either way fail one run in 20 million.
    task = ShardTask(_shards(1)[0], n_draw=5)
    counts = np.zeros(20)
    for seed in range(2000):
        counts[list(draw_ordinals(task, 20, seed))] += 1
    assert np.abs(counts - 500).max() < 97


def test_parts_of_a_job_array_cover_all_shards_once() -> None:
    tasks = plan_tasks(_shards(10), n_sample=None, seed=0)
    parts = [own_part(tasks, index=i, n_parts=3) for i in range(3)]
    names = sorted(task.shard.name for part in parts for task in part)
    assert names == [shard.name for shard in _shards(10)]


def test_an_index_outside_the_job_array_is_refused() -> None:
    with pytest.raises(OptionError, match="0 to 2"):
        own_part([], index=3, n_parts=3)
