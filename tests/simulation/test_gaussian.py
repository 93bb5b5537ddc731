"""Exact moments against replicates of the loop, fixed points, and the figures of the paper."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from madaudit.simulation import (
    Filter,
    LoopSpec,
    gaussian,
    limit_of,
    moments_by_generation,
    n_effective,
    predict,
    synthetic_boundary,
)
from madaudit.simulation.limits import best_real_share, sample_ceiling
from madaudit.simulation.monte_carlo import simulate_replicates
from madaudit.simulation.training_sets import Numbers, training_set
from tests.simulation.loop_grid import grid, name_of, odd_loops

# Monte Carlo at generation 60, 200,000 replicates: E δ², E σ² (reference/simulation.md).
MEASURED = [
    ((100, 100, 1.0), 0.006667, 1.00317),
    ((100, 100, 0.9), 0.006049, 0.91198),
    ((100, 400, 1.0), 0.005555, 1.00451),
    ((1000, 100, 0.9), 0.000908, 0.99022),
    ((1000, 1000, 0.99), 0.000659, 0.99044),
    ((50, 950, 1.0), 0.010310, 1.00905),
]


def fresh(n_fresh, n_synthetic, bias=1.0, **options):
    return LoopSpec("fresh", n_fresh=n_fresh, n_synthetic=n_synthetic, bias=bias, **options)


def errors_in_standard_errors(spec, n_replicates, seed):
    """How far replicates are from the exact mean error and variance level, by generation."""
    runs = simulate_replicates(spec, n_replicates, np.random.default_rng(seed))
    exact = moments_by_generation(spec)
    pairs = (
        (runs.mean_error, exact.m[:, 0] * sum(spec.eigenvalues)),
        (runs.variance_ratio, exact.s[:, 0]),
    )
    return np.concatenate(
        [
            np.abs(measured.mean(axis=1) - expected)
            / (measured.std(axis=1, ddof=1) / np.sqrt(n_replicates))
            for measured, expected in pairs
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize("spec", odd_loops(), ids=name_of)
@pytest.mark.parametrize("dim", [1, 3])
def test_odd_loops_have_the_moments_of_their_replicates(spec, dim):
    spec = dataclasses.replace(spec, dim=dim)
    # 4.5 standard errors: a false alarm in 460 numbers of these loops has a chance of 0.3 %.
    assert errors_in_standard_errors(spec, 4000, seed=1).max() < 4.5


def test_a_loop_with_a_spectrum_has_the_moments_of_its_replicates():
    spec = fresh(30, 60, 0.8, dim=3, spectrum=(4.0, 1.0, 0.1), generations=5)
    assert errors_in_standard_errors(spec, 4000, seed=2).max() < 4.0


def part_by_part(spec):
    """The general recursion, which holds every part of every generation."""
    numbers = Numbers(spec)
    rows = gaussian._Rows(spec.generations + 1, 1)
    for generation in range(spec.generations + 1):
        parts = [part for part in training_set(numbers, generation) if part.n.any()]
        gaussian._train(rows, generation, parts, numbers.at("model_error", generation))
    return np.array([rows.m, rows.s, rows.a, rows.b])


@pytest.mark.parametrize(
    "options",
    [
        {"loop": "augmentation", "n_fixed": 20, "n_synthetic": 30, "bias": 0.9},
        {"loop": "augmentation", "n_fixed": 20, "n_synthetic": 30, "n_initial": 50},
        {"loop": "augmentation", "n_fixed": 20, "n_synthetic": 30, "n_initial": 7,
         "real_weight": 2.0, "model_error": 0.1, "filters": Filter(0.3, 0.1)},
        {"loop": "fresh", "n_fresh": 20, "n_fixed": 11, "n_synthetic": range(0, 100, 10),
         "bias": 0.7, "model_error": 0.02},
        {"loop": "synthetic", "n_synthetic": 20, "n_initial": 9, "bias": 0.8},
    ],
    ids=["plain", "first", "weighted", "growing", "synthetic"],
)  # fmt: skip
@pytest.mark.parametrize("pool", ["accumulate", "replace"])
def test_short_recursions_are_the_one_part_by_part(options, pool):
    spec = LoopSpec(**options, pool=pool)
    assert np.array(moments_by_generation(spec)) == pytest.approx(part_by_part(spec), rel=1e-10)


@pytest.mark.parametrize(
    "options",
    [
        {"loop": "augmentation", "n_fixed": 4000, "n_synthetic": 6000, "bias": 0.9},
        {"loop": "fresh", "n_fresh": 4000, "n_fixed": 2000, "n_synthetic": 6000, "bias": 0.9,
         "real_weight": 2.0, "model_error": 0.1, "filters": Filter(0.3, 0.1)},
        {"loop": "synthetic", "n_synthetic": 20_000, "n_initial": 9000, "bias": 0.8},
    ],
    ids=["augmentation", "weighted", "synthetic"],
)  # fmt: skip
def test_running_sums_of_a_subsampled_pool_are_the_recursion_part_by_part(options):
    """But for whole numbers, which the running sums do not need."""
    spec = LoopSpec(**options, pool="subsample")
    running, parts = np.array(moments_by_generation(spec)), part_by_part(spec)
    assert running[:2] == pytest.approx(parts[:2], rel=1e-3)
    assert running[3] == pytest.approx(parts[3], rel=0.01)


@pytest.mark.slow
def test_the_grid_has_the_moments_of_its_replicates():
    """Within three standard errors everywhere.

    Of 270 numbers one is expected beyond three by chance, so a loop beyond is run again, with ten
    times the replicates: it must be within three there. False alarm: 270 × .0027² = .2 %.
    """
    for number, spec in enumerate(grid(dims=(1, 3, 8))):
        last = [spec.generations, -1]
        if errors_in_standard_errors(spec, 4000, seed=number)[last].max() > 3.0:
            again = errors_in_standard_errors(spec, 40_000, seed=1000 + number)[last]
            assert again.max() < 3.0, name_of(spec)


@pytest.mark.parametrize(("numbers", "mean_error", "variance"), MEASURED)
def test_the_moments_are_those_of_two_hundred_thousand_runs(numbers, mean_error, variance):
    row = predict(fresh(*numbers, generations=60)).rows[-1]
    assert row.mean_error == pytest.approx(mean_error, rel=0.01)
    assert row.variance_ratio == pytest.approx(variance, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [
        spec
        for spec in (*grid(dims=(1,)), *odd_loops())
        if spec.pool == "replace" and spec.loop != "synthetic"
    ],
    ids=name_of,
)
def test_the_fixed_point_is_where_the_recursion_ends(spec):
    steady = limit_of(spec)
    assert steady.is_closed
    last = {name: spec.at(name, spec.generations) for name in ("n_fresh", "n_synthetic", "bias")}
    run = moments_by_generation(dataclasses.replace(spec, **last, generations=200))
    assert run.m[-1] == pytest.approx(steady.moments.m, rel=1e-9)
    assert run.s[-1] == pytest.approx(steady.moments.s, rel=1e-9)
    # Models of several generations count as one in the spread of the term between parts.
    assert run.beta[-1] == pytest.approx(
        steady.moments.beta, rel=0.15 if spec.memory > 1 else 1e-9
    )


def test_the_fixed_point_does_not_depend_on_the_start():
    far = predict(fresh(100, 100, n_initial=10, generations=40)).rows[-1]
    near = predict(fresh(100, 100, n_initial=10**6, generations=40)).rows[-1]
    assert far.w2_squared == pytest.approx(near.w2_squared, rel=1e-9)


def test_the_distance_from_the_fixed_point_shrinks_by_the_contraction():
    spec = fresh(100, 900, 0.9, n_initial=20, generations=60)
    steady, run = limit_of(spec), moments_by_generation(spec)
    distance = np.abs(run.s[:, 0] - steady.moments.s)
    assert distance[40] / distance[39] == pytest.approx(steady.contraction[0], rel=0.02)


def test_many_cells_are_the_loops_one_by_one():
    sizes, biases = np.array([50.0, 500.0, 5e9]), np.array([1.0, 0.9, 0.5])
    many = moments_by_generation(
        LoopSpec("fresh"), {"n_fresh": sizes, "n_synthetic": sizes, "bias": biases}
    )
    for cell, (n, bias) in enumerate(zip(sizes, biases, strict=True)):
        one = moments_by_generation(fresh(int(n), int(n), bias))
        assert np.allclose([a[:, cell] for a in many], [a[:, 0] for a in one], rtol=1e-12)


def test_unbiased_synthetic_data_is_worth_at_most_the_real_data_again():
    ratios = n_effective(LoopSpec("fresh"), {"n_fresh": 10**6, "n_synthetic": [1e5, 1e6, 1e9]})
    assert ratios / 1e6 == pytest.approx([1 + 1 / 11, 1.5, 1.999], rel=1e-3)


def test_a_web_scale_set_loses_what_a_small_one_does_not():
    """n_e / n_r at a = .01 and n_r = 1e9, from the reference's table."""
    given = {"n_fresh": 1e9, "n_synthetic": 1e9 / 99, "bias": [1.0, 0.999, 0.99, 0.9, 0.5]}
    ratios = n_effective(LoopSpec("fresh"), given) / 1e9
    assert ratios == pytest.approx([1.01, 0.993, 0.372, 0.0059, 0.0002], rel=0.02, abs=5e-5)


def test_the_ceiling_is_the_references_table():
    table = sample_ceiling([[0.01], [0.5]], [0.9999, 0.999, 0.99, 0.9, 0.5])
    assert table[0] == pytest.approx([5.9e12, 5.9e10, 5.9e8, 5.9e6, 2.4e5], rel=0.02)
    assert table[1] == pytest.approx([6.0e8, 6.0e6, 6.1e4, 693, 45], rel=0.01)


def test_no_number_of_samples_has_a_ceiling_without_bias():
    assert np.isinf(sample_ceiling([0.0, 0.5], [0.5, 1.0])).all()


def test_the_phase_boundary_is_the_papers_and_infinite_without_bias():
    """n_s* for n_r → ∞ at d = 100: gomad.md §3.3."""
    given = {"n_fresh": 1e8, "bias": [0.5, 0.7, 0.85, 0.9, 1.0]}
    boundary = synthetic_boundary(LoopSpec("fresh", dim=100), given)
    assert boundary[:4] == pytest.approx([428, 1247, 4929, 10944], rel=0.003)
    assert np.isinf(boundary[4])


def test_the_effective_samples_are_the_real_ones_at_the_boundary():
    spec = LoopSpec("fresh", bias=0.9)
    boundary = synthetic_boundary(spec, {"n_fresh": 1000})
    at = n_effective(spec, {"n_fresh": 1000, "n_synthetic": boundary})
    assert at == pytest.approx(1000, rel=0.01)


@pytest.mark.parametrize("k", [0.01, 1.0, 30.0])
def test_the_best_weight_is_where_the_mean_error_is_least(k):
    n_real, n_synthetic = 10_000, round(10_000 / k)
    share = best_real_share(n_real, n_synthetic)
    weights = share / (1 - share) * n_synthetic / n_real * np.array([0.9, 1.0, 1.1])
    given = {"n_fresh": n_real, "n_synthetic": n_synthetic, "real_weight": weights}
    low, best, high = limit_of(LoopSpec("fresh"), given).moments.m
    assert best < min(low, high)
    assert best == pytest.approx(share / n_real, rel=1e-3)


def test_without_bias_the_covariance_goes_to_nothing_while_its_mean_stays():
    spec = LoopSpec("synthetic", n_synthetic=10, generations=150)
    runs = simulate_replicates(spec, 4000, np.random.default_rng(3))
    assert np.median(runs.variance_ratio[-1]) < 1e-6
    assert np.quantile(runs.variance_ratio[-1], 0.99) < 0.05
    # So heavy a tail that the mean of replicates cannot show it late; early it does.
    assert runs.variance_ratio[5].mean() == pytest.approx(1.0, abs=0.1)
    rows = predict(spec).rows
    assert all(row.variance_ratio == pytest.approx(1.0, rel=1e-12) for row in rows)
    assert rows[-1].typical_variance < 1e-6


@pytest.mark.slow
def test_the_log_determinant_is_that_of_the_replicates():
    spec = LoopSpec("synthetic", n_synthetic=30, bias=0.9, dim=4, generations=8)
    runs = simulate_replicates(spec, 4000, np.random.default_rng(4)).log_det_ratio[-1]
    error = runs.std() / np.sqrt(len(runs))
    assert predict(spec).rows[-1].log_det_ratio == pytest.approx(runs.mean(), abs=4 * error)


@pytest.mark.slow
def test_the_distance_is_that_of_the_replicates_where_it_is_not_flagged():
    """Plain standard errors of 4,000 replicates; 3.5 in six numbers is a false alarm of .3 %."""
    for spec in (
        fresh(100, 100, 0.9),
        fresh(100, 900, 1.0),
        fresh(200, 200, 1.0),
        fresh(2500, 10_000, 0.95, dim=8),
        fresh(2000, 18_000, 1.0, dim=8),
        fresh(2000, 2000, 0.8, dim=5, spectrum=(9.0, 3.0, 1.0, 0.3, 0.1)),
    ):
        assert not predict(spec).flags
        assert distance_in_errors(spec, 4000, seed=5) < 3.5, name_of(spec)


def test_few_samples_for_the_dimension_are_measured_and_flagged():
    trace = predict(fresh(10, 90, dim=10, generations=2))
    assert "w2_squared is measured on replicates" in trace.flags[0]
    assert all(row.w2_error > 0 for row in trace.rows)
    assert predict(fresh(10_000, 900, dim=10)).rows[-1].w2_error is None


def test_a_dimension_too_large_to_be_measured_is_told_to_be_approximate():
    assert "use Monte Carlo" in predict(fresh(100, 900, dim=300, generations=1)).flags[0]


@pytest.mark.slow
@pytest.mark.parametrize("dim", [1, 2, 5, 20])
def test_the_distance_is_that_of_replicates_also_where_samples_are_as_few_as_dimensions(dim):
    """Within three plain standard errors everywhere, both sides' counted.

    Of 24 numbers a dimension, one in fifteen grids has one beyond by chance, so a loop beyond is
    run again with other replicates: false alarm 24 × .0027² = .02 %.
    """
    n_replicates = 4000 if dim < 20 else 1000
    for n_real in (max(3, dim), 2 * dim + 2, 5 * dim, 20 * dim):
        for share in (0.0, 0.5, 0.9):
            for bias in (1.0, 0.8):
                spec = fresh(n_real, round(n_real * share / (1 - share)), bias, dim=dim,
                             generations=8 if dim < 20 else 3)  # fmt: skip
                if distance_in_errors(spec, n_replicates, seed=1) > 3.0:
                    assert distance_in_errors(spec, n_replicates, seed=2) < 3.0, name_of(spec)


@pytest.mark.slow
def test_the_grid_has_the_distances_of_its_replicates():
    """Loops × pools × n_r × n_s × λ × d, within three plain standard errors; as above.

    False alarm 90 × .0027² = .07 %.
    """
    for number, spec in enumerate(grid(dims=(1, 3))):
        if distance_in_errors(spec, 4000, seed=500 + number) > 3.0:
            assert distance_in_errors(spec, 4000, seed=1000 + number) < 3.0, name_of(spec)


def distance_in_errors(spec, n_replicates, seed):
    row = predict(spec).rows[-1]
    runs = simulate_replicates(spec, n_replicates, np.random.default_rng(seed)).w2_squared[-1]
    error = np.hypot(runs.std(ddof=1) / np.sqrt(n_replicates), row.w2_error or 0.0)
    return abs(runs.mean() - row.w2_squared) / error


def test_accumulating_saturates_without_bias_and_collapses_with_it():
    """π² / 6 of the real-only error for as many synthetic samples a generation as real ones."""
    spec = LoopSpec("augmentation", pool="accumulate", n_fixed=10**6, n_synthetic=10**6)
    assert limit_of(spec).moments.m[0] * 1e6 == pytest.approx(np.pi**2 / 6, rel=1e-3)
    biased = dataclasses.replace(spec, bias=0.8)
    assert limit_of(biased).moments.s[0] == 0.0
    run = moments_by_generation(dataclasses.replace(biased, generations=120))
    slope = np.log(run.s[120, 0] / run.s[60, 0]) / np.log(2)
    assert slope == pytest.approx(-(1 - 0.8), abs=0.01)
