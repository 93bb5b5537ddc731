"""Which samples are drawn, and with what weight."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.errors import OptionError
from madaudit.scanning.tasks import (
    ShardTask,
    draw_ordinals,
    own_part,
    plan_tasks,
    sample_weight,
)
from madaudit.types import Shard


def _shards(n: int, sizes: list[int] | None = None) -> list[Shard]:
    return [
        Shard(f"{i:05d}.tar", f"/x/{i:05d}.tar", "tar", sizes[i] if sizes else 1000, "v")
        for i in range(n)
    ]


def _draws(tasks: list[ShardTask]) -> dict[str, int]:
    return {task.shard.name: task.n_draw or 0 for task in tasks}


def test_a_census_has_every_shard_at_weight_one() -> None:
    tasks = plan_tasks(_shards(3), n_sample=None, seed=0)
    assert [(task.n_draw, sample_weight(task, 50)) for task in tasks] == [(None, 1.0)] * 3


def test_a_draw_is_spread_evenly_over_equal_shards() -> None:
    draws = _draws(plan_tasks(_shards(7), n_sample=30, seed=1))
    assert sum(draws.values()) == 30
    assert set(draws.values()) == {4, 5}


def test_a_draw_follows_the_shards_sizes() -> None:
    draws = _draws(plan_tasks(_shards(3, [1000, 8000, 1000]), n_sample=100, seed=1))
    assert draws == {"00000.tar": 10, "00001.tar": 80, "00002.tar": 10}


@pytest.mark.parametrize("seed", range(20))
def test_exactly_as_many_samples_are_drawn_as_were_asked_for(seed: int) -> None:
    sizes = np.random.default_rng(seed).integers(0, 10**9, 313).tolist()
    draws = _draws(plan_tasks(_shards(313, sizes), n_sample=1000 + seed, seed=seed))
    assert sum(draws.values()) == 1000 + seed


def test_fewer_samples_than_shards_draw_that_many_shards() -> None:
    tasks = plan_tasks(_shards(100), n_sample=10, seed=1)
    assert [task.n_draw for task in tasks] == [1] * 10
    # 1 of 50 samples, and 1 of 10 shards.
    assert {sample_weight(task, 50) for task in tasks} == {500.0}


def test_weights_of_equal_shards_add_up_to_all_samples() -> None:
    tasks = plan_tasks(_shards(7), n_sample=30, seed=1)
    assert sum((task.n_draw or 0) * sample_weight(task, 40) for task in tasks) == (
        pytest.approx(7 * 40)
    )


def test_a_shard_that_gives_all_its_samples_has_weight_one() -> None:
    (task,) = plan_tasks(_shards(1), n_sample=30, seed=1)
    assert sample_weight(task, 20) == 1.0


def test_the_mean_draw_of_a_shard_is_what_it_expects() -> None:
    # 2000 starts: n is ⌊e⌋ or ⌊e⌋ + 1, so its standard deviation is at most .5 and that of the
    # mean .0112; five of them either way fail one run in a million for each of four shards.
    shards = _shards(4, [100, 250, 700, 3000])
    total = np.zeros(4)
    for seed in range(2000):
        draws = _draws(plan_tasks(shards, n_sample=9, seed=seed))
        total += [draws.get(shard.name, 0) for shard in shards]
    expected = 9 * np.array([100, 250, 700, 3000]) / 4050
    assert np.abs(total / 2000 - expected).max() < 0.056


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
