"""Harm and risk: the reference's table, what bounds them, and what is told in words."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from madaudit.assessment import LIMITS, Strata, assess_risk, counts_of, harm_of, level_of
from madaudit.assessment.risk import fresh_real_needed
from madaudit.errors import OptionError
from madaudit.simulation import LoopSpec
from madaudit.types import Interval

FRESH = LoopSpec("fresh", bias=0.9)


def estimate(low, point, high, n=1e9):
    return SimpleNamespace(n=n, prevalence=Interval(low, point, high))


def limit_harm(share, bias, n=1e9):
    spec = LoopSpec("fresh", bias=bias)
    numbers = counts_of(spec, n * (1 - share), n * share)
    return float(harm_of(spec, numbers, n * (1 - share))[1][0])


@pytest.mark.parametrize(
    ("share", "harms"),
    [
        (0.01, (0, 0.0001, 0.0005, 0.0025)),
        (0.05, (0, 0.0003, 0.0026, 0.0129)),
        (0.20, (0, 0.0012, 0.0123, 0.0572)),
        (0.50, (0, 0.0050, 0.0465, 0.1835)),
        (0.90, (0, 0.0422, 0.2745, 0.5736)),
    ],
)
def test_harm_at_web_scale_is_the_references_table(share, harms):
    measured = [limit_harm(share, bias) for bias in (1.0, 0.99, 0.9, 0.5)]
    assert measured == pytest.approx(harms, abs=6e-5)


@pytest.mark.parametrize(("share", "bias"), [(0.5, 1.0), (0.5, 0.999), (0.1, 1.0)])
def test_a_loop_that_helps_has_no_excess(share, bias):
    assert limit_harm(share, bias, n=1000) <= 0.001


def test_real_samples_lost_to_a_cut_are_harm():
    numbers = counts_of(FRESH, [1000.0, 100.0], [0.0, 0.0])
    whole, tenth = harm_of(FRESH, numbers, 1000.0)[1]
    assert whole == pytest.approx(0.0, abs=1e-9)
    # E W2² of n real samples is about 1.5 / n in one dimension.
    assert tenth == pytest.approx(np.sqrt(1.5 / 100 - 1.5 / 1000), rel=0.01)


def test_a_loop_without_samples_is_boundless_harm():
    assert np.isinf(harm_of(FRESH, counts_of(FRESH, 0.0, 0.0), 0.0)[1][0])


def test_a_synthetic_loop_loses_its_diversity_while_its_mean_trace_stays():
    spec = LoopSpec("synthetic", generations=200)
    by_generation, at_limit = harm_of(spec, counts_of(spec, 50.0, 50.0), 50.0)
    assert by_generation[200, 0] > 0.6
    assert np.isinf(at_limit[0])


@pytest.mark.parametrize(
    ("harm", "level"),
    [(0, "none"), (0.001, "low"), (0.049, "elevated"), (0.05, "high"), (np.inf, "critical")],
)
def test_levels_follow_from_harm(harm, level):
    assert level_of(harm) == level


def test_levels_that_do_not_ascend_are_refused():
    with pytest.raises(OptionError, match="ascending harms"):
        assess_risk(estimate(0, 0, 0), FRESH, limits={**LIMITS, "low": 0.9})


def test_a_clean_data_set_is_no_risk():
    risk = assess_risk(estimate(0.0, 0.0, 1e-6), FRESH)
    assert (risk.level, risk.fresh_real_needed, risk.half_life) == ("none", 0, None)
    assert set(risk.by_bias.values()) == {"none"}


def test_harm_widens_with_what_is_not_known():
    narrow = assess_risk(estimate(0.19, 0.2, 0.21), FRESH).at_convergence
    wide = assess_risk(estimate(0.1, 0.2, 0.3), FRESH, bias=Interval(0.8, 0.9, 1.0))
    assert wide.at_convergence.low < narrow.low < narrow.point < narrow.high
    assert wide.at_convergence.high > narrow.high
    assert wide.at_convergence.point == pytest.approx(narrow.point)
    assert wide.at_convergence.level == pytest.approx(0.9)


def test_a_floor_gives_both_ends_and_no_point():
    risk = assess_risk(estimate(0.02, None, 1.0), FRESH)
    assert risk.at_convergence.point is None
    assert (risk.level_at_low, risk.level) == ("low", "critical")


def test_the_level_for_each_bias_is_printed():
    levels = assess_risk(estimate(0.2, 0.2, 0.2), FRESH).by_bias
    assert levels == {1.0: "none", 0.99: "low", 0.9: "elevated", 0.5: "high"}


def test_the_tolerance_is_crossed_when_the_harm_is_above_it():
    risk = assess_risk(estimate(0.5, 0.5, 0.5), FRESH, tolerance=0.04)
    crossed = risk.generations_to_tolerance
    assert risk.by_generation[crossed].high > 0.04 >= risk.by_generation[crossed - 1].high


def test_the_half_life_is_that_of_the_variance():
    """Nothing real: the variance is λ^t, halved at ln 2 / −ln .9 = 6.58 generations."""
    risk = assess_risk(estimate(0.5, 0.5, 0.5), LoopSpec("synthetic", bias=0.9))
    assert risk.half_life == 7


@pytest.mark.parametrize("loop", ["fresh", "augmentation"])
def test_as_much_fresh_real_data_as_is_asked_for_is_enough_and_less_is_not(loop):
    spec = LoopSpec(loop, bias=0.9)
    needed = fresh_real_needed(spec, 1e6, 0.5, 0.01)
    kinds = {"n_synthetic": np.full(2, 5e5), "n_initial": np.full(2, 5e5)}
    extra = np.array([needed, 0.95 * needed])
    if loop == "fresh":
        kinds |= {"n_fresh": 5e5 + extra}
    else:
        kinds |= {"n_fixed": np.full(2, 5e5), "n_fresh": extra}
    enough, less = harm_of(LoopSpec("fresh", bias=0.9), kinds, 5e5)[1]
    assert enough <= 0.01 < less


def test_the_tail_names_the_strata_that_exceed_the_tolerance_worst_first():
    strata = Strata(
        ["sky", "owls", "cats"],
        np.array([1_000_000, 1000, 100_000]),
        np.array([0.0, 0.3, 0.05]),
        np.array([0.01, 0.9, 0.3]),
    )
    tail = assess_risk(estimate(0.01, 0.02, 0.03), FRESH, strata=strata).tail
    assert [name for name, _ in tail.strata] == ["owls", "cats"]
    assert tail.share_possible == pytest.approx(101_000 / 1_101_000)
    assert tail.share_certain == pytest.approx(1000 / 1_101_000)


def test_few_samples_for_the_dimension_are_said():
    few = assess_risk(estimate(0.1, 0.1, 0.1, n=100), LoopSpec("fresh", dim=50))
    assert "few for 50 dimensions" in few.assumptions[-1]
    assert len(assess_risk(estimate(0.1, 0.1, 0.1, n=100), FRESH).assumptions) == 3


def test_json_is_json():
    risk = assess_risk(estimate(0.2, None, 1.0), LoopSpec("synthetic"))
    content = json.loads(json.dumps(risk.to_dict(), allow_nan=False))
    assert content["harm"]["convergence"]["high"] is None
    assert len(content["harm"]["generation"]) == 11


def test_an_estimate_of_nothing_is_refused():
    with pytest.raises(OptionError, match="at least 2 samples"):
        assess_risk(estimate(0, 0, 0, n=0), FRESH)
