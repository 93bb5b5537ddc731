"""Coarse bins: how many, by a calibration's size and by how far it tells the classes apart."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.estimation.counts import are_told_apart, coarse_groups
from tests.estimation.score_worlds import SHIFT, shares


def calibration(n, shift, *, seed=0):
    generator = np.random.default_rng(seed)
    drawn = (generator.multinomial(n, shares(mean)) for mean in (0.0, shift))
    return tuple(counts.astype(float) for counts in drawn)


@pytest.mark.parametrize(
    ("n", "bins"), [(60, 8), (199, 8), (200, 12), (299, 12), (300, 16), (4999, 16), (5000, 32)]
)
def test_larger_calibrations_have_more_bins(n, bins):
    real, synthetic = calibration(n, SHIFT)
    assert coarse_groups(real, synthetic)[-1] + 1 == bins
    assert are_told_apart(real, synthetic)


def test_the_smaller_class_sets_the_number_of_bins():
    real, _ = calibration(5000, SHIFT)
    _, synthetic = calibration(250, SHIFT)
    assert coarse_groups(real, synthetic)[-1] + 1 == 12


@pytest.mark.parametrize("n", [200, 1000, 10_000])
def test_classes_that_are_alike_leave_two_bins(n):
    real, synthetic = calibration(n, 0.0)
    assert coarse_groups(real, synthetic)[-1] + 1 == 2
    assert not are_told_apart(real, synthetic)


def test_classes_that_hardly_differ_have_some_of_their_bins():
    real, synthetic = calibration(1000, 0.3)
    assert 2 < coarse_groups(real, synthetic)[-1] + 1 < 16
    assert not are_told_apart(real, synthetic)


def test_a_number_of_bins_that_is_asked_for_is_kept():
    assert coarse_groups(*calibration(1000, 0.0), 16)[-1] + 1 == 16
