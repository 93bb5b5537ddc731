"""All pairs of features above a cosine similarity: exact up to a million, by cells above.

Exact and yet not all dimensions of all pairs: after turning the features to their principal axes,
the similarity of two is at most that of their first coordinates plus the product of the lengths of
the rest (Cauchy and Schwarz), so a short product rules out nearly all pairs and none that counts.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.encoders.base import unit_length

Vectors = npt.NDArray[np.floating]
#: More vectors are searched by cells, which may miss pairs; how many is measured.
EXACT_UP_TO = 1_000_000
_HEAD = 64
_SAMPLE = 20_000
_ROWS, _COLUMNS = 1024, 8192
# Of products of unit vectors in single precision.
_ROUNDING = 1e-5


class ClosePairs(NamedTuple):
    """Pairs of close vectors.

    Attributes:
        first, second: places, int64 (n,), first < second.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]


def close_pairs(vectors: Vectors, least: float) -> Iterator[ClosePairs]:
    """Every pair of a cosine similarity of at least `least`, each once.

    Takes 8,192 · 1,024 comparisons at a time, and one more copy of the vectors.

    Args:
        vectors: float (n, d), not zero.
        least: smallest similarity, above 0, at most 1.
    """
    units = unit_length(np.asarray(vectors, dtype=np.float32))
    bounds = _bounds(units)
    n = len(units)
    for row in range(0, n, _ROWS):
        for column in range(row, n, _COLUMNS):
            products = bounds[row : row + _ROWS] @ bounds[column : column + _COLUMNS].T
            first, second = np.nonzero(products >= least - _ROUNDING)
            first, second = first + row, second + column
            is_upper = first < second
            first, second = first[is_upper], second[is_upper]
            if len(first):
                yield _exactly(units, first, second, least)


def close_pairs_by_cells(
    vectors: Vectors, least: float, *, n_probes: int = 8
) -> Iterator[ClosePairs]:
    """Most pairs of a cosine similarity of at least `least`, each once, by faiss's inverted lists.

    Raises:
        MissingExtraError: faiss is not installed.
    """
    units = unit_length(np.asarray(vectors, dtype=np.float32))
    lists = importlib.import_module("madaudit.encoders.inverted").Inverted.train(units)
    for start in range(0, len(units), _COLUMNS):
        block = units[start : start + _COLUMNS]
        first, second = lists.within(block, least - _ROUNDING, n_probes=n_probes)
        first = first + start
        is_upper = first < second
        yield _exactly(units, first[is_upper], second[is_upper], least)


def _bounds(units: Vectors) -> npt.NDArray[np.float32]:
    """First principal coordinates and the length of the rest, (n, h + 1) or the vectors."""
    n, d = units.shape
    if d <= 2 * _HEAD or n < d:
        return np.asarray(units, dtype=np.float32)
    step = max(n // _SAMPLE, 1)
    some = units[::step].astype(np.float64)
    _, axes = np.linalg.eigh(some.T @ some)
    head = units @ axes[:, -_HEAD:].astype(np.float32)
    squares = np.maximum(1.0 - np.einsum("ij,ij->i", head, head), 0.0)
    return np.hstack([head, np.sqrt(squares)[:, None]])


def _exactly(
    units: Vectors, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], least: float
) -> ClosePairs:
    similarity = np.einsum("ij,ij->i", units[first], units[second])
    is_close = similarity >= least - _ROUNDING
    return ClosePairs(first[is_close], second[is_close])
