"""Pairs of close hashes: the same as by comparing each with each, whatever the search does."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.errors import OptionError
from madaudit.scanning.copies import hash_pairs
from madaudit.scanning.copies.hash_pairs import MIRRORED, pairs_within

_FLIP = np.uint64(MIRRORED)


def _random(n: int, seed: int = 0) -> np.ndarray:
    return np.unique(np.random.default_rng(seed).integers(0, 2**64, n, dtype=np.uint64))


def _with_copies(n: int, most_bits: int, seed: int = 0, *, mirrored: bool = True) -> np.ndarray:
    """Random hashes, and copies of them in which a few bits differ, half of them mirrored."""
    rng = np.random.default_rng(seed)
    base = _random(n, seed)
    copies = base.copy()
    for _ in range(most_bits):
        bit = np.uint64(1) << rng.integers(0, 64, len(base), dtype=np.uint64)
        copies ^= np.where(rng.random(len(base)) < 0.7, bit, np.uint64(0))
    if mirrored:
        copies[::2] ^= _FLIP
    return np.unique(np.concatenate([base, copies]))


def _by_hand(hashes: np.ndarray, radius: int, *, mirrored: bool) -> dict[tuple[int, int], int]:
    """By a loop over all pairs of Python integers."""
    found = {}
    words = [int(word) for word in hashes]
    for i, one in enumerate(words):
        for j in range(i + 1, len(words)):
            d = (one ^ words[j]).bit_count()
            if mirrored:
                d = min(d, (one ^ words[j] ^ MIRRORED).bit_count())
            if d <= radius:
                found[i, j] = d
    return found


def _found(hashes: np.ndarray, radius: int, **options: bool) -> dict[tuple[int, int], int]:
    found: dict[tuple[int, int], int] = {}
    for pairs in pairs_within(hashes, radius, **options):
        for i, j, d in zip(*(part.tolist() for part in pairs), strict=True):
            assert i < j
            assert (i, j) not in found, "a pair is told twice"
            found[i, j] = d
    return found


def _by_tables(monkeypatch: pytest.MonkeyPatch, n_blocks: int, long_run: int = 512) -> None:
    """Force the search by sorting, at the first level of it, however few the hashes are."""
    choose = hash_pairs._choose_blocks
    monkeypatch.setattr(
        hash_pairs,
        "_choose_blocks",
        lambda n, n_bits, radius: n_blocks if n_bits == 64 else choose(n, n_bits, radius),
    )
    monkeypatch.setattr(hash_pairs, "_LONG_RUN", long_run)


@pytest.mark.parametrize("mirrored", [True, False])
@pytest.mark.parametrize(("radius", "n_blocks"), [(0, 1), (1, 4), (3, 6), (6, 8), (8, 9), (8, 11)])
def test_sorting_finds_what_comparing_each_with_each_does(monkeypatch, radius, n_blocks, mirrored):
    _by_tables(monkeypatch, n_blocks)
    hashes = _with_copies(300, radius + 1, seed=radius)
    expected = _by_hand(hashes, radius, mirrored=mirrored)
    assert len(expected) > 10 or not mirrored
    assert _found(hashes, radius, mirrored=mirrored) == expected


@pytest.mark.parametrize("radius", [0, 4, 8])
def test_few_hashes_are_compared_each_with_each(radius):
    hashes = _with_copies(150, radius, seed=radius)
    assert _found(hashes, radius) == _by_hand(hashes, radius, mirrored=True)


def test_hashes_that_agree_in_most_bits_are_searched_by_further_keys(monkeypatch):
    _by_tables(monkeypatch, 8, long_run=16)
    rng = np.random.default_rng(5)
    alike = np.uint64(0xF0F0_1234_0000_0000) | rng.integers(0, 2**24, 400, dtype=np.uint64)
    hashes = np.unique(np.concatenate([alike, alike ^ _FLIP, _random(100)]))
    expected = _by_hand(hashes, 4, mirrored=True)
    assert len(expected) > 20
    assert _found(hashes, 4) == expected


def test_a_run_longer_than_a_stretch_is_searched_whole(monkeypatch):
    _by_tables(monkeypatch, 8, long_run=16)
    monkeypatch.setattr(hash_pairs, "_AT_ONCE", 64)
    rng = np.random.default_rng(6)
    hashes = np.unique(rng.integers(0, 2**14, 500, dtype=np.uint64))
    assert _found(hashes, 2) == _by_hand(hashes, 2, mirrored=True)


def test_no_and_one_hash_have_no_pairs():
    assert _found(_random(0), 8) == {}
    assert _found(_random(1), 8) == {}


def test_numbers_beyond_the_range_are_refused():
    with pytest.raises(OptionError, match="the radius is 16 bits; allowed: 0 to 15"):
        list(pairs_within(_random(10), 16))


def test_counting_bits_needs_no_new_numpy():
    ones = np.array([value.bit_count() for value in range(1 << 16)], dtype=np.uint8)
    words = _random(100)
    by_parts = ones[words.view(np.uint16).reshape(-1, 4)].sum(axis=-1)
    assert by_parts.tolist() == [int(word).bit_count() for word in words]
