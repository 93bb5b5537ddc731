"""The profile likelihood and its intervals, against slow and independent solutions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.stats import binomtest, chi2

from madaudit.estimation.intervals import angle_of, find_intervals
from madaudit.estimation.likelihood import Evidence, inward_slopes, profile, solve
from tests.estimation.score_worlds import COARSE_EDGES, draw, shares

_EIGHT = np.r_[-np.inf, np.linspace(-1, 3, 7), np.inf]
_LIMIT = chi2.ppf(0.95, 1)


def log_sum(counts, probabilities):
    held = counts > 0
    return float((counts[held] * np.log(probabilities[held])).sum())


def saturated(counts):
    return log_sum(counts, counts / counts.sum())


def by_optimiser(evidence, pi):
    """Profile by a general optimiser over both templates as softmax coordinates."""
    real, synthetic, unlabelled = evidence.real[0], evidence.synthetic[0], evidence.unlabelled[0]
    n_bins = len(real)

    def templates(x):
        weights = np.exp(np.c_[x.reshape(2, -1), np.zeros(2)])
        return weights / weights.sum(axis=1, keepdims=True)

    def loss(x):
        f0, f1 = templates(x)
        total = log_sum(real, f0) + log_sum(synthetic, f1)
        return -(total + log_sum(unlabelled, (1 - pi) * f0 + pi * f1))

    start = np.log(np.stack([real, synthetic]) + 0.5)
    start = (start[:, :-1] - start[:, -1:]).ravel()
    found = minimize(loss, start, method="BFGS", options={"gtol": 1e-7})
    base = saturated(real) + saturated(synthetic) + saturated(unlabelled)
    assert n_bins == unlabelled.size
    return -found.fun - base


def evidence_of(pi, n=200, n_target=5000, seed=0, edges=_EIGHT, replicates=1):
    drawn = draw(pi, n=n, n_target=n_target, seed=seed, edges=edges, replicates=replicates)
    return Evidence.closed(*drawn)


def at(evidence, pi):
    return float(profile(evidence, np.full(evidence.n_strata, float(angle_of(pi)))).loglik[0])


@pytest.mark.slow
@pytest.mark.parametrize("pi", [0.001, 0.05, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_exact_solution_is_a_general_optimisers(pi, seed):
    evidence = evidence_of(0.2, seed=seed)
    assert at(evidence, pi) == pytest.approx(by_optimiser(evidence, pi), abs=2e-5)


@pytest.mark.parametrize("n_target", [10**4, 5 * 10**9])
def test_the_solution_is_stationary(n_target):
    evidence = evidence_of(0.1, n=1000, n_target=n_target, edges=COARSE_EDGES)
    pi = np.array([[0.15]])
    found = solve(evidence, pi, 1 - pi)
    assert found.f0.sum() == pytest.approx(1)
    assert found.f1.sum() == pytest.approx(1)
    posterior = pi * found.f1 / ((1 - pi) * found.f0 + pi * found.f1)
    np.testing.assert_allclose(found.synthetic, posterior, rtol=1e-5, atol=1e-8)


def test_edges_are_the_limits_of_the_interior():
    evidence = evidence_of(0.1)
    assert at(evidence, 0.0) == pytest.approx(at(evidence, 1e-9), abs=1e-5)
    assert at(evidence, 1.0) == pytest.approx(at(evidence, 1 - 1e-9), abs=1e-5)


@pytest.mark.parametrize("pi", [0.01, 0.3, 0.8])
def test_the_slope_is_the_numerical_derivative(pi):
    evidence = evidence_of(0.2)
    step = 1e-6
    numerical = (at(evidence, pi + step) - at(evidence, pi - step)) / (2 * step)
    slope = profile(evidence, np.atleast_1d(angle_of(pi))).slope[0]
    assert slope == pytest.approx(numerical, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("pi", [0.0, 0.02, 1.0])
def test_slopes_at_the_edges_are_those_next_to_them(pi):
    evidence = evidence_of(pi, n=500)
    near = 1e-7
    at_zero, at_one = inward_slopes(evidence)
    assert at_zero[0] == pytest.approx((at(evidence, near) - at(evidence, 0)) / near, rel=0.02)
    assert at_one[0] == pytest.approx((at(evidence, 1 - near) - at(evidence, 1)) / near, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("pi", [0.0, 0.004, 0.2, 0.6, 1.0])
@pytest.mark.parametrize("n_target", [300, 10**6])
def test_intervals_end_where_the_statistic_crosses_its_limit(pi, n_target):
    evidence = evidence_of(pi, n=300, n_target=n_target, edges=COARSE_EDGES)
    low, point, high, best = (float(column[0]) for column in find_intervals(evidence))
    assert 0 <= low <= point <= high <= 1

    def beyond(share):
        return 2 * (best - at(evidence, share)) - _LIMIT

    assert low == pytest.approx(
        0 if beyond(0) <= 0 else brentq(beyond, 0, point, xtol=1e-12), abs=1e-7
    )
    assert high == pytest.approx(
        1 if beyond(1) <= 0 else brentq(beyond, point, 1, xtol=1e-12), abs=1e-7
    )


def test_the_point_is_the_best_of_a_fine_grid():
    evidence = evidence_of(0.01, n=1000, n_target=10**6, edges=COARSE_EDGES, replicates=30)
    found = find_intervals(evidence)
    grid = np.r_[0, np.geomspace(1e-6, 0.1, 200)]
    values = [profile(evidence, np.full(30, float(angle_of(pi)))).loglik for pi in grid]
    assert (np.max(values, axis=0) <= found.loglik + 1e-6).all()


def test_strata_do_not_touch_one_another():
    drawn = draw(0.1, n=400, n_target=2000, replicates=700, edges=COARSE_EDGES)
    together = find_intervals(Evidence.closed(*drawn))
    alone = find_intervals(Evidence.closed(*(part[600:601] for part in drawn)))
    assert together.high[600] == pytest.approx(alone.high[0], abs=1e-9)


def test_labels_of_one_bin_give_the_binomials_likelihood_interval():
    evidence = Evidence.adjudicated(np.array([[70.0]]), np.array([[30.0]]), np.array([[1e9]]))
    found = find_intervals(evidence)

    def beyond(share):
        full = 30 * np.log(0.3) + 70 * np.log(0.7)
        return 2 * (full - 30 * np.log(share) - 70 * np.log1p(-share)) - _LIMIT

    assert found.point[0] == pytest.approx(0.3, abs=1e-6)
    assert found.low[0] == pytest.approx(brentq(beyond, 1e-9, 0.3), abs=1e-6)
    assert found.high[0] == pytest.approx(brentq(beyond, 0.3, 1 - 1e-9), abs=1e-6)
    exact = binomtest(30, 100).proportion_ci()
    assert found.low[0] == pytest.approx(exact.low, abs=0.01)


def test_labels_weight_bins_by_the_target_and_not_by_their_own_number():
    target = np.array([9e6, 1e6])
    gold_real, gold_synthetic = np.array([98.0, 200.0]), np.array([2.0, 300.0])
    evidence = Evidence.adjudicated(gold_real[None], gold_synthetic[None], target[None])
    expected = 0.9 * 0.02 + 0.1 * 0.6
    assert find_intervals(evidence).point[0] == pytest.approx(expected, abs=1e-5)


def test_labels_agree_with_prediction_powered_inference():
    """At rates of the bins as predictions, PPI's rectifier is 0: mean f over the target."""
    generator = np.random.default_rng(3)
    target = generator.multinomial(10**6, 0.8 * shares() + 0.2 * shares(1.8))
    labels = generator.multinomial(3000, target / target.sum())
    synthetic = generator.binomial(labels, np.linspace(0.01, 0.9, len(labels)))
    keep = labels > 20
    target, labels, synthetic = target[keep], labels[keep], synthetic[keep]
    rates = synthetic / labels
    rectifier = ((synthetic - labels * rates).sum()) / labels.sum()
    ppi = (target * rates).sum() / target.sum() + rectifier
    evidence = Evidence.adjudicated(
        (labels - synthetic)[None].astype(float),
        synthetic[None].astype(float),
        target[None].astype(float),
    )
    found = find_intervals(evidence)
    assert found.point[0] == pytest.approx(ppi, abs=5e-6)
    variance = (labels * rates * (1 - rates)).sum() / labels.sum() / labels.sum()
    variance += np.average((rates - ppi) ** 2, weights=target) / target.sum()
    half = 1.96 * np.sqrt(variance)
    assert (found.high - found.low)[0] / 2 == pytest.approx(half, rel=0.05)


def test_found_samples_exclude_the_edge_that_denies_them():
    evidence = Evidence.adjudicated(np.array([[50.0]]), np.array([[1.0]]), np.array([[1e6]]))
    assert at(evidence, 0.0) == -np.inf
    assert find_intervals(evidence).low[0] > 0


def test_counts_of_five_thousand_million_keep_their_digits():
    real, synthetic = shares(0, COARSE_EDGES) * 5000, shares(1.8124, COARSE_EDGES) * 5000
    points = []
    for n_target in (1e7, 5e9):
        target = n_target * (0.99 * shares(0, COARSE_EDGES) + 0.01 * shares(1.8124, COARSE_EDGES))
        evidence = Evidence.closed(real[None], synthetic[None], target[None])
        points.append(find_intervals(evidence))
    assert points[1].point[0] == pytest.approx(points[0].point[0], abs=2e-5)
    assert points[1].high[0] == pytest.approx(points[0].high[0], rel=0.01)
