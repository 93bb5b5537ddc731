"""Clusters of copies from pairs, without chains.

Connected components alone chain: a photo, its crop, the crop's crop and so on end as one cluster
whose ends have nothing in common, and a few pictures without structure join everything. So each
component is cut into stars: the member with most neighbours becomes the middle of a cluster with
all its free neighbours, then the next free one, until none is left. Every member of a cluster is
then a neighbour of its middle, and two members are at most twice the radius apart. A component
that is one star already, as most are, stays whole.

Source: Aslam, Pelekhov and Rus 2004, "The star clustering algorithm for static and dynamic
information organization", JGAA 8(1), §3 (there offline, by degree, with overlaps; here a member
belongs to the first star that claims it).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

Indices = npt.NDArray[np.int64]
Pairs = npt.NDArray[np.integer]


def cluster(n: int, pairs: Pairs) -> Indices:
    """The cluster of each item: the lowest item of the cluster, int64 (n,).

    Args:
        n: number of items.
        pairs: (m, 2) items that are close, each pair once.
    """
    labels = np.arange(n, dtype=np.int64)
    if not len(pairs):
        return labels
    # Most items have no neighbour, so the graph holds only those that do.
    linked, ends = np.unique(pairs, return_inverse=True)
    ends = ends.reshape(pairs.shape)
    labels[linked] = linked[_lowest(_stars(len(linked), ends))]
    return labels


def _stars(n: int, ends: Indices) -> Indices:
    """The middle of each node's star, where every node has a neighbour."""
    ones = np.ones(len(ends), dtype=np.int8)
    graph = sparse.coo_array((ones, (ends[:, 0], ends[:, 1])), shape=(n, n)).tocsr()
    n_components, component = csgraph.connected_components(graph, directed=False)
    degree = np.bincount(ends.ravel(), minlength=n)
    size = np.bincount(component, minlength=n_components)
    # The node of highest degree of each component, the lowest of them where several have it.
    order = np.lexsort((np.arange(n), -degree, component))
    middle_of = order[np.concatenate([[0], np.cumsum(size)[:-1]])]
    middle = middle_of[component]
    is_star = degree[middle_of] == size - 1
    chained = np.flatnonzero(~is_star[component])
    if len(chained):
        _cut(chained, graph + graph.T, degree, middle)
    return np.asarray(middle, dtype=np.int64)


def _cut(chained: Indices, graph: sparse.csr_array, degree: Indices, middle: Indices) -> None:
    """Give the nodes of components that are no stars the middles of stars, in place."""
    starts, neighbours = graph.indptr, graph.indices
    middle[chained] = -1
    for node in chained[np.lexsort((chained, -degree[chained]))].tolist():
        if middle[node] >= 0:
            continue
        middle[node] = node
        around = neighbours[starts[node] : starts[node + 1]]
        middle[around[middle[around] < 0]] = node


def _lowest(middle: Indices) -> Indices:
    """The lowest member of each node's star."""
    lowest = np.full(len(middle), len(middle), dtype=np.int64)
    np.minimum.at(lowest, middle, np.arange(len(middle)))
    return lowest[middle]
