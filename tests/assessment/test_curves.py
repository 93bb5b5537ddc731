"""What the pictures of a risk are drawn from: bands that hold the point, a map that fits."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from madaudit.assessment import assess_risk, phase_of, trace_of, trajectory_of
from madaudit.simulation import LoopSpec, synthetic_boundary
from madaudit.types import Interval

FRESH = LoopSpec("fresh", bias=0.9)
LOOPS = [FRESH, LoopSpec("augmentation", bias=0.9), LoopSpec("synthetic", bias=0.9)]


def estimate(low, point, high, n=1e6):
    return SimpleNamespace(n=n, prevalence=Interval(low, point, high))


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.loop)
def test_the_bands_are_those_of_the_risk_and_hold_the_point(loop):
    known = estimate(0.1, 0.2, 0.3)
    bands = trajectory_of(known, loop, bias=Interval(0.8, 0.9, 1.0))
    assert bands.harm == assess_risk(known, loop, bias=Interval(0.8, 0.9, 1.0)).by_generation
    for series in (bands.harm, bands.variance, bands.w2_squared):
        assert len(series) == 11
        assert all(each.low <= each.point <= each.high for each in series)


def test_the_trace_is_the_loop_at_the_point_of_the_share():
    trace = trace_of(estimate(0.1, 0.2, 0.3), FRESH)
    bands = trajectory_of(estimate(0.1, 0.2, 0.3), FRESH)
    assert (trace.spec.n_fresh, trace.spec.n_synthetic) == (800_000, 200_000)
    assert [row.w2_squared for row in trace.rows] == pytest.approx(
        [each.point for each in bands.w2_squared]
    )


def test_a_share_that_may_be_all_of_it_leaves_two_real_samples_in_the_trace():
    assert trace_of(estimate(0.1, None, 1.0), FRESH).spec.n_fresh == 2


def test_the_diagram_is_the_risk_at_its_cells():
    diagram = phase_of(estimate(0.1, 0.2, 0.3), FRESH)
    row, column = 20, 30
    share, bias = diagram.shares[column], diagram.biases[row]
    risk = assess_risk(estimate(share, share, share), LoopSpec("fresh", bias=bias))
    assert diagram.levels[row][column] == risk.level
    assert diagram.n_effective_ratio[row][column] == pytest.approx(risk.n_effective_ratio.point)
    assert diagram.biases[-1] == 1.0


def test_harm_grows_with_the_share_and_with_bias():
    harm = np.array(phase_of(estimate(0.1, 0.2, 0.3), FRESH).harm)
    assert np.all(np.diff(harm, axis=1) >= -1e-12)
    assert np.all(np.diff(harm, axis=0) <= 1e-12)


def test_its_lines_are_the_tolerance_and_the_boundary_of_the_theory():
    diagram = phase_of(estimate(0.1, 0.2, 0.3), FRESH, tolerance=0.01)
    assert diagram.boundary[-1] is None  # unbiased synthetic samples help always
    row = 20
    within = [h <= 0.01 for h in diagram.harm[row]]
    assert diagram.tolerated[row] == diagram.shares[within.index(False) - 1]
    # At the boundary's share of a million samples, about as many synthetic ones are the most.
    spec = LoopSpec("fresh", bias=diagram.biases[row])
    share = diagram.boundary[row]
    most = synthetic_boundary(spec, {"n_fresh": np.array([1e6 * (1 - share)])})[0]
    assert most <= 1e6 * share
    before = diagram.shares[diagram.shares.index(share) - 1]
    assert synthetic_boundary(spec, {"n_fresh": np.array([1e6 * (1 - before)])})[0] >= 1e6 * before


def test_the_axes_are_wide_enough_for_the_data_set():
    diagram = phase_of(estimate(1e-6, 2e-6, 3e-6), FRESH, bias=Interval(0.2, None, 0.4))
    assert diagram.shares[0] <= 1e-6
    assert diagram.biases[0] <= 0.2


def test_json_is_json():
    known = estimate(0.1, None, 1.0)
    content = [phase_of(known, FRESH).to_dict(), trajectory_of(known, FRESH).to_dict()]
    diagram, bands = json.loads(json.dumps(content, allow_nan=False))
    assert len(diagram["harm"]) == len(diagram["biases"])
    assert bands["harm"][-1]["high"] is None
