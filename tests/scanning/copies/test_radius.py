"""The radius: wide where few hashes are, narrow where strangers would be taken for copies."""

from __future__ import annotations

import numpy as np

from madaudit.scanning.copies.hash_pairs import pairs_within
from madaudit.scanning.copies.radius import (
    STRANGERS_ALLOWED,
    WIDEST,
    Strangers,
    choose_radius,
    measure_strangers,
)


def _alike(n: int, seed: int = 0) -> np.ndarray:
    """Hashes that have much in common, as those of pictures do: most bits are biased."""
    rng = np.random.default_rng(seed)
    strength = rng.uniform(0.02, 0.98, 64)
    bits = rng.random((n, 64)) < strength
    return np.unique(np.packbits(bits, axis=1).view(">u8").astype(np.uint64).ravel())


def test_random_hashes_have_no_near_strangers_and_get_the_widest_radius():
    rng = np.random.default_rng(0)
    hashes = np.unique(rng.integers(0, 2**64, 10_000, dtype=np.uint64))
    strangers = measure_strangers(hashes, rng)
    assert choose_radius(len(hashes), strangers) == WIDEST


def test_one_hash_has_no_strangers():
    one = np.array([7], dtype=np.uint64)
    assert measure_strangers(one, np.random.default_rng(0)) is None
    assert choose_radius(1, None) == WIDEST


def test_the_share_carried_on_is_not_below_the_one_counted():
    hashes = _alike(5_000)
    strangers = measure_strangers(hashes, np.random.default_rng(1))
    assert strangers is not None
    n_pairs = len(hashes) * (len(hashes) - 1) / 2
    for radius in (4, 6, 8):
        found = sum(len(pairs.first) for pairs in pairs_within(hashes, radius))
        assert found / n_pairs <= 1.2 * strangers.share_within(radius)


def test_copies_among_the_hashes_hardly_move_the_spread():
    hashes = _alike(2_000)
    copies = np.unique(np.concatenate([hashes, hashes ^ np.uint64(1 << 40)]))
    alone = measure_strangers(hashes, np.random.default_rng(2))
    beside = measure_strangers(copies, np.random.default_rng(2))
    assert alone is not None
    assert beside is not None
    assert 0.7 < beside.share_within(8) / alone.share_within(8) < 1.4


def test_more_hashes_get_a_narrower_radius_down_to_equal_hashes():
    strangers = Strangers(share=1e-4, at=12, factor=0.5)
    radii = [choose_radius(n, strangers) for n in (10, 1_000, 20_000, 100_000, 10**9)]
    assert radii == sorted(radii, reverse=True)
    assert (radii[0], radii[-1]) == (WIDEST, 0)
    assert 1_000 * strangers.share_within(radii[1]) <= STRANGERS_ALLOWED
