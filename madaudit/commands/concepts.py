"""Concepts of a store: clusters of the embeddings that its scan kept, for `--by cluster`.

`clusters/concepts/<shard>.npz` holds ordinal and cluster of the samples with an embedding,
`clusters/concepts.json`, written last, the clusters' names and what they were made of; where that
is no longer so they are made again. Both are caches: what is wrong with one makes it again.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.commands.kept_embeddings import Embedded, embedded, embedding_sizes
from madaudit.errors import OptionError
from madaudit.estimation.concepts import (
    FITTED_PER_CONCEPT,
    Vectors,
    fit_concepts,
    n_concepts,
    nearest,
    unit,
)
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey

_SUMMARY, _FOLDER = "clusters/concepts.json", "clusters/concepts"
# Raised when clusters are made in another way.
FORMAT = 1
_SEED = 0
#: The stratum of samples without an embedding.
NO_EMBEDDING = "(no embedding)"


@dataclass(frozen=True)
class Concepts:
    """The concepts of a store.

    Attributes:
        store: whose they are.
        names: of each concept.
        fingerprint: changes when a concept does.
    """

    store: Store
    names: tuple[str, ...]
    fingerprint: str

    def labels_of(self, shard: str, ordinals: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
        """The concept's name for each row of a shard, (n,)."""
        known, clusters = _read(self.store, shard) or (np.zeros(0, np.int64),) * 2
        names = np.array([*self.names, NO_EMBEDDING], dtype=object)
        if not len(known):
            return np.full(len(ordinals), NO_EMBEDDING, dtype=object)
        places = np.minimum(np.searchsorted(known, ordinals), len(known) - 1)
        clusters = np.where(known[places] == ordinals, clusters[places], -1)
        labels: npt.NDArray[np.object_] = names[clusters]
        return labels


def concepts_of(store: Store, survey: Survey) -> Concepts:
    """The concepts of a store, made where they are not there or of other embeddings.

    Raises:
        OptionError: the store keeps no embeddings.
        StoreError: an embedding file is damaged.
    """
    digest = _digest(store, survey)
    found = _known(store, survey, digest)
    return found if found else _make(store, survey, digest)


def _digest(store: Store, survey: Survey) -> str:
    """Of what concepts are made of: the embeddings' files and the shards that are finished.

    Raises:
        OptionError: there are no embeddings.
    """
    sizes = embedding_sizes(store)
    if not sizes:
        raise OptionError(
            f"cannot group by 'cluster': store {store.url} keeps no embeddings; scan with "
            f"--keep-embeddings"
        )
    markers = sorted(json.dumps(marker, sort_keys=True) for marker in survey.markers)
    return hashlib.sha256(json.dumps([FORMAT, _SEED, sizes, markers]).encode()).hexdigest()


def _known(store: Store, survey: Survey, digest: str) -> Concepts | None:
    content = store.read_json(_SUMMARY)
    if not isinstance(content, dict) or content.get("of") != digest:
        return None
    names = content.get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    for marker in survey.markers:
        found = _read(store, marker["shard"])
        if found is None or (len(found[1]) and int(found[1].max()) >= len(names)):
            return None
    return Concepts(store, tuple(names), digest)


def _read(store: Store, shard: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
    """Ordinals, ascending, and clusters of a shard; None where they are not there or damaged."""
    data = store.read_file(f"{_FOLDER}/{shard}.npz")
    if data is None:
        return None
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as content:
            ordinals, clusters = content["ordinals"], content["clusters"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    is_whole = ordinals.ndim == 1 and ordinals.shape == clusters.shape
    if not is_whole or ordinals.dtype != np.int64 or clusters.dtype != np.int64:
        return None
    if len(clusters) and (int(clusters.min()) < 0 or (np.diff(ordinals) <= 0).any()):
        return None
    return ordinals, clusters


class _Best(NamedTuple):
    """The sample nearest to a concept's centre."""

    cosine: float
    shard: str
    ordinal: int


def _make(store: Store, survey: Survey, digest: str) -> Concepts:
    finished = {marker["shard"] for marker in survey.markers}
    generator = np.random.default_rng(_SEED)
    sample, n = _sample(store, finished, generator)
    centers = fit_concepts(sample, n_concepts(n), generator)
    best: dict[int, _Best] = {}
    placed: dict[str, list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]] = {}
    for part in embedded(store):
        if part.shard not in finished:
            continue
        ordinals, vectors = _usable(part)
        clusters, cosines = nearest(vectors, _fitting(centers, vectors))
        placed.setdefault(part.shard, []).append((ordinals, clusters.astype(np.int64)))
        for place in _first_of_each(clusters, cosines):
            one = _Best(float(cosines[place]), part.shard, int(ordinals[place]))
            number = int(clusters[place])
            best[number] = max(best.get(number, one), one, key=lambda each: each.cosine)
    for shard in sorted(finished):
        _write(store, shard, placed.get(shard, []))
    names = [_name(number, best.get(number)) for number in range(len(centers))]
    content: dict[str, Any] = {"of": digest, "names": names, "seed": _SEED, "n_samples": n}
    with store.create(_SUMMARY) as file:
        file.write(json.dumps(content, ensure_ascii=False).encode())
    return Concepts(store, tuple(names), digest)


def _name(number: int, best: _Best | None) -> str:
    """A number, and a sample that stands for it, since nobody has named the concept."""
    return f"{number}" if best is None else f"{number} (like {best.shard} {best.ordinal})"


def _first_of_each(clusters: npt.NDArray[np.intp], cosines: Vectors) -> npt.NDArray[np.intp]:
    """The row of the largest cosine in each cluster."""
    order = np.lexsort((-cosines, clusters))
    _, first = np.unique(clusters[order], return_index=True)
    return np.asarray(order[first], dtype=np.intp)


def _usable(part: Embedded) -> tuple[npt.NDArray[np.int64], Vectors]:
    """Ordinals and unit vectors; what is no number is no position."""
    is_finite = np.isfinite(part.vectors).all(axis=1)
    return np.asarray(part.ordinals[is_finite], np.int64), unit(part.vectors[is_finite])


def _fitting(centers: Vectors, vectors: Vectors) -> Vectors:
    if centers.shape[1] != vectors.shape[1]:
        raise OptionError(
            f"cannot group by 'cluster': embeddings have {centers.shape[1]} and "
            f"{vectors.shape[1]} dimensions; scan again with --keep-embeddings"
        )
    return centers


def _sample(
    store: Store, finished: set[str], generator: np.random.Generator
) -> tuple[Vectors, int]:
    """A random sample of the vectors, as many as their centres need, and how many there are."""
    rows: list[Vectors] = []
    keys: list[npt.NDArray[np.float64]] = []
    n = 0
    for part in embedded(store):
        if part.shard not in finished:
            continue
        _, vectors = _usable(part)
        if rows:
            _fitting(rows[0], vectors)
        n += len(vectors)
        rows.append(vectors)
        keys.append(generator.random(len(vectors)))
        wanted = FITTED_PER_CONCEPT * n_concepts(n)
        if sum(map(len, keys)) > 2 * wanted:
            rows, keys = _thinned(rows, keys, wanted)
    if not n:
        raise OptionError(
            f"cannot group by 'cluster': no finished shard of store {store.url} has an embedding; "
            f"scan with --keep-embeddings"
        )
    return _thinned(rows, keys, max(FITTED_PER_CONCEPT * n_concepts(n), 2))[0][0], n


def _thinned(
    rows: list[Vectors], keys: list[npt.NDArray[np.float64]], most: int
) -> tuple[list[Vectors], list[npt.NDArray[np.float64]]]:
    vectors, drawn = np.concatenate(rows), np.concatenate(keys)
    kept = np.argsort(drawn, kind="stable")[:most]
    return [vectors[kept]], [drawn[kept]]


def _write(
    store: Store,
    shard: str,
    parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]],
) -> None:
    """Rows of a shard by ordinal; of one that is embedded twice, the first counts."""
    none = np.zeros(0, np.int64)
    ordinals = np.concatenate([none, *(part[0] for part in parts)])
    clusters = np.concatenate([none, *(part[1] for part in parts)])
    ordinals, first = np.unique(ordinals, return_index=True)
    with store.create(f"{_FOLDER}/{shard}.npz") as file:
        np.savez(file, ordinals=ordinals, clusters=clusters[first])
