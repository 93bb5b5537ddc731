"""Sketches: exact counts, mergeable in any order, refusing what does not belong together."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.errors import InputError
from madaudit.estimation import ScoreSketch
from madaudit.estimation.sketch import N_CELLS, bin_edges, effective_ratio

_ODD = [-np.inf, -8.001, -8.0, -1e-12, 0.0, 1e-12, 1 / 64, 7.999, 8.0, np.inf]


def scores(n=5000, seed=0):
    values = np.random.default_rng(seed).normal(0, 4, n)
    values[::50] = np.nan
    return values


def arrays(sketch):
    return [sketch.counts, sketch.weights, sketch.squares, [sketch.missing]]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_cells_are_those_of_a_search_among_the_edges(dtype):
    values = np.concatenate([scores(), _ODD]).astype(dtype)
    sketch = ScoreSketch.count(values)
    known = values[~np.isnan(values)].astype(np.float64)
    places = np.searchsorted(bin_edges(), known, side="right")
    np.testing.assert_array_equal(sketch.counts, np.bincount(places, minlength=N_CELLS))
    assert sketch.missing == np.isnan(values).sum()
    assert sketch.n == len(values)


def test_merging_is_bit_equal_in_any_order_to_one_pass():
    values = scores(9000)
    whole = ScoreSketch.count(values)
    parts = [ScoreSketch.count(part) for part in np.array_split(values, 7)]
    forwards = sum(parts[1:], parts[0])
    backwards = sum(parts[-2::-1], parts[-1])
    for one, two, three in zip(arrays(whole), arrays(forwards), arrays(backwards), strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


def test_an_empty_sketch_changes_nothing():
    sketch = ScoreSketch.count(scores())
    np.testing.assert_array_equal((sketch + ScoreSketch()).counts, sketch.counts)
    assert ScoreSketch().n == 0
    assert ScoreSketch().missing_share == 0.0


def test_sketches_of_another_combiner_are_refused():
    with pytest.raises(InputError, match="combiner 'a' v 'b'"):
        ScoreSketch("a") + ScoreSketch("b")


def test_sketches_of_another_version_are_refused():
    with pytest.raises(InputError, match="version 1 v 2"):
        ScoreSketch() + ScoreSketch(version=2)


def test_weights_count_by_what_they_stand_for():
    sketch = ScoreSketch.count(np.array([0.0, 0.0, 1.0, np.nan]), np.array([1.0, 3.0, 6.0, 10.0]))
    assert sketch.weights.sum() == 10.0
    assert sketch.missing_share == 0.5
    effective = sketch.effective_counts()
    assert effective.sum() == pytest.approx(10.0**2 / (1 + 9 + 36))
    np.testing.assert_allclose(effective / effective.sum(), sketch.weights / 10.0)


def test_equal_weights_are_worth_their_number():
    values = scores(1000)[1:]
    sketch = ScoreSketch.count(values, np.full(len(values), 250.0))
    np.testing.assert_allclose(sketch.effective_counts(), sketch.counts)


@pytest.mark.parametrize(
    ("sizes", "ratio"), [([1, 1, 1], 1.0), ([4, 4], 0.25), ([3, 1], 0.4), ([], 1.0)]
)
def test_clusters_are_worth_what_their_sizes_say(sizes, ratio):
    assert effective_ratio(np.array(sizes)) == pytest.approx(ratio)
