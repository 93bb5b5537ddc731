"""Banks of known images: features of real and of synthetic ones, and which are nearest to another.

A folder of plain arrays and tables, `bank.json` last:

    bank.json                       feature space, sources, SHA-256 of every other file
    real.npy, synthetic.npy         float32 (n, d), rows of length 1
    real.parquet, synthetic.parquet source, shard, ordinal and key of each row
    *_centroids.npy, *_cells.npy    inverted lists, for a million rows or more

Invariants: features are compared only within the bank's own space; no index file is read, since
faiss believes what such a file says; an image's neighbours do not depend on what is searched
beside it.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from madaudit.encoders.base import unit_length
from madaudit.encoders.crops import CropRule
from madaudit.errors import RequestError
from madaudit.limits import MAX_BANK_JSON_BYTES, MAX_EMBEDDING_DIMENSIONS

Vectors = npt.NDArray[np.float32]
Side = Literal["real", "synthetic"]
SIDES: tuple[Side, ...] = ("real", "synthetic")
# Raised when the meaning of a file changes.
FORMAT = 1
#: A side with fewer vectors is searched whole, one with more by inverted lists.
EXACT_BELOW = 1_000_000
#: Columns of the tables.
ITEMS = pa.schema(
    [
        ("source", pa.dictionary(pa.int32(), pa.string())),
        ("shard", pa.string()),
        ("ordinal", pa.int64()),
        ("key", pa.string()),
    ]
)
_ROWS_AT_ONCE = 65_536
# Neighbours looked up beyond those asked for. The products of a batch are rounded differently from
# those of one query; computed again exactly, the nearest of these are the same for both.
_SPARE = 8


class Nearest(NamedTuple):
    """The nearest items of a side, nearest first.

    Attributes:
        similarity: cosine, float64 (q, k).
        place: rows of the side, int64 (q, k).
    """

    similarity: npt.NDArray[np.float64]
    place: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class KnownSet:
    """One side of a bank.

    Attributes:
        vectors: float32 (n, d), rows of length 1; mapped where they come from a file.
        items: what they are of, columns as in `ITEMS`.
        lists: inverted lists, None where the side is searched whole.
        n_probes: cells that are looked at.
    """

    vectors: Vectors
    items: pa.Table
    lists: Any = None
    n_probes: int = 0

    def __len__(self) -> int:
        return len(self.vectors)

    def nearest(self, queries: Vectors, k: int) -> Nearest:
        """The k nearest items to each query.

        Args:
            queries: float (q, d), not zero.
            k: at most the side's length.
        """
        units = unit_length(np.asarray(queries, dtype=np.float32)).astype(np.float32)
        n_wanted = min(k + _SPARE, len(self))
        if self.lists is None:
            rough = _nearest_of_all(units, self.vectors, n_wanted)
        else:
            # One by one: a batch would round the distances to the cells differently.
            rough = np.concatenate(
                [self.lists.nearest(one[None], n_wanted, n_probes=self.n_probes) for one in units]
                or [np.empty((0, n_wanted), dtype=np.int64)]
            )
        return _exactly(units, self.vectors, rough, k)

    def name(self, place: int) -> str:
        """What an item is, for a person: source, shard and key."""
        item = self.items.slice(place, 1).to_pylist()[0]
        return f"{item['source']}: {item['shard']} {item['key']}"


@dataclass(frozen=True, eq=False)
class Bank:
    """Known images of both kinds.

    Attributes:
        about: content of bank.json.
        digest: SHA-256 of bank.json, and so of the whole bank.
        real, synthetic: the two sides.
    """

    about: Mapping[str, Any]
    digest: str
    real: KnownSet
    synthetic: KnownSet

    @property
    def space(self) -> str:
        """Key of the feature space."""
        return str(self.about["space"])

    @property
    def crops(self) -> CropRule:
        return CropRule.from_dict(self.about["crops"])

    def log_ratio(self, queries: Vectors, k: int) -> npt.NDArray[np.float64]:
        """The log ratio ln f₁/f₀ of synthetic and real densities at each query, (q,).

        The density at a point is estimated from the distance ρ_j to its j-th neighbour among n as
        j / (n c ρ_j^m) in m dimensions, so that ln f₁/f₀ = ln n₀/n₁ + m ln(ρ_j,0/ρ_j,1): j, c and
        their bias cancel. The mean over j = 1…k varies less than any one of them. m is not the
        features' number but their intrinsic dimension, as measured when the bank was built.

        Sources: Loftsgaarden and Quesenberry 1965, Ann. Math. Statist. 36(3) (density); Wang,
        Kulkarni and Verdú 2009, IEEE Trans. Inf. Theory 55(5), §II (ratio); nearest neighbours in
        CLIP's space for generated images: Ojha, Li and Lee 2023, arXiv:2302.10174, §4.

        Args:
            queries: float (q, d), not zero.
            k: neighbours on each side; fewer where a side has fewer.
        """
        k = min(k, len(self.real), len(self.synthetic))
        logs = [
            np.log(chord(side.nearest(queries, k).similarity)).mean(axis=1)
            for side in (self.real, self.synthetic)
        ]
        balance = np.log(len(self.real) / len(self.synthetic))
        ratio: npt.NDArray[np.float64] = self.about["dimension"] * (logs[0] - logs[1]) + balance
        return ratio


def chord(similarity: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Euclidean distance of unit vectors from their cosine.

    At least .001, above the rounding of single precision: a known image itself is at 0, whose
    logarithm is none.
    """
    return np.asarray(np.maximum(np.sqrt(np.maximum(2.0 - 2.0 * similarity, 0.0)), 0.001))


def read_bank(folder: str) -> Bank:
    """A bank; its vectors are mapped, and read again only once it has changed.

    Raises:
        RequestError: no bank, a damaged one, or one of another version.
    """
    path = Path(folder) / "bank.json"
    try:
        status = path.stat()
    except OSError as error:
        raise RequestError(
            f"no bank at {folder!r}: bank.json is missing; build one with: madaudit bank build "
            f"-o {folder} --synthetic INPUT --real INPUT"
        ) from error
    if status.st_size > MAX_BANK_JSON_BYTES:
        raise _unusable(folder, f"bank.json has {status.st_size} bytes")
    return _read(str(folder), status.st_mtime_ns, status.st_size)


@cache
def _read(folder: str, _mtime_ns: int, _size_bytes: int) -> Bank:
    root = Path(folder)
    try:
        text = (root / "bank.json").read_bytes()
        about = json.loads(text)
        _require_description(about)
        real, synthetic = (_read_side(root, side, about) for side in SIDES)
    except RequestError:
        raise
    except Exception as error:  # a stranger's file raises almost anything
        raise _unusable(folder, f"{type(error).__name__}: {str(error)[:200]}") from error
    return Bank(about, hashlib.sha256(text).hexdigest(), real, synthetic)


def _require_description(about: Any) -> None:
    """Refuse what is no description of a bank; the values are checked where they are used."""
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ValueError(f"bank.json is not of format {FORMAT}")
    kinds = {"space": str, "encoder": dict, "crops": dict, "sources": list, "dimension": float}
    for name, kind in {**kinds, "real": dict, "synthetic": dict}.items():
        if not isinstance(about.get(name), kind):
            raise ValueError(f"bank.json has no {name}")
    if not 0.0 < about["dimension"] <= MAX_EMBEDDING_DIMENSIONS:
        raise ValueError(f"the intrinsic dimension is {about['dimension']}")
    CropRule.from_dict(about["crops"])


def _read_side(root: Path, side: Side, about: Mapping[str, Any]) -> KnownSet:
    own = about[side]
    for name, digest in own["files"].items():
        if name not in file_names(side):
            raise ValueError(f"{name!r} is no file of a bank")
        with open(root / name, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise ValueError(f"{name} has another digest than bank.json says")
    vectors = np.load(root / f"{side}.npy", mmap_mode="r", allow_pickle=False)
    shape = (own["n"], about["encoder"]["dimension"])
    if vectors.dtype != np.float32 or vectors.shape != shape or not own["n"]:
        raise ValueError(
            f"{side}.npy is {vectors.dtype} {vectors.shape}; allowed: float32 {shape}"
        )
    items = pq.read_table(root / f"{side}.parquet", page_checksum_verification=True)
    if items.schema.names != ITEMS.names or len(items) != len(vectors):
        raise ValueError(f"{side}.parquet has columns {items.schema.names}, {len(items)} rows")
    if len(vectors) < EXACT_BELOW:
        return KnownSet(vectors, items)
    return KnownSet(vectors, items, _lists(root, side, vectors), int(own["n_probes"]))


def _lists(root: Path, side: Side, vectors: Vectors) -> Any:
    centroids = np.load(root / f"{side}_centroids.npy", allow_pickle=False)
    cells = np.load(root / f"{side}_cells.npy", allow_pickle=False)
    if centroids.dtype != np.float32 or centroids.shape[1:] != vectors.shape[1:]:
        raise ValueError(f"{side}_centroids.npy is {centroids.dtype} {centroids.shape}")
    # faiss writes to the cell it is told without a look at how many there are.
    if cells.shape != (len(vectors),) or cells.dtype.kind != "i":
        raise ValueError(f"{side}_cells.npy is {cells.dtype} {cells.shape}")
    if cells.min() < 0 or cells.max() >= len(centroids):
        raise ValueError(f"{side}_cells.npy names cells beyond the {len(centroids)} there are")
    inverted = importlib.import_module("madaudit.encoders.inverted").Inverted
    return inverted.build(vectors, centroids, cells.astype(np.int64))


def file_names(side: Side) -> tuple[str, ...]:
    """Files that a side may have."""
    return (f"{side}.npy", f"{side}.parquet", f"{side}_centroids.npy", f"{side}_cells.npy")


def _unusable(folder: str, why: str) -> RequestError:
    return RequestError(f"cannot use the bank {folder!r}: {why}; build it again")


def _nearest_of_all(units: Vectors, vectors: Vectors, n: int) -> npt.NDArray[np.int64]:
    """The n rows of largest product with each query, in no order."""
    best = np.empty((len(units), 0), dtype=np.float32)
    place = np.empty((len(units), 0), dtype=np.int64)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        products = units @ vectors[start : start + _ROWS_AT_ONCE].T
        rows = np.broadcast_to(np.arange(start, start + products.shape[1]), products.shape)
        best, place = np.hstack([best, products]), np.hstack([place, rows])
        if best.shape[1] > n:
            keep = np.argpartition(-best, n - 1, axis=1)[:, :n]
            best = np.take_along_axis(best, keep, axis=1)
            place = np.take_along_axis(place, keep, axis=1)
    return place


def _exactly(units: Vectors, vectors: Vectors, rough: npt.NDArray[np.int64], k: int) -> Nearest:
    """The k nearest of some candidates (−1: none), in double precision."""
    similarity = np.empty((len(units), k), dtype=np.float64)
    place = np.empty((len(units), k), dtype=np.int64)
    for row, (unit, candidates) in enumerate(zip(units, rough, strict=True)):
        known = np.unique(candidates[candidates >= 0])
        products = (vectors[known].astype(np.float64) * unit.astype(np.float64)).sum(axis=1)
        order = np.lexsort((known, -products))[:k]
        # Inverted lists may hold fewer than k; the last one then stands for the rest.
        order = np.concatenate([order, np.repeat(order[-1:], k - len(order))])
        similarity[row], place[row] = products[order], known[order]
    return Nearest(np.minimum(similarity, 1.0), place)
