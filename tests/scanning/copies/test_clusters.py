"""Clusters from pairs: all copies of a picture together, no chain of unlike ones."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.scanning.copies.clusters import cluster


def _clusters(n: int, pairs: list[tuple[int, int]]) -> list[set[int]]:
    labels = cluster(n, np.array(pairs, dtype=np.int64).reshape(-1, 2))
    return sorted(
        ({*np.flatnonzero(labels == label).tolist()} for label in np.unique(labels)), key=min
    )


def test_items_without_pairs_stay_alone():
    assert cluster(3, np.empty((0, 2), dtype=np.int64)).tolist() == [0, 1, 2]


def test_pairs_and_triangles_become_clusters_named_by_their_lowest_member():
    labels = cluster(7, np.array([[1, 4], [2, 5], [5, 6], [2, 6]]))
    assert labels.tolist() == [0, 1, 2, 3, 1, 2, 2]


def test_a_star_stays_whole_though_its_rays_are_no_neighbours():
    assert _clusters(5, [(0, 2), (1, 2), (2, 3), (2, 4)]) == [{0, 1, 2, 3, 4}]


def test_a_chain_is_cut_so_that_every_member_is_a_neighbour_of_one():
    chain = [(i, i + 1) for i in range(29)]
    clusters = _clusters(30, chain)
    assert max(map(len, clusters)) == 3
    assert sorted(member for found in clusters for member in found) == list(range(30))


def test_a_bridge_between_two_pictures_moves_only_its_own_ends():
    left = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    right = [(i, j) for i in range(5, 10) for j in range(i + 1, 10)]
    assert _clusters(10, [*left, *right, (4, 5)]) == [{0, 1, 2, 3, 4, 5}, {6, 7, 8, 9}]


@pytest.mark.parametrize("seed", range(20))
def test_a_cluster_has_a_member_that_all_others_are_neighbours_of(seed):
    rng = np.random.default_rng(seed)
    pairs = np.unique(np.sort(rng.integers(0, 60, (70, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    near = {*map(tuple, pairs.tolist())} | {*map(tuple, pairs[:, ::-1].tolist())}
    for found in _clusters(60, pairs.tolist()):
        assert any(all(a == b or (a, b) in near for b in found) for a in found)


def test_the_order_of_the_pairs_does_not_matter():
    rng = np.random.default_rng(1)
    pairs = np.unique(np.sort(rng.integers(0, 200, (300, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    shuffled = rng.permutation(pairs)
    assert cluster(200, pairs).tolist() == cluster(200, shuffled).tolist()
