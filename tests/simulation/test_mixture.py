"""Mixtures and rare concepts: loss of modes, against exact formulas and slow sampling."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from madaudit.errors import OptionError
from madaudit.simulation import (
    LoopSpec,
    Mixture,
    chance_of_absence,
    lost_share,
    mixture25,
    moments_by_generation,
    sample_mixture,
    zipf_weights,
)


def test_the_grid_has_the_papers_variance():
    grid = mixture25()
    assert len(grid.weights) == 25
    assert np.trace(np.cov(grid.means.T, ddof=0)) == pytest.approx(4.0)


@pytest.mark.slow
def test_modes_drift_as_alleles_do():
    """Chance that two draws differ in mode falls by 1 − 1/n a generation (Wright and Fisher)."""
    spec = LoopSpec("synthetic", n_synthetic=100, generations=20)
    rows = sample_mixture(spec, 2000).rows
    expected = 0.96 * (1 - 1 / 100) ** 21
    assert 1 - rows[-1].homozygosity == pytest.approx(expected, abs=0.005)


def test_modes_are_lost_one_by_one_and_never_come_back_without_real_data():
    spec = LoopSpec("synthetic", n_synthetic=200, generations=60)
    modes = [row.modes for row in sample_mixture(spec, 200).rows]
    assert all(later <= earlier for earlier, later in itertools.pairwise(modes))
    assert modes[-1] < 0.7 * modes[0]


def test_fresh_real_data_keep_the_modes():
    spec = LoopSpec("fresh", n_fresh=100, n_synthetic=100, generations=60)
    assert sample_mixture(spec, 200).rows[-1].modes > 24


def test_bias_narrows_the_modes_and_leaves_the_grid():
    row = sample_mixture(LoopSpec("synthetic", n_synthetic=25_000, bias=0.8, generations=10), 50)
    assert row.rows[-1].modal_variance_ratio == pytest.approx(0.8**10, rel=0.02)
    assert row.rows[-1].variance_ratio == pytest.approx(1.0, abs=0.02)


def test_a_mixture_of_one_mode_is_the_gaussian_loop():
    one = Mixture(np.zeros((1, 2)), 1.0, np.ones(1))
    spec = LoopSpec("augmentation", n_fixed=20, n_synthetic=40, bias=0.9, dim=2, generations=5)
    row = sample_mixture(spec, 20_000, mixture=one).rows[-1]
    exact = moments_by_generation(spec)
    assert row.mean_error == pytest.approx(2 * exact.m[-1, 0], rel=0.03)
    assert row.modal_variance_ratio == pytest.approx(exact.s[-1, 0], rel=0.01)


@pytest.mark.slow
def test_a_mixture_that_is_sampled_point_by_point_has_the_same_modes():
    """The slow reference: labels drawn one by one, modes that get none are gone."""
    generator, spec = np.random.default_rng(1), LoopSpec("synthetic", n_synthetic=60)
    left = []
    for _ in range(2000):
        labels = generator.integers(25, size=60)
        for _ in range(10):
            labels = generator.choice(labels, size=60)
        left.append(len(set(labels.tolist())))
    row = sample_mixture(spec, 2000).rows[-1]
    assert row.modes == pytest.approx(np.mean(left), abs=4 * np.std(left) / np.sqrt(1000))


def test_options_that_mixtures_do_not_know_are_refused():
    spec = LoopSpec("augmentation", pool="accumulate", n_fixed=5, n_synthetic=5)
    with pytest.raises(OptionError, match="pool is 'accumulate'; the mixture family knows"):
        sample_mixture(spec, 5)


@pytest.mark.parametrize(
    "spec",
    [
        LoopSpec("synthetic", n_synthetic=2000, generations=8),
        LoopSpec("fresh", n_fresh=400, n_synthetic=1600, n_initial=1000, generations=8),
        LoopSpec("fresh", n_fresh=[400] * 8, n_synthetic=range(0, 1600, 200), generations=8),
    ],
    ids=["synthetic", "fresh", "growing"],
)
def test_absence_is_that_of_multinomial_draws(spec):
    weights = np.array([0.0005, 0.001, 0.003])
    generator, runs = np.random.default_rng(2), 20_000
    full = np.append(weights, 1 - weights.sum())
    counts = generator.multinomial(spec.initial, full, size=runs)
    for t in range(1, spec.generations + 1):
        model = counts / counts.sum(axis=1, keepdims=True)
        counts = generator.multinomial(spec.at("n_fresh", t), full, size=runs)
        counts = counts + generator.multinomial(spec.at("n_synthetic", t), model)
    measured = np.mean(counts[:, :3] == 0, axis=0)
    # Poisson against binomial: relative difference of order w.
    assert chance_of_absence(spec, weights)[-1] == pytest.approx(measured, abs=0.015)


def test_the_rarest_are_lost_first():
    spec = LoopSpec("synthetic", n_synthetic=10**6, generations=10)
    weights = zipf_weights(10_000)
    absent = chance_of_absence(spec, weights)[-1]
    assert np.all(np.diff(absent) >= 0)
    assert absent[0] == 0.0
    assert lost_share(spec, weights)[-1] == pytest.approx(weights @ absent)


def test_absence_is_refused_for_loops_it_does_not_know():
    with pytest.raises(OptionError, match="allowed: fresh or synthetic"):
        chance_of_absence(LoopSpec("augmentation", n_fixed=5, n_synthetic=5), [0.1])
