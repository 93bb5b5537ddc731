"""Sparse counts of strata: they add up in any order, to what one pass counts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from madaudit.estimation.cells import (
    COMPOSITE_MARK,
    MISSING_PLACE,
    SYNTHETIC_MARK,
    UNMARKED,
    CellSum,
    StratumCells,
)
from madaudit.estimation.sketch import ScoreSketch


def samples(n=5000, seed=0):
    """Strata, planes, scores and weights of samples."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(0, 3, n)
    scores[generator.random(n) < 0.05] = np.nan
    return (
        generator.integers(0, 7, n),
        generator.integers(0, 4, n),
        scores,
        generator.integers(1, 4, n).astype(float),
    )


def counted(chosen=slice(None)):
    return StratumCells.count(*(part[chosen] for part in samples()))


def same(one, other):
    return (one.keys == other.keys).all() and (one.sums == other.sums).all()


@pytest.mark.parametrize("n_parts", [1, 7, 100])
def test_parts_add_up_to_one_pass_in_any_order(n_parts):
    edges = np.linspace(0, 5000, n_parts + 1).astype(int)
    parts = [counted(slice(a, b)) for a, b in itertools.pairwise(edges)]
    assert same(StratumCells.merged(parts), counted())
    assert same(StratumCells.merged(parts[::-1]), counted())


def test_a_running_sum_is_the_merge_of_its_parts(monkeypatch):
    total = CellSum()
    for start in range(0, 5000, 100):
        total.add(counted(slice(start, start + 100)))
    assert same(total.total(), counted())


def test_the_sketch_of_a_stratum_is_that_of_its_samples():
    strata, planes, scores, weights = samples()
    chosen = (strata == 3) & (planes == UNMARKED)
    found = counted().of(3).sketch([UNMARKED], "c")
    wanted = ScoreSketch.count(scores[chosen], weights[chosen], combiner="c")
    assert (found.counts == wanted.counts).all()
    assert (found.weights == wanted.weights).all()
    assert (found.squares == wanted.squares).all()
    assert (found.missing, found.missing_weight) == (wanted.missing, wanted.missing_weight)


def test_all_strata_together_are_one_stratum():
    strata, *rest = samples()
    assert same(counted().together(), StratumCells.count(np.zeros_like(strata), *rest))


def test_renumbered_strata_keep_their_counts_and_may_fall_together():
    numbers = np.array([1, 0, 2, 2, 2, 2, 2])
    strata, *rest = samples()
    assert same(counted().renumbered(numbers), StratumCells.count(numbers[strata], *rest))


def test_grouped_sums_leave_out_what_has_no_group():
    groups = np.where(np.arange(MISSING_PLACE + 1) < 500, 0, 1)
    groups[MISSING_PLACE] = -1
    strata, planes, scores, weights = samples()
    found = counted().grouped(groups, 7, [UNMARKED, COMPOSITE_MARK])
    chosen = np.isin(planes, [UNMARKED, COMPOSITE_MARK]) & ~np.isnan(scores)
    assert found.sum() == weights[chosen].sum()
    assert found[2].sum() == weights[chosen & (strata == 2)].sum()


def test_a_cluster_counts_once_over_its_members():
    sizes = np.array([4.0, 4.0, 4.0, 4.0, 1.0])
    zeros = np.zeros(5, dtype=int)
    found = StratumCells.count(zeros, zeros, np.zeros(5), np.ones(5), sizes)
    assert found.distinct([UNMARKED]).sum() == 2.0
    assert found.sketch([UNMARKED], "").weights.sum() == 5.0


def test_marked_samples_stand_beyond_every_score():
    one = np.zeros(1, dtype=int)
    found = StratumCells.count(one, one + SYNTHETIC_MARK, np.array([np.inf]), np.ones(1))
    assert found.sketch([SYNTHETIC_MARK], "").counts[-1] == 1
