"""Pairs of close features: the same as by all products."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.encoders import close_pairs as module
from madaudit.encoders.close_pairs import close_pairs, close_pairs_by_cells


def _features(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Features in a narrow cone with copies among them, as image towers give."""
    rng = np.random.default_rng(seed)
    base = 0.5 + rng.normal(size=(n, d)) * rng.uniform(0.2, 2, d)
    copies = base[: n // 4] + 0.2 * rng.normal(size=(n // 4, d))
    return np.concatenate([base, copies]) * rng.uniform(1, 5, (n + n // 4, 1))


def _by_products(features: np.ndarray, least: float) -> set[tuple[int, int]]:
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    found = np.argwhere(np.triu(units @ units.T >= least, 1))
    return {(int(i), int(j)) for i, j in found}


def _told(parts) -> list[tuple[int, int]]:
    return [
        pair for part in parts for pair in zip(part[0].tolist(), part[1].tolist(), strict=True)
    ]


@pytest.mark.parametrize(("n", "d"), [(40, 8), (300, 160), (100, 160)])
def test_no_pair_is_missed_or_told_twice(monkeypatch, n, d):
    monkeypatch.setattr(module, "_ROWS", 64)
    monkeypatch.setattr(module, "_COLUMNS", 128)
    features = _features(n, d)
    told = _told(close_pairs(features, 0.9))
    expected = _by_products(features, 0.9)
    assert len(expected) > n // 10
    assert len(told) == len(set(told))
    assert set(told) == expected


def test_no_features_have_no_pairs():
    assert _told(close_pairs(np.empty((0, 8)), 0.9)) == []


def test_equal_features_are_pairs_at_similarity_one():
    assert _told(close_pairs(np.tile(_features(1, 200), (3, 1))[:3], 1.0)) == [
        (0, 1),
        (0, 2),
        (1, 2),
    ]


@pytest.mark.slow
def test_the_search_by_cells_finds_nearly_all_copies():
    pytest.importorskip("faiss", reason="faiss is not installed (extra index)")
    features = _features(4000, 64)
    expected = _by_products(features, 0.95)
    told = _told(close_pairs_by_cells(features, 0.95))
    assert len(told) == len(set(told))
    assert set(told) <= expected
    assert len(told) >= 0.98 * len(expected) > 500
