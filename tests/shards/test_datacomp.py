"""DataComp's subset file, read back as DataComp reads it."""

from __future__ import annotations

import io

import numpy as np

from madaudit.shards.datacomp import uid_pairs, write_subset


def as_datacomp_has_it(uid):
    return int(uid[:16], 16), int(uid[16:32], 16)


def uids(n, seed=0):
    return [np.random.default_rng(seed + i).bytes(16).hex() for i in range(n)]


def written(*lists):
    buffer = io.BytesIO()
    n = write_subset(buffer, [uid_pairs(one) for one in lists])
    buffer.seek(0)
    subset = np.load(buffer, allow_pickle=False)
    assert len(subset) == n
    return subset


def test_halves_are_those_of_the_hexadecimal_digits_sorted():
    names = uids(50)
    subset = written(names[:20], names[20:])
    assert subset.dtype == np.dtype("u8,u8")
    assert subset.tolist() == sorted(map(as_datacomp_has_it, names))


def test_a_repeated_uid_is_counted_by_a_search_as_datacomp_does_it():
    names = uids(9)
    subset = written([*names, names[3], names[3]])
    wanted = np.array([as_datacomp_has_it(names[3])], dtype="u8,u8")
    left = np.searchsorted(subset, wanted, "left")
    right = np.searchsorted(subset, wanted, "right")
    assert (right - left).tolist() == [3]


def test_what_is_no_uid_is_left_out():
    assert len(uid_pairs([None, "", "abc", "g" * 32, "0" * 33, "0" * 32])) == 1


def test_nothing_gives_an_empty_subset():
    assert written([]).shape == (0,)
