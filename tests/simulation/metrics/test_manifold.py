import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from madaudit.errors import InputError
from madaudit.simulation.metrics import density_coverage, precision_recall


def _by_brute_force(real, synthetic, k):
    """Balls that hold each synthetic sample, and whether each real ball holds one."""
    radii = np.sort(cdist(real, real), axis=1)[:, k]
    inside = cdist(real, synthetic) <= radii[:, None]
    return inside.sum(axis=0), inside.any(axis=1)


@pytest.mark.parametrize(("n", "m", "d", "k"), [(200, 300, 2, 3), (700, 600, 40, 5)])
def test_equal_a_brute_force_over_all_pairs(n, m, d, k):
    generator = np.random.default_rng(n)
    real, synthetic = generator.normal(size=(n, d)), generator.normal(0.2, 0.8, size=(m, d))
    holding, is_filled = _by_brute_force(real, synthetic, k)
    found = precision_recall(real, synthetic, k)

    assert found.precision == (holding > 0).mean()
    assert found.recall == (_by_brute_force(synthetic, real, k)[0] > 0).mean()
    assert density_coverage(real, synthetic, k) == (holding.mean() / k, is_filled.mean())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(-30, 30))
def test_ties_and_copies_are_told_as_exactly(seed, power):
    # Points of a coarse grid: many distances are equal, and many points coincide.
    generator = np.random.default_rng(seed)
    real = generator.integers(0, 4, size=(40, 3)).astype(float)
    synthetic = generator.integers(0, 5, size=(50, 3)).astype(float)
    expected = precision_recall(real, synthetic, 3)
    radii = np.sort(((real[:, None] - real[None]) ** 2).sum(-1), axis=1)[:, 3]
    inside = ((real[:, None] - synthetic[None]) ** 2).sum(-1) <= radii[:, None]

    assert expected.precision == inside.any(axis=0).mean()
    assert precision_recall(real * 2.0**power, synthetic * 2.0**power, 3) == expected


def test_a_set_covers_itself():
    features = np.random.default_rng(3).normal(size=(150, 8))

    assert precision_recall(features, features) == (1.0, 1.0)
    assert density_coverage(features, features).coverage == 1.0


def test_lost_diversity_costs_recall_and_not_precision():
    generator = np.random.default_rng(4)
    real, narrow = generator.normal(size=(500, 4)), generator.normal(0, 0.2, size=(500, 4))
    found = precision_recall(real, narrow, 3)

    assert found.precision > 0.95
    assert found.recall < 0.2


def test_blocks_change_nothing(monkeypatch):
    generator = np.random.default_rng(5)
    real, synthetic = generator.normal(size=(120, 6)), generator.normal(size=(130, 6))
    whole = precision_recall(real, synthetic), density_coverage(real, synthetic)
    monkeypatch.setattr("madaudit.simulation.metrics.manifold._BLOCK", 7)

    assert (precision_recall(real, synthetic), density_coverage(real, synthetic)) == whole


@pytest.mark.parametrize("k", [0, True, 2.5])
def test_refuses_a_neighbour_that_is_none(k):
    with pytest.raises(InputError, match="whole number, 1 or more"):
        precision_recall(np.zeros((5, 2)), np.zeros((5, 2)), k)


def test_refuses_fewer_samples_than_neighbours():
    with pytest.raises(InputError, match="3 real samples; at least 4"):
        precision_recall(np.zeros((3, 2)), np.zeros((5, 2)), 3)
