"""Inverted lists by faiss: features in cells, of which a search looks at the nearest few.

No index file is written or read: faiss reads its files without checking them (a length in one is
believed), so only centroids and the vectors' cells are kept, as plain arrays.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from madaudit.errors import MissingExtraError

Vectors = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
_SEED = 1234
# faiss advises 39 to 256 training vectors a centroid.
_TRAINING_PER_CELL = 64
_ADDED_AT_ONCE = 65_536


@dataclass(frozen=True, eq=False)
class Inverted:
    """Unit vectors in cells.

    Attributes:
        centroids: float32 (cells, d).
        cells: of each vector, int64 (n,).
        index: faiss's.
    """

    centroids: Vectors
    cells: Indices
    index: Any

    @classmethod
    def train(cls, units: Vectors) -> Inverted:
        """Cells by spherical k-means on a sample, √n of them.

        Args:
            units: float32 (n, d), rows of length 1.
        """
        faiss = _faiss()
        n, d = units.shape
        n_cells = max(int(n**0.5), 1)
        rng = np.random.default_rng(_SEED)
        chosen = np.sort(rng.permutation(n)[: n_cells * _TRAINING_PER_CELL])
        means = faiss.Kmeans(
            d, n_cells, niter=8, seed=_SEED, spherical=True, min_points_per_centroid=1
        )
        means.train(np.ascontiguousarray(units[chosen]))
        centroids = np.asarray(means.centroids, dtype=np.float32)
        return cls.build(units, centroids, _assign(units, centroids))

    @classmethod
    def build(cls, units: Vectors, centroids: Vectors, cells: Indices) -> Inverted:
        """The index of vectors whose cells are known."""
        faiss = _faiss()
        quantizer = faiss.IndexFlatIP(units.shape[1])
        quantizer.add(np.ascontiguousarray(centroids))
        index = faiss.IndexIVFFlat(
            quantizer, units.shape[1], len(centroids), faiss.METRIC_INNER_PRODUCT
        )
        for start in range(0, len(units), _ADDED_AT_ONCE):
            part = np.ascontiguousarray(units[start : start + _ADDED_AT_ONCE])
            own = np.ascontiguousarray(cells[start : start + _ADDED_AT_ONCE])
            index.add_core(len(part), faiss.swig_ptr(part), None, faiss.swig_ptr(own))
        return cls(centroids, cells, index)

    def nearest(self, queries: Vectors, k: int, *, n_probes: int) -> Indices:
        """The k vectors of largest product with each query, int64 (q, k); −1 where fewer are."""
        parameters = _faiss().SearchParametersIVF(nprobe=n_probes)
        _, found = self.index.search(np.ascontiguousarray(queries), k, params=parameters)
        return np.asarray(found, dtype=np.int64)

    def within(self, queries: Vectors, least: float, *, n_probes: int) -> tuple[Indices, Indices]:
        """Query and vector of each pair with a product above `least`."""
        parameters = _faiss().SearchParametersIVF(nprobe=n_probes)
        limits, _, found = self.index.range_search(
            np.ascontiguousarray(queries), least, params=parameters
        )
        counts = np.diff(np.asarray(limits)).astype(np.int64)
        return np.repeat(np.arange(len(queries)), counts), np.asarray(found, dtype=np.int64)


def _faiss() -> Any:
    """The package, imported when first used.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module("faiss")
    except ImportError as error:
        raise MissingExtraError(
            "search a million vectors or more", package="faiss-cpu", extra="index"
        ) from error


def _assign(units: Vectors, centroids: Vectors) -> Indices:
    cells = np.empty(len(units), dtype=np.int64)
    for start in range(0, len(units), _ADDED_AT_ONCE):
        products = units[start : start + _ADDED_AT_ONCE] @ centroids.T
        cells[start : start + _ADDED_AT_ONCE] = products.argmax(axis=1)
    return cells
