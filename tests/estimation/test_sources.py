"""Generators in the target's own mix, and real samples of other kinds than the calibration's."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.estimation import Histograms, Settings, estimate_tiers
from madaudit.estimation.sources import SourceCounts, shifted_interval, split_generators
from tests.estimation.score_worlds import COARSE_EDGES, shares


def bins(shift):
    return shares(shift, COARSE_EDGES)


def drawn(shifts, n, seed=0):
    generator = np.random.default_rng(seed)
    return np.stack([generator.multinomial(n, bins(shift)) for shift in shifts]).astype(float)


def target(parts, n=50_000, seed=1):
    """Counts of a target that mixes (share, shift)."""
    mixed = sum(share * bins(shift) for share, shift in parts)
    return np.random.default_rng(seed).multinomial(n, mixed / mixed.sum()).astype(float)


@pytest.mark.slow
def test_a_mix_of_its_own_is_covered_where_the_pooled_interval_is_not():
    sources = SourceCounts(("far", "near"), drawn([0.0], 2000), drawn([3.0, 1.0], 2000))
    counts = target([(0.8, 0.0), (0.01, 3.0), (0.19, 1.0)])
    histograms = Histograms(
        sources.real[0], sources.synthetic.sum(axis=0), counts, np.zeros(16), np.zeros(16)
    )
    model = estimate_tiers(histograms, Settings(n_generators=19), sources=sources).model_based
    assert not model.closed.low <= 0.2 <= model.closed.high
    assert model.generators.prevalence.low <= 0.2 <= model.generators.prevalence.high
    assert model.sensitivity.low <= model.generators.prevalence.low
    assert model.sensitivity.high >= model.generators.prevalence.high


@pytest.mark.slow
def test_shares_are_told_of_generators_that_scores_tell_apart():
    sources = SourceCounts(("far", "near"), drawn([0.0], 3000), drawn([4.0, 1.5], 3000))
    split = split_generators(sources, target([(0.7, 0.0), (0.2, 4.0), (0.1, 1.5)]), level=0.99)
    assert split.shares["far"].low <= 0.2 <= split.shares["far"].high
    assert split.shares["near"].low <= 0.1 <= split.shares["near"].high


@pytest.mark.slow
def test_generators_that_look_alike_have_no_share_of_their_own():
    sources = SourceCounts(("one", "twin"), drawn([0.0], 3000), drawn([2.0, 2.0], 3000))
    split = split_generators(sources, target([(0.3, 0.0), (0.7, 2.0)]), level=0.95)
    assert split.shares == {}
    assert split.prevalence.low <= 0.7 <= split.prevalence.high


@pytest.mark.parametrize("shifts", [[2.0], [2.0] * 13])
def test_one_generator_or_too_many_are_left_together(shifts):
    names = tuple(f"g{k}" for k in range(len(shifts)))
    sources = SourceCounts(names, drawn([0.0], 1000), drawn(shifts, 1000))
    assert split_generators(sources, target([(0.9, 0.0), (0.1, 2.0)]), level=0.95) is None


@pytest.mark.slow
def test_nine_real_sources_tell_no_shift_and_ten_do():
    moves = np.random.default_rng(5).normal(0, 0.05, 10)
    synthetic = drawn([2.0], 2000)
    counts = target([(0.9, 0.08), (0.1, 2.0)])
    for n, is_told in ((9, False), (10, True)):
        sources = SourceCounts(("g",), drawn(moves[:n], 2000), synthetic)
        found = shifted_interval(sources, synthetic[0], counts, level=0.95)
        assert (found is not None) == is_told
    assert found.low <= 0.1 <= found.high


def detectable(sources, counts):
    """The tier, by the calibration counted by source and pooled."""
    pooled = sources.real.sum(axis=0), sources.synthetic.sum(axis=0)
    histograms = Histograms(*pooled, counts, np.zeros(16), np.zeros(16))
    found = (
        estimate_tiers(histograms, Settings(), sources=part).detectable for part in (sources, None)
    )
    return tuple(interval.low for interval in found)


def test_real_samples_of_one_known_source_alone_are_not_called_synthetic():
    sources = SourceCounts(("far",), drawn([0.0, 1.0], 3000), drawn([3.0], 3000))
    apart, pooled = detectable(sources, target([(1.0, 1.0)]))
    assert pooled > 0.05
    assert apart == 0.0


def test_synthetic_samples_beyond_every_known_source_are_still_bounded():
    sources = SourceCounts(("far",), drawn([0.0, 1.0], 3000), drawn([4.0], 3000))
    apart, pooled = detectable(sources, target([(0.7, 0.5), (0.3, 4.0)]))
    assert 0.1 < apart <= pooled <= 0.3


def test_one_real_source_leaves_the_pooled_bound():
    sources = SourceCounts(("far",), drawn([0.0], 3000), drawn([3.0], 3000))
    apart, pooled = detectable(sources, target([(0.8, 0.0), (0.2, 3.0)]))
    assert apart == pooled > 0.0
