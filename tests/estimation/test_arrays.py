"""Arrays in the shape of QuaPy and ppi-python."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from madaudit.errors import InputError
from madaudit.estimation import Settings, estimate_tiers
from madaudit.estimation.arrays import histograms_from_posteriors, histograms_from_predictions


def drawn(n, pi, seed=0):
    generator = np.random.default_rng(seed)
    truth = (generator.random(n) < pi).astype(int)
    return truth, expit(generator.normal(0, 1, n) + 1.8 * truth - 0.9)


@pytest.mark.parametrize("is_two_columns", [False, True])
def test_posteriors_of_a_classifier_give_the_model_based_tier(is_two_columns):
    truth, posteriors = drawn(4000, 0.5)
    _, target = drawn(50_000, 0.1, seed=1)
    if is_two_columns:
        posteriors, target = (np.stack([1 - p, p], axis=1) for p in (posteriors, target))
    histograms = histograms_from_posteriors(posteriors, truth, target)
    assert histograms.real.sum() == (truth == 0).sum()
    assert histograms.synthetic.sum() == truth.sum()
    closed = estimate_tiers(histograms, Settings()).model_based.closed
    assert closed.low <= 0.1 <= closed.high


def test_labels_and_predictions_give_the_adjudicated_tier():
    truth, predictions = drawn(30_000, 0.1)
    histograms = histograms_from_predictions(truth[:600], predictions[:600], predictions[600:])
    assert histograms.n_labels == 600
    assert histograms.target.sum() == 30_000
    found = estimate_tiers(histograms, Settings()).adjudicated
    assert found.low <= 0.1 <= found.high


def test_certain_posteriors_lie_outside_the_bins_and_missing_ones_are_counted():
    histograms = histograms_from_posteriors([0.0, 1.0], [0, 1], [0.0, 1.0, np.nan, 0.5])
    assert histograms.target[0] == histograms.target[-1] == 1
    assert histograms.missing_share == 0.25


@pytest.mark.parametrize(
    ("posteriors", "labels"),
    [([0.5, 1.5], [0, 1]), ([[0.1, 0.2, 0.7]], [1]), ([0.5, 0.5], [0, 2]), ([0.5], [0, 1])],
)
def test_what_does_not_fit_is_refused(posteriors, labels):
    with pytest.raises(InputError, match=r"give (0|probabilities)"):
        histograms_from_posteriors(posteriors, labels, [0.5])
