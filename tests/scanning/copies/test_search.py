"""From hashes to clusters of all samples."""

from __future__ import annotations

import numpy as np

from madaudit.scanning.copies.search import find_hash_pairs, group, label


def _around(middle: int) -> np.ndarray:
    """A hash and all that differ from it in one bit: those differ in two from one another."""
    flips = [0, *(1 << bit for bit in range(64))]
    return np.unique(np.array([middle ^ flip for flip in flips], dtype=np.uint64))


def test_a_radius_with_too_many_pairs_is_lowered_and_told(monkeypatch):
    monkeypatch.setattr("madaudit.scanning.copies.search.MAX_COPY_PAIRS", 100)
    found = find_hash_pairs(_around(0x0123_4567_89AB_CDEF), 4)
    assert (found.radius, len(found.pairs)) == (1, 64)
    assert [flag.partition(":")[0] for flag in found.flags] == [
        f"more than 100 pairs within {radius} bits" for radius in (4, 3, 2)
    ]


def test_a_radius_that_is_given_is_kept():
    found = find_hash_pairs(_around(7), 2)
    assert (found.radius, len(found.pairs), found.flags) == (2, 65 * 64 // 2, [])


def test_equal_hashes_are_one_item_and_what_has_none_is_alone():
    hashes = np.array([5, 0, 5, 3, 0], dtype=np.uint64)
    groups = group(hashes, np.array([True, False, True, True, False]))
    assert groups.of.tolist() == [1, 2, 1, 0, 3]
    assert groups.n == 4
    assert label(groups, []).tolist() == [0, 1, 0, 2, 3]


def test_pairs_of_two_searches_are_put_together_once():
    groups = group(np.arange(4, dtype=np.uint64), np.ones(4, dtype=bool))
    one, other = np.array([[0, 2]], dtype=np.int32), np.array([[2, 0], [2, 3]], dtype=np.int64)
    assert label(groups, [one, other]).tolist() == [0, 1, 0, 0]
