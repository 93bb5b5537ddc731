"""Near-duplicate clusters in counts: each one's weight as one, wherever its samples lie."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from madaudit.commands.cluster_rows import write_clusters
from madaudit.commands.combined import Wanted, count_shard, count_store
from madaudit.commands.store_clusters import read_store_clusters
from madaudit.scanning.store import Store
from tests.commands.scored_stores import Rows, write_store


def clustered(folder, clusters, sites, weights):
    """A store of shards with these clusters, sites and weights by row."""
    shards = {}
    for place, (ids, names, w) in enumerate(zip(clusters, sites, weights, strict=True)):
        urls = [f"https://{name}.example/{k}" for k, name in enumerate(names)]
        shards[f"{place:05d}.tar"] = Rows(np.zeros(len(ids)), weights=w, columns={"url": urls})
    store = Store(write_store(folder, shards))
    rows = [(s, np.arange(len(c)), np.array(c)) for s, c in zip(shards, clusters, strict=True)]
    write_clusters(store, rows, {"scan": store.manifest()["fingerprint"]})
    return store


def by_hand(clusters, sites, weights):
    """Σ W² by site and over all, from the definition."""
    within, over = defaultdict(float), defaultdict(float)
    for shard in zip(clusters, sites, weights, strict=True):
        for cluster, site, weight in zip(*shard, strict=True):
            within[site, cluster] += weight
            over[cluster] += weight
    of_sites = defaultdict(float)
    for (site, _), weight in within.items():
        of_sites[f"{site}.example"] += weight**2
    return dict(of_sites), sum(weight**2 for weight in over.values())


@pytest.mark.parametrize("lift", [0, 10**12], ids=["as numbered", "numbers beyond the rows"])
def test_squares_are_those_of_whole_clusters_whatever_shards_and_strata_they_cross(tmp_path, lift):
    generator = np.random.default_rng(5)
    clusters = [generator.integers(0, 120, 60) + lift for _ in range(3)]
    sites = [generator.choice(list("abc"), 60) for _ in range(3)]
    weights = [generator.integers(1, 4, 60).astype(float) for _ in range(3)]
    store = clustered(tmp_path, clusters, sites, weights)
    survey = store.survey()
    wanted = Wanted(by=("domain",), clusters=read_store_clusters(store, survey))
    counted = count_store(store, survey, wanted)
    of_sites, whole = by_hand(clusters, sites, weights)
    assert {
        label[0]: n for label, n in zip(counted.labels, counted.squares, strict=True)
    } == of_sites
    assert counted.whole_squares == whole
    assert not len(counted.pairs)


def test_only_clusters_that_cross_shards_are_kept_until_all_are_counted(tmp_path):
    clusters = [[0, 1, 1, 2, 3], [2, 4, 5, 5, 6]]
    store = clustered(tmp_path, clusters, ["aaaaa"] * 2, [np.ones(5)] * 2)
    survey = store.survey()
    wanted = Wanted(clusters=read_store_clusters(store, survey))
    for marker in survey.markers:
        part = count_shard(store, marker["shard"], survey, wanted)
        assert part.pairs.tolist() == [[0, 2, 1]]
        assert part.squares.tolist() == [6]


def test_clusters_of_a_store_take_eight_bytes_a_row(tmp_path):
    store = clustered(tmp_path, [range(50), range(50, 100)], ["a" * 50] * 2, [np.ones(50)] * 2)
    found = read_store_clusters(store, store.survey())
    assert sum(part.nbytes for part in found.numbers.values()) + found.sizes.nbytes == 8 * 100
