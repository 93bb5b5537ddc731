"""Clusters of embeddings as concepts: k-means by direction, seeded, on a sample of bounded size.

Pure: vectors in, centres and places out. A concept with few samples is a small loop of its own,
so the tail of a data set is told by them where no column names them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

#: Samples for each concept, and concepts at most: so many that each is told with some certainty.
PER_CONCEPT, MOST_CONCEPTS = 200, 1000
#: Samples that centres are fitted to, for each of them; more move them little.
FITTED_PER_CONCEPT = 64
_ROUNDS = 25


def n_concepts(n: int) -> int:
    """How many concepts n samples are divided into."""
    return int(np.clip(n // PER_CONCEPT, 1, MOST_CONCEPTS))


def unit(vectors: npt.NDArray[np.floating]) -> Vectors:
    """Rows scaled to length 1, float32; rows of no length stay."""
    rows = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


def fit_concepts(vectors: Vectors, n: int, generator: np.random.Generator) -> Vectors:
    """Centres of n clusters by spherical k-means, started as k-means++ does.

    Args:
        vectors: (m, d), of length 1 (`unit`), m ≥ 1.
        n: clusters; at most m are made.
        generator: of the first centres.

    Returns:
        (≤ n, d), of length 1: a cluster that loses all its samples is left out.

    Source: Dhillon and Modha 2001 (spherical k-means); Arthur and Vassilvitskii 2007 (the start).
    """
    centers = _first_centers(vectors, min(n, len(vectors)), generator)
    places = nearest(vectors, centers)[0]
    for _ in range(_ROUNDS):
        sums = np.zeros_like(centers)
        np.add.at(sums, places, vectors)
        centers = unit(sums[np.bincount(places, minlength=len(centers)) > 0])
        moved = nearest(vectors, centers)[0]
        if len(centers) == len(sums) and np.array_equal(moved, places):
            break
        places = moved
    return centers


def nearest(vectors: Vectors, centers: Vectors) -> tuple[npt.NDArray[np.intp], Vectors]:
    """The most similar centre of each vector (n,), and the cosine of the angle to it (n,)."""
    similar = vectors @ centers.T
    places = similar.argmax(axis=1)
    return places, similar[np.arange(len(vectors)), places]


def _first_centers(vectors: Vectors, n: int, generator: np.random.Generator) -> Vectors:
    """Vectors far from one another: each drawn with the squared distance from those before."""
    chosen = [int(generator.integers(len(vectors)))]
    distance = np.full(len(vectors), np.inf)
    for _ in range(n - 1):
        distance = np.minimum(distance, np.maximum(2.0 - 2.0 * vectors @ vectors[chosen[-1]], 0.0))
        total = float(distance.sum())
        if total <= 0:
            break
        drawn = np.searchsorted(np.cumsum(distance), generator.random() * total, side="right")
        chosen.append(min(int(drawn), len(vectors) - 1))
    return vectors[chosen]
