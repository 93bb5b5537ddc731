"""Near-duplicate clusters of a store as estimates weigh samples by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from madaudit.commands.cluster_rows import open_clusters
from madaudit.commands.combined import Clusters
from madaudit.errors import StoreError
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StoreClusters:
    """Clusters of all finished shards, numbered below their rows.

    Attributes:
        fingerprint: of the clusters; changes when one does.
        numbers: shard to the cluster of each of its rows (n,).
        sizes: rows by cluster (rows,), 0 where a number is nobody's.
    """

    fingerprint: str
    numbers: Mapping[str, Ints]
    sizes: npt.NDArray[np.int32]

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
    n_rows = sum(marker["n_rows"] for marker in survey.markers)
    numbers: dict[str, Ints] = {}
    names = [marker["shard"] for marker in survey.markers]
    for marker, part in zip(survey.markers, found.of_each(names), strict=True):
        if len(part) != marker["n_rows"]:
            raise StoreError(
                f"cannot use the clusters of store {store.url}: {len(part)} of them for the "
                f"{marker['n_rows']} rows of {marker['shard']!r}; run again: madaudit duplicates "
                f"{store.url}"
            )
        numbers[marker["shard"]] = _narrow(part, n_rows)
    if any(part.dtype == np.int64 for part in numbers.values()):
        numbers = _renumbered(numbers)
    sizes = np.zeros(n_rows, dtype=np.int32)
    for known in numbers.values():
        np.add.at(sizes, known, np.int32(1))
    return StoreClusters(str(found.summary.get("fingerprint", "")), numbers, sizes)


def _narrow(numbers: npt.NDArray[np.int64], stop: int) -> Ints:
    """In half the bytes, where all lie below both `stop` and what those hold."""
    stop = min(stop, np.iinfo(np.int32).max)
    is_small = not len(numbers) or 0 <= numbers.min() <= numbers.max() < stop
    return numbers.astype(np.int32) if is_small else numbers


def _renumbered(numbers: Mapping[str, Ints]) -> dict[str, Ints]:
    """From 0 without gaps: `duplicates` saw shards that are gone, or a stranger wrote them."""
    parts = list(numbers.values())
    _, dense = np.unique(np.concatenate(parts), return_inverse=True)
    edges = np.cumsum([len(part) for part in parts])[:-1]
    return dict(zip(numbers, np.split(dense, edges), strict=True))
