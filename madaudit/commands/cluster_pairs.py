"""Weights of near-duplicate clusters by stratum, and which of them are complete.

Sums come as an array with a row per pair of a stratum and a cluster.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.integer[Any]]


def closed(
    strata: Ints,
    clusters: Numbers,
    weights: Floats,
    sizes: Floats,
    n_strata: int,
) -> tuple[Floats, Floats]:
    """Σ W² by stratum of clusters that lie in one shard and stratum; the others' pairs.

    Most samples have no copy and most copies lie near; what spans shards is all that has to be
    kept until every shard is counted.
    """
    sums = np.stack([weights, np.ones_like(weights), sizes], axis=1)
    pairs = paired(strata, clusters, sums)
    rows, size = pairs[:, 3], pairs[:, 4] / pairs[:, 3]
    is_whole = rows == size
    return squares_of(pairs[is_whole], n_strata), pairs[~is_whole, :3]


def squares_of(pairs: Floats, n_strata: int) -> Floats:
    """Σ W² by stratum of pairs that occur once each."""
    strata = pairs[:, 0].astype(np.int64)
    return np.bincount(strata, pairs[:, 2] ** 2, n_strata).astype(np.float64)


def paired(strata: Ints, clusters: Numbers, weights: Floats) -> Floats:
    """Sums by (stratum, cluster), a row each: stratum, cluster, Σ of each column of weights."""
    order = np.lexsort((clusters, strata))
    strata, clusters, weights = strata[order], clusters[order], weights[order]
    is_new = np.r_[True, (np.diff(strata) != 0) | (np.diff(clusters) != 0)]
    starts = np.flatnonzero(is_new)
    sums = np.add.reduceat(weights, starts, axis=0)
    return np.column_stack([strata[starts], clusters[starts], sums])
