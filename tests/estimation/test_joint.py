"""Several generators and joint fits, against the exact solver and the truth."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.errors import InputError
from madaudit.estimation.intervals import find_intervals
from madaudit.estimation.joint import JointModel, Mixing, estimate_generators
from madaudit.estimation.likelihood import Evidence
from tests.estimation.score_worlds import COARSE_EDGES, draw, shares

_SHIFTS = (2.6, 1.8, 0.9)


def generators(pi, parts, *, seed=0, n=1000, n_target=100_000):
    generator = np.random.default_rng(seed)
    templates = np.stack([shares(shift, COARSE_EDGES) for shift in _SHIFTS])
    real = shares(0.0, COARSE_EDGES)
    mixed = (1 - pi) * real + pi * (np.array(parts) @ templates)
    return (
        generator.multinomial(n, real).astype(float),
        generator.multinomial(n, templates).astype(float),
        generator.multinomial(n_target, mixed).astype(float),
    )


@pytest.mark.slow
@pytest.mark.parametrize(("pi", "n_target"), [(0.0, 10**4), (0.1, 10**6), (1.0, 10**4)])
def test_one_generator_is_the_exact_solution(pi, n_target):
    drawn = draw(pi, n=500, n_target=n_target, edges=COARSE_EDGES, seed=5)
    exact = find_intervals(Evidence.closed(*drawn))
    found = estimate_generators(drawn.real[0], drawn.synthetic, drawn.target[0]).prevalence
    for end in ("low", "high"):
        assert getattr(found, end) == pytest.approx(getattr(exact, end)[0], abs=1e-4)
    assert found.point == pytest.approx(exact.point[0], abs=1e-3)


def test_a_target_of_mostly_the_weakest_generator_is_covered_where_a_pooled_template_fails():
    real, synthetic, target = generators(0.4, (0.1, 0.1, 0.8))
    found = estimate_generators(real, synthetic, target)
    pooled = find_intervals(Evidence.closed(real[None], synthetic.sum(axis=0)[None], target[None]))
    assert found.prevalence.low <= 0.4 <= found.prevalence.high
    assert pooled.high[0] < 0.4
    assert sum(found.shares) == pytest.approx(1)


def test_slopes_are_numerical_derivatives():
    real, synthetic, target = generators(0.4, (0.3, 0.3, 0.4))
    model = JointModel(np.vstack([real, synthetic]), target[None])
    counts = model.calibration + 0.5 / 16
    logits = np.log(counts)
    mixing = Mixing(np.array([[0.6, 0.1, 0.1, 0.2]]), np.zeros((1, 4, 0)))
    slope, _ = model._derivatives(counts, logits, mixing)
    for place in ((0, 3), (2, 10)):
        ends = []
        for side in (-1e-5, 1e-5):
            moved = logits.copy()
            moved[place] += side
            ends.append(model._loglik(counts, moved, mixing.shares))
        numerical = (ends[1] - ends[0]) / 2e-5
        assert slope[place[0] * 16 + place[1]] == pytest.approx(numerical, rel=1e-4, abs=1e-3)


def test_an_empty_generator_is_refused():
    with pytest.raises(InputError, match="leave that generator out"):
        estimate_generators(np.ones(4), np.zeros((1, 4)), np.ones(4))
