"""The radius: wide where few hashes are, narrow where strangers would be taken for copies."""

from __future__ import annotations

import numpy as np
import pytest

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


@pytest.mark.slow
@pytest.mark.parametrize("n", [5_000, 10_500])
def test_the_share_carried_on_is_not_below_the_one_counted(n):
    hashes = _alike(n)
    strangers = measure_strangers(hashes, np.random.default_rng(1))
    assert strangers is not None
    n_pairs = len(hashes) * (len(hashes) - 1) / 2
    for radius in (4, 6, 8) if n < 10_000 else (6,):
        found = sum(len(pairs.first) for pairs in pairs_within(hashes, radius))
        assert found / n_pairs <= 1.2 * strangers.share_within(radius)


def _near_copies(hashes: np.ndarray, n_bits: int) -> np.ndarray:
    """The hashes and a copy of each, that many bits away or a few fewer."""
    rng = np.random.default_rng(9)
    copies = hashes.copy()
    for _ in range(n_bits):
        copies ^= np.uint64(1) << rng.integers(0, 64, len(hashes), dtype=np.uint64)
    return np.unique(np.concatenate([hashes, copies]))


@pytest.mark.parametrize(("n", "n_bits"), [(200, 1), (200, 12), (10_500, 1), (10_500, 12)])
def test_copies_among_the_hashes_hardly_narrow_the_radius(n, n_bits):
    hashes = _alike(n)
    radii = []
    for given in (hashes, _near_copies(hashes, n_bits)):
        strangers = measure_strangers(given, np.random.default_rng(2))
        assert strangers is not None
        radii.append(choose_radius(len(given), strangers))
    assert radii[0] - radii[1] <= 2


def test_few_hashes_that_are_very_alike_get_a_narrow_radius():
    rng = np.random.default_rng(4)
    bits = rng.random((500, 64)) < np.where(np.arange(64) % 4, 0.05, 0.5)
    hashes = np.unique(np.packbits(bits, axis=1).view(">u8").astype(np.uint64).ravel())
    assert choose_radius(len(hashes), measure_strangers(hashes, rng)) <= 3


def test_more_hashes_get_a_narrower_radius_down_to_equal_hashes():
    strangers = Strangers(share=1e-4, at=12, factor=0.5)
    radii = [choose_radius(n, strangers) for n in (10, 1_000, 20_000, 100_000, 10**9)]
    assert radii == sorted(radii, reverse=True)
    assert (radii[0], radii[-1]) == (WIDEST, 0)
    assert 1_000 * strangers.share_within(radii[1]) <= STRANGERS_ALLOWED
