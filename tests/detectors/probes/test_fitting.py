"""A fitted probe is the minimum that the formula says, and no source outweighs another."""

from __future__ import annotations

import json

import numpy as np
import pytest

from madaudit.detectors.probes.fitting import fit_probe
from madaudit.detectors.probes.probe import Probe
from madaudit.encoders.crops import CropRule
from madaudit.errors import InputError, RequestError


def _world(n: int = 300, d: int = 12, seed: int = 0):
    """Unit-length features of two classes in three groups each, groups of unequal size."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 2 == 1
    groups = [f"g{min(k, 2)}" for k in random.geometric(0.6, n) - 1]
    features = random.normal(size=(n, d)) + 0.8 * labels[:, None] * (np.arange(d) < 3) + 1
    return features / np.linalg.norm(features, axis=1, keepdims=True), labels, groups


def _by_slow_descent(features, labels, groups, penalty):
    """The same minimum by weighted Newton steps on standardised features, written separately."""
    n_groups = {
        flag: len({g for g, k in zip(groups, labels, strict=True) if k == flag}) for flag in (0, 1)
    }
    u = np.array(
        [
            0.5
            / n_groups[int(k)]
            / sum(h == g and j == k for h, j in zip(groups, labels, strict=True))
            for g, k in zip(groups, labels, strict=True)
        ]
    )
    mean = np.average(features, axis=0, weights=u)
    std = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=u))
    z = np.column_stack([(features - mean) / std, np.ones(len(features))])
    ridge = penalty * np.diag([1.0] * features.shape[1] + [0.0])
    w = np.zeros(z.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-z @ w))
        gradient = z.T @ (u * (p - labels)) + ridge @ w
        hessian = (z * (u * p * (1 - p))[:, None]).T @ z + ridge
        w -= np.linalg.solve(hessian, gradient)
    weights = w[:-1] / std
    return weights, w[-1] - mean @ weights


def test_the_fit_is_that_of_newton_steps():
    features, labels, groups = _world()
    weights, intercept = _by_slow_descent(features, labels, groups, 0.05)
    probe = fit_probe(features, labels, groups, penalty=0.05)
    np.testing.assert_allclose(probe.weights, weights, rtol=1e-5, atol=1e-6)
    assert probe.intercept == pytest.approx(intercept, rel=1e-5)
    assert probe.provenance["fit"]["converged"]


def test_repeating_one_sources_samples_changes_nothing():
    features, labels, groups = _world()
    of_g1 = [i for i, group in enumerate(groups) if group == "g1"]
    more = np.concatenate([np.arange(len(labels)), np.repeat(of_g1, 4)])
    once = fit_probe(features, labels, groups)
    often = fit_probe(features[more], labels[more], [groups[i] for i in more])
    np.testing.assert_allclose(often.weights, once.weights, atol=1e-5)


def test_the_length_of_features_does_not_matter():
    features, labels, groups = _world()
    lengths = np.random.default_rng(1).uniform(1, 20, (len(labels), 1))
    once, scaled = (
        fit_probe(features, labels, groups),
        fit_probe(features * lengths, labels, groups),
    )
    np.testing.assert_allclose(scaled.weights, once.weights, atol=1e-9)
    np.testing.assert_allclose(once.scores(features * lengths), once.scores(features), atol=1e-9)


def test_higher_scores_are_the_synthetic_ones_and_shuffled_labels_give_none():
    features, labels, groups = _world(n=2000)
    scores = fit_probe(features, labels, groups).scores(features)
    # Three of twelve features are moved by 0.8 each; the best any score can do is Φ(√(3·0.64/2)).
    assert 0.76 < (scores[labels][:, None] > scores[~labels]).mean() < 0.836
    shuffled = np.random.default_rng(2).permutation(labels)
    other, fresh_labels, _ = _world(n=2000, seed=3)
    by_chance = fit_probe(features, shuffled, groups).scores(other)
    auc = (by_chance[fresh_labels][:, None] > by_chance[~fresh_labels]).mean()
    assert 0.3 < auc < 0.7


def test_a_probe_comes_back_from_json_bit_by_bit():
    features, labels, groups = _world()
    probe = fit_probe(features, labels, groups, encoder="ab" * 32, crops=CropRule(5, 8))
    probe = probe.with_provenance(made_by="a test")
    back = Probe.from_dict(json.loads(json.dumps(probe.to_dict())))
    np.testing.assert_array_equal(back.weights, probe.weights)
    assert (back.intercept, back.encoder, back.crops) == (
        probe.intercept,
        probe.encoder,
        probe.crops,
    )
    assert back.digest == probe.digest
    assert back.provenance == probe.provenance


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "x"}, "its format is not"),
        ({"version": 2}, "of version 2"),
        ({"weights": ["1"]}, "a weight is no number"),
        ({"weights": [True]}, "a weight is no number"),
        ({"weights": [float("nan")]}, "no number"),
        ({"weights": []}, "weights of shape"),
        ({"intercept": None}, "a weight is no number"),
        ({"crops": {"n_crops": "1", "grid_px": 16}}, "cannot read a crop rule"),
        ({"crops": {"n_crops": 2, "grid_px": 16}}, "cannot take 2 crops"),
        ({"provenance": []}, "its provenance"),
        ({"more": 1}, "its keys are"),
    ],
)
def test_what_is_no_probe_is_refused(change, message):
    content = Probe(np.ones(3), 0.0, "ab").to_dict()
    with pytest.raises(RequestError, match=message):
        Probe.from_dict({**content, **change})


def test_features_of_another_encoder_are_refused():
    with pytest.raises(InputError, match="features of 4 dimensions: the probe has 3"):
        Probe(np.ones(3), 0.0, "ab").scores(np.ones((2, 4)))


@pytest.mark.parametrize(
    ("labels", "penalty", "message"),
    [
        ([1, 1, 1], 0.1, "3 synthetic and 0 real"),
        ([1, 0], 0.1, "2 labels and 3 groups"),
        ([1, 0, 1], 0.0, "penalty 0.0"),
    ],
)
def test_what_cannot_be_fitted_is_refused(labels, penalty, message):
    with pytest.raises(InputError, match=message):
        fit_probe(np.ones((3, 2)), np.array(labels), ["a", "b", "c"], penalty=penalty)


def test_a_feature_that_never_varies_does_no_harm():
    features, labels, groups = _world()
    constant = np.column_stack([features, np.full(len(labels), 0.1)])
    assert np.isfinite(fit_probe(constant, labels, groups).weights).all()
