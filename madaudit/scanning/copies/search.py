"""Clusters of all samples of a data set, from their hashes and from pairs of close features."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from madaudit.limits import MAX_COPY_PAIRS
from madaudit.scanning.copies.clusters import cluster
from madaudit.scanning.copies.hash_pairs import Hashes, Indices, pairs_within
from madaudit.scanning.copies.radius import choose_radius, measure_strangers

_SEED = 0


@dataclass(frozen=True, eq=False)
class Groups:
    """Samples that have one hash, as one item.

    Attributes:
        hashes: the different hashes, uint64 (g,).
        of: item of each sample, int64 (n,): the hash's place, or beyond g one of its own.
        n: number of items.
    """

    hashes: Hashes
    of: Indices
    n: int


@dataclass(eq=False)
class HashPairs:
    """Close pairs of hashes, and within what.

    Attributes:
        pairs: (m, 2) places of hashes, int32 or int64.
        radius: largest number of differing bits.
        strangers: pairs within it that chance alone would bring, as measured on the data; None
            where it is too rare to tell.
        flags: what a reader must know of the search.
    """

    pairs: npt.NDArray[np.integer]
    radius: int
    strangers: float | None
    flags: list[str] = field(default_factory=list)


def group(hashes: Hashes, has_hash: npt.NDArray[np.bool_]) -> Groups:
    """One item for each different hash, and one for each sample without.

    Args:
        hashes: uint64 (n,), of any value where there is none.
        has_hash: bool (n,).
    """
    distinct, place = np.unique(hashes[has_hash], return_inverse=True)
    of = np.empty(len(hashes), dtype=np.int64)
    of[has_hash] = place
    n_without = len(hashes) - len(place)
    of[~has_hash] = len(distinct) + np.arange(n_without)
    return Groups(distinct, of, len(distinct) + n_without)


def find_hash_pairs(hashes: Hashes, radius: int | None, *, mirrored: bool = True) -> HashPairs:
    """Close pairs within a radius, the one that the hashes themselves allow unless it is given.

    Where more pairs are within it than fit in memory, the radius is lowered until they do; at 0
    only equal hashes and exactly mirrored ones are left.

    Args:
        hashes: uint64 (n,), all different.
        radius: largest number of differing bits; None to choose it.
        mirrored: also pairs that are close once one of the two is mirrored.
    """
    strangers = measure_strangers(hashes, np.random.default_rng(_SEED), mirrored=mirrored)
    flags: list[str] = []
    within = choose_radius(len(hashes), strangers) if radius is None else radius
    pairs = _collect(hashes, within, mirrored=mirrored)
    while pairs is None:
        flags.append(f"more than {MAX_COPY_PAIRS} pairs within {within} bits: radius lowered")
        within -= 1
        pairs = _collect(hashes, within, mirrored=mirrored)
    n_pairs = len(hashes) * (len(hashes) - 1) / 2
    expected = None if strangers is None else n_pairs * strangers.share_within(within)
    return HashPairs(pairs, within, expected, flags)


def label(groups: Groups, pairs: Iterable[npt.NDArray[np.integer]]) -> Indices:
    """The cluster of each sample, numbered from 0 in the order of their first samples.

    Args:
        groups: the samples' items.
        pairs: (m, 2) items that are close; a pair may be told more than once.
    """
    told = [np.sort(part, axis=1) for part in pairs if len(part)]
    together = np.concatenate(told) if told else np.empty((0, 2), dtype=np.int64)
    if len(told) > 1:
        together = np.unique(together, axis=0)
    found = cluster(groups.n, together)[groups.of]
    _, first, place = np.unique(found, return_index=True, return_inverse=True)
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[place]


def _collect(hashes: Hashes, radius: int, *, mirrored: bool) -> npt.NDArray[np.integer] | None:
    """All pairs within a radius, None where they are too many."""
    dtype = np.int32 if len(hashes) < 1 << 31 else np.int64
    parts, n_pairs = [np.empty((0, 2), dtype=dtype)], 0
    for found in pairs_within(hashes, radius, mirrored=mirrored):
        n_pairs += len(found.first)
        if n_pairs > MAX_COPY_PAIRS and radius > 0:
            return None
        parts.append(np.stack([found.first, found.second], axis=1).astype(dtype))
    return np.concatenate(parts)
