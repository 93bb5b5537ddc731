"""Close pairs of the embeddings that a scan kept in its store.

A kept embedding is of whatever crop the scan's detector looks at; `embeddings/` may also hold
another program's, in clip-retrieval's layout with columns shard and ordinal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from madaudit.encoders.close_pairs import EXACT_UP_TO, close_pairs, close_pairs_by_cells
from madaudit.errors import OptionError, StoreError
from madaudit.limits import MAX_COPY_PAIRS, MAX_EMBEDDING_DIMENSIONS
from madaudit.scanning.store import Store
from madaudit.shards import files
from madaudit.shards.array_files import parse_npy

_ARRAYS, _TABLES = "embeddings/img_emb", "embeddings/metadata"
# Vectors whose neighbours are found both ways, to tell how many the search by cells misses.
_CHECKED = 1000


class EmbeddingPairs(NamedTuple):
    """What was found.

    Attributes:
        pairs: (m, 2) items.
        n_embedded: samples that have an embedding.
        recall: share of pairs found, where the search was not exact; None where it was.
    """

    pairs: npt.NDArray[np.int64]
    n_embedded: int
    recall: float | None


class Embedded(NamedTuple):
    """Some samples' embeddings: shard of all, ordinals int64 (n,), vectors float (n, d)."""

    shard: str
    ordinals: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.floating]


def has_embeddings(store: Store) -> bool:
    """Whether a store keeps embeddings."""
    return bool(_arrays(store))


def embedded(store: Store) -> Iterator[Embedded]:
    """All embeddings of a store, file by file and shard by shard.

    Raises:
        StoreError: a file is damaged.
    """
    for path in _arrays(store):
        yield from _read(store, path)


def embedding_sizes(store: Store) -> list[tuple[str, int]]:
    """Path and bytes of each file of embeddings: what changes when they do."""
    fs, root = files.filesystem(store.url)
    return [(path, int(fs.info(f"{root}/{path}")["size"])) for path in _arrays(store)]


def embedding_pairs(
    store: Store,
    shards: Sequence[tuple[str, int]],
    items: npt.NDArray[np.int64],
    least: float,
) -> EmbeddingPairs:
    """Pairs of items whose embeddings are close; of samples that are one item, the first counts.

    Args:
        store: that keeps embeddings.
        shards: name and number of rows of each, in order.
        items: item of each sample, int64 (n,), in that order.
        least: smallest cosine similarity.

    Raises:
        StoreError: an embedding file is damaged, or of another dimension than the others.
        OptionError: more pairs are this close than can be held.
    """
    parts = list(_by_item(store, shards, items))
    if not parts:
        return EmbeddingPairs(np.empty((0, 2), dtype=np.int64), 0, None)
    if len({vectors.shape[1] for _, vectors in parts}) > 1:
        raise StoreError(
            f"cannot compare the embeddings of store {store.url}: they have different dimensions; "
            f"scan again with --keep-embeddings"
        )
    of = np.concatenate([part[0] for part in parts])
    distinct, first = np.unique(of, return_index=True)
    vectors = np.concatenate([part[1] for part in parts])[first]
    is_there = np.isfinite(vectors).all(axis=1) & (np.abs(vectors).max(axis=1) > 0)
    distinct, vectors = distinct[is_there], vectors[is_there]
    is_exact = len(vectors) <= EXACT_UP_TO
    search = close_pairs if is_exact else close_pairs_by_cells
    pairs, n_pairs = [np.empty((0, 2), dtype=np.int64)], 0
    for found in search(vectors, least):
        n_pairs += len(found.first)
        if n_pairs > MAX_COPY_PAIRS:
            raise OptionError(
                f"--cosine is {least:g}: more than {MAX_COPY_PAIRS} pairs are that similar; give "
                f"a higher one"
            )
        pairs.append(distinct[np.stack([found.first, found.second], axis=1)])
    together = np.concatenate(pairs)
    recall = None if is_exact else _recall(distinct, vectors, together, least)
    return EmbeddingPairs(together, len(of), recall)


def _recall(
    items: npt.NDArray[np.int64],
    vectors: npt.NDArray[np.floating],
    pairs: npt.NDArray[np.int64],
    least: float,
) -> float | None:
    """The share of the true pairs of some vectors that were found; None where they have none."""
    chosen = np.random.default_rng(0).permutation(len(items))[:_CHECKED]
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    n_true = sum(int((units @ units[place] >= least).sum()) - 1 for place in chosen.tolist())
    n_found = int(np.isin(pairs, items[chosen]).sum())
    return None if not n_true else min(n_found / n_true, 1.0)


def _by_item(
    store: Store, shards: Sequence[tuple[str, int]], items: npt.NDArray[np.int64]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.floating]]]:
    """Items and vectors of each file of embeddings."""
    starts = np.cumsum([0, *(n for _, n in shards)]).tolist()
    place_of = {name: place for place, (name, _) in enumerate(shards)}
    for path in _arrays(store):
        for one in _read(store, path):
            place = place_of.get(one.shard)
            if place is None:
                continue  # of a shard that was scanned again and is not finished
            ordinals = _ordinals(store, one.shard)
            row = np.searchsorted(ordinals, one.ordinals)
            is_known = row < len(ordinals)
            is_known[is_known] = ordinals[row[is_known]] == one.ordinals[is_known]
            yield items[starts[place] + row[is_known]], one.vectors[is_known]


def _ordinals(store: Store, shard: str) -> npt.NDArray[np.int64]:
    """Ordinals of a shard's rows, ascending as rows are."""
    parts = [rows.column("ordinal").to_numpy() for rows in store.row_batches(shard, ["ordinal"])]
    return np.concatenate([*parts, np.empty(0, dtype=np.int64)])


def _read(store: Store, path: str) -> Iterator[Embedded]:
    """The embeddings of one array, shard by shard."""
    number = path.rpartition("_")[2].removesuffix(".npy")
    try:
        with files.open_binary(files.join(store.url, path)) as file:
            vectors = parse_npy(file.read())
        table_path = f"{_TABLES}/metadata_{number}.parquet"
        with files.open_binary(files.join(store.url, table_path)) as file:
            table = pq.read_table(file, columns=["shard", "ordinal"])
        if vectors.ndim != 2 or vectors.dtype.kind != "f" or len(vectors) != len(table):
            raise ValueError(f"{vectors.dtype} {vectors.shape} for {len(table)} rows")
        if not 0 < vectors.shape[1] <= MAX_EMBEDDING_DIMENSIONS:
            raise ValueError(f"{vectors.shape[1]} dimensions")
        names = table.column("shard").cast(pa.string()).to_numpy(zero_copy_only=False)
        ordinals = table.column("ordinal").cast(pa.int64()).to_numpy()
    except Exception as error:  # a damaged file raises almost anything
        raise StoreError(
            f"cannot read {path} of store {store.url} and its table: {error}; scan again with "
            f"--keep-embeddings"
        ) from error
    for name in dict.fromkeys(names.tolist()):
        is_own = names == name
        yield Embedded(name, ordinals[is_own], vectors[is_own])


def _arrays(store: Store) -> list[str]:
    """Paths of the arrays of embeddings, relative to the store."""
    fs, root = files.filesystem(store.url)
    found = fs.find(f"{root}/{_ARRAYS}")
    paths = [path.removeprefix(root).lstrip("/") for path in found]
    return sorted(path for path in paths if path.endswith(".npy"))
