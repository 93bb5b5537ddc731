"""Near-duplicate clusters of a store as estimates weigh samples by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madaudit.commands.cluster_rows import open_clusters
from madaudit.commands.combined import Clusters
from madaudit.errors import StoreError
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StoreClusters:
    """Clusters of all finished shards, numbered from 0 without gaps.

    Attributes:
        fingerprint: of the clusters; changes when one does.
        numbers: shard to the cluster of each of its rows (n,).
        sizes: rows by cluster (clusters,).
    """

    fingerprint: str
    numbers: Mapping[str, Ints]
    sizes: Floats

    def numbers_of(self, shard: str) -> Ints:
        return self.numbers[shard]

    def sizes_of(self, shard: str) -> Floats:
        return np.asarray(self.sizes[self.numbers[shard]], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class OwnClusters:
    """Clusters of a few shards, by themselves small enough for another process.

    Attributes:
        fingerprint: of all clusters.
        numbers: shard to the cluster of each of its rows (n,).
        sizes: shard to the rows in the cluster of each of its rows (n,).
    """

    fingerprint: str
    numbers: Mapping[str, Ints]
    sizes: Mapping[str, Floats]

    @classmethod
    def of(cls, clusters: Clusters, shards: Iterable[str]) -> OwnClusters:
        """Those of some shards."""
        names = list(shards)
        numbers = {name: clusters.numbers_of(name) for name in names}
        sizes = {name: clusters.sizes_of(name) for name in names}
        return cls(clusters.fingerprint, numbers, sizes)

    def numbers_of(self, shard: str) -> Ints:
        return self.numbers[shard]

    def sizes_of(self, shard: str) -> Floats:
        return self.sizes[shard]


def read_store_clusters(store: Store, survey: Survey) -> StoreClusters | None:
    """The clusters that `duplicates` wrote; None where nobody has looked for any.

    Takes 8 bytes a row.

    Raises:
        StoreError: they are damaged, or of another scan.
    """
    found = open_clusters(store)
    if found is None:
        return None
    names = [marker["shard"] for marker in survey.markers]
    parts = [found.of(name) for name in names]
    for marker, part in zip(survey.markers, parts, strict=True):
        if len(part) != marker["n_rows"]:
            raise StoreError(
                f"cannot use the clusters of store {store.url}: {len(part)} of them for the "
                f"{marker['n_rows']} rows of {marker['shard']!r}; run again: madaudit duplicates "
                f"{store.url}"
            )
    _, numbers, sizes = np.unique(np.concatenate(parts), return_inverse=True, return_counts=True)
    edges = np.cumsum([len(part) for part in parts])[:-1]
    by_shard = dict(zip(names, np.split(numbers.astype(np.int64), edges), strict=True))
    return StoreClusters(
        str(found.summary.get("fingerprint", "")), by_shard, sizes.astype(np.float64)
    )
