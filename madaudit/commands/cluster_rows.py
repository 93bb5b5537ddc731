"""Clusters of copies in a store: written by `duplicates`, read by whoever weighs samples by them.

`clusters/duplicates.parquet` holds shard, ordinal and cluster of every row, a row group a shard,
in the manifest's order; `clusters/clusters.json`, written last, says how they were found and of
which scan. Clusters of another scan than the store's are refused, never used in part.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from madaudit.errors import StoreError
from madaudit.scanning.store import Store
from madaudit.shards import files

ROWS_PATH = "clusters/duplicates.parquet"
SUMMARY_PATH = "clusters/clusters.json"
# Raised when the meaning of a file changes.
FORMAT = 1
_SCHEMA = pa.schema(
    [
        ("shard", pa.dictionary(pa.int32(), pa.string())),
        ("ordinal", pa.int64()),
        ("cluster", pa.int64()),
    ]
)

Clusters = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClusterRows:
    """The clusters of a store.

    Attributes:
        store: whose they are.
        summary: content of clusters.json.
    """

    store: Store
    summary: dict[str, Any]

    def of(self, shard: str) -> Clusters:
        """The cluster of each row of a shard, in the rows' order, int64 (n,).

        Raises:
            StoreError: the shard was not among those that were clustered, or the file is damaged.
        """
        (found,) = self.of_each([shard])
        return found

    def of_each(self, shards: Sequence[str]) -> Iterator[Clusters]:
        """The clusters of several shards, one after another, from a file that is opened once.

        Raises:
            StoreError: as `of` does.
        """
        lengths: dict[str, int] = self.summary["shards"]
        for shard in shards:
            if shard not in lengths:
                raise _stale(self.store, f"shard {shard!r} was scanned after them")
        places = {name: k for k, name in enumerate(name for name, n in lengths.items() if n)}
        if not any(lengths[shard] for shard in shards):
            yield from (np.empty(0, dtype=np.int64) for _ in shards)
            return
        with _parquet(self.store) as file:
            if file.num_row_groups != len(places):
                raise ValueError(f"{file.num_row_groups} row groups for {len(places)} shards")
            for shard in shards:
                yield _read(file, shard, lengths[shard], places)


def _read(file: pq.ParquetFile, shard: str, n_rows: int, places: Mapping[str, int]) -> Clusters:
    """The clusters of one shard.

    Raises:
        ValueError: the file does not fit the summary.
    """
    if not n_rows:
        return np.empty(0, dtype=np.int64)
    rows = file.read_row_group(places[shard])
    if rows.schema.names != _SCHEMA.names or len(rows) != n_rows:
        raise ValueError(f"columns {rows.schema.names}, {len(rows)} rows of {shard!r}")
    if rows.column("shard")[0].as_py() != shard:
        raise ValueError(f"the rows of {shard!r} are another shard's")
    return np.asarray(rows.column("cluster").to_numpy(), dtype=np.int64)


def open_clusters(store: Store) -> ClusterRows | None:
    """The clusters of a store, None where nobody has looked for any.

    Raises:
        StoreError: they are damaged, or of another scan.
    """
    content = store.read_json(SUMMARY_PATH)
    if content is None:
        return None
    if not _is_summary(content):
        raise StoreError(
            f"cannot use {SUMMARY_PATH} of store {store.url}: it is no summary of clusters of "
            f"format {FORMAT}; run again: madaudit duplicates {store.url}"
        )
    if content["scan"] != store.manifest()["fingerprint"]:
        raise _stale(store, "they are of a scan with other options")
    return ClusterRows(store, content)


def clusters_of(store: Store, shard: str) -> Clusters | None:
    """The cluster of each row of a shard, int64 (n,); None where nobody has looked for any.

    For many shards, open them once with `open_clusters`.

    Raises:
        StoreError: the clusters are damaged, or older than the shard.
    """
    clusters = open_clusters(store)
    return None if clusters is None else clusters.of(shard)


def write_clusters(
    store: Store,
    shards: Iterable[tuple[str, npt.NDArray[np.int64], Clusters]],
    summary: dict[str, Any],
) -> dict[str, Any]:
    """Write the clusters of all shards, the summary last.

    Args:
        store: whose they are.
        shards: name, ordinals and clusters of each, in order.
        summary: what clusters.json says besides the shards' lengths and the fingerprint.

    Returns:
        What clusters.json holds.

    Raises:
        StoreError: the store cannot be written.
    """
    store.remove(SUMMARY_PATH)
    lengths: dict[str, int] = {}
    with (
        store.create(ROWS_PATH) as file,
        pq.ParquetWriter(
            file, _SCHEMA, compression="zstd", use_dictionary=["shard"], write_page_checksum=True
        ) as writer,
    ):
        for shard, ordinals, clusters in shards:
            lengths[shard] = len(ordinals)
            if len(ordinals):
                names = pa.DictionaryArray.from_arrays(
                    np.zeros(len(ordinals), dtype=np.int32), [shard]
                )
                table = pa.Table.from_arrays(
                    [names, pa.array(ordinals), pa.array(clusters)], schema=_SCHEMA
                )
                writer.write_table(table, row_group_size=len(table))
    content = {"format": FORMAT, **summary, "shards": lengths}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["fingerprint"] = hashlib.sha256(text.encode()).hexdigest()
    store.write_json(SUMMARY_PATH, content)
    return content


def _is_summary(content: Any) -> bool:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return False
    shards = content.get("shards")
    if not isinstance(shards, dict) or not isinstance(content.get("scan"), str):
        return False
    return all(type(n) is int and n >= 0 for n in shards.values())


def _stale(store: Store, why: str) -> StoreError:
    return StoreError(
        f"cannot use the clusters of store {store.url}: {why}; run again: "
        f"madaudit duplicates {store.url}"
    )


@contextmanager
def _parquet(store: Store) -> Iterator[pq.ParquetFile]:
    try:
        with files.open_binary(files.join(store.url, ROWS_PATH)) as file:
            yield pq.ParquetFile(file, page_checksum_verification=True)
    except Exception as error:  # a damaged footer raises almost anything
        raise StoreError(
            f"cannot read {ROWS_PATH} of store {store.url}: {error}; run again: "
            f"madaudit duplicates {store.url}"
        ) from error
