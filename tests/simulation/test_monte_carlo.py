"""Sufficient statistics against loops that draw every sample, and the reference's figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp, wishart

from madaudit.simulation import Filter, LoopSpec, sample_loop
from madaudit.simulation.monte_carlo import simulate_replicates, wishart_root
from madaudit.simulation.wasserstein import effective_samples, real_only
from tests.simulation.loop_grid import draw_naively

_KINDS = [
    LoopSpec("fresh", n_fresh=6, n_synthetic=9, bias=0.8, generations=3, dim=2),
    LoopSpec("augmentation", n_fixed=6, n_synthetic=9, n_initial=4, generations=3, dim=2),
    LoopSpec("augmentation", pool="accumulate", n_fixed=6, n_synthetic=4, bias=0.9, generations=3),
    LoopSpec("fresh", n_fresh=6, n_synthetic=8, memory=2, real_weight=3.0, generations=3),
    LoopSpec("synthetic", n_synthetic=3, generations=2, dim=3),
    LoopSpec("fresh", n_fresh=9, n_synthetic=9, filters=Filter(0.5, 0.2), model_error=0.2),
]


def smallest_p(spec, n_runs, seed):
    """The least p of Kolmogorov and Smirnov's test over what both engines measure."""
    generator = np.random.default_rng(seed)
    runs = simulate_replicates(spec, n_runs, generator)
    naive = [draw_naively(spec, generator)[-1] for _ in range(n_runs)]
    measured = (
        ([float(mean @ mean) for mean, _ in naive], runs.mean_error[-1]),
        ([float(np.trace(cov)) / spec.dim for _, cov in naive], runs.variance_ratio[-1]),
        (
            [float(np.sqrt(np.maximum(np.linalg.eigvalsh(cov), 0.0)).sum()) for _, cov in naive],
            (runs.mean_error[-1] + spec.dim * (1 + runs.variance_ratio[-1]) - runs.w2_squared[-1])
            / 2.0,
        ),
    )
    return min(ks_2samp(one, other).pvalue for one, other in measured)


@pytest.mark.slow
@pytest.mark.parametrize("spec", _KINDS, ids=lambda spec: f"{spec.loop}-{spec.pool}-{spec.dim}")
def test_it_has_the_distribution_of_naive_sampling(spec):
    assert smallest_p(spec, 300, seed=1) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("spec", _KINDS[:3], ids=lambda spec: f"{spec.loop}-{spec.pool}")
def test_it_has_the_distribution_of_naive_sampling_at_ten_thousand_runs(spec):
    assert smallest_p(spec, 10_000, seed=2) > 1e-3


def test_it_would_be_told_from_a_slightly_wrong_loop():
    """The comparison can fail: λ = .7 against .8 is seen at 10,000 runs."""
    spec, wrong = (
        LoopSpec("fresh", n_fresh=6, n_synthetic=9, bias=bias, generations=3)
        for bias in (0.8, 0.7)
    )
    runs = [
        simulate_replicates(each, 10_000, np.random.default_rng(seed)).variance_ratio[-1]
        for seed, each in enumerate((spec, wrong))
    ]
    assert ks_2samp(*runs).pvalue < 1e-3


@pytest.mark.parametrize("degrees", [2, 3, 7])
def test_bartletts_factor_is_scipys_wishart(degrees):
    """With 3 dimensions; two degrees give a singular matrix, compared by its trace alone."""
    generator = np.random.default_rng(5)
    factor = wishart_root(generator, degrees, (4000, 3))
    ours = factor @ np.swapaxes(factor, 1, 2)
    if degrees < 3:
        normals = generator.standard_normal((4000, 3, degrees))
        theirs = normals @ np.swapaxes(normals, 1, 2)
    else:
        theirs = wishart(degrees, np.eye(3)).rvs(4000, random_state=generator)
    for measure in (np.trace, lambda m, **_: m[:, 0, 1], lambda m, **_: m[:, 2, 2]):
        assert (
            ks_2samp(measure(ours, axis1=1, axis2=2), measure(theirs, axis1=1, axis2=2)).pvalue
            > 1e-4
        )


def test_the_same_seed_gives_the_same_rows():
    spec = LoopSpec("fresh", n_fresh=5, n_synthetic=5, dim=2, generations=3)
    assert sample_loop(spec, 20, (7,)).rows == sample_loop(spec, 20, (7,)).rows
    assert sample_loop(spec, 20, (7,)).rows != sample_loop(spec, 20, (8,)).rows


def test_a_model_with_an_error_is_farther_away_by_it():
    plain, erring = (
        sample_loop(LoopSpec("fresh", n_fresh=5000, n_synthetic=1, model_error=error), 4000).rows[
            0
        ]
        for error in (0.0, 0.1)
    )
    assert erring.w2_squared - plain.w2_squared == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("n", "expected"), [(100, 31.9), (250, 11.1), (1000, 2.68), (10_000, 0.263), (10**5, 0.0263)]
)
def test_real_samples_alone_are_the_references_curve(n, expected):
    assert 100 * real_only(n, 100.0) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("n", [10, 1000, 5e9])
@pytest.mark.parametrize("d", [1.0, 100.0])
def test_effective_samples_undo_the_curve_of_real_samples(n, d):
    assert effective_samples(real_only(n, d), d) == pytest.approx(n, rel=1e-6)


# gomad.md §3.4 at d = 100: options, generation, E W2².
_REFERENCE = [
    *(
        ({"loop": "fresh", "n_fresh": 100, "n_synthetic": 900, "n_initial": 100}, t, w)
        for t, w in ((0, 32.0), (1, 24.5), (3, 18.6), (5, 15.8), (10, 13.4), (20, 12.4))
    ),
    *(
        ({"loop": "fresh", "n_fresh": 100, "n_synthetic": 900, "n_initial": 1000}, t, w)
        for t, w in ((0, 2.66), (1, 4.78), (3, 7.7), (5, 9.5), (10, 11.4), (20, 12.1))
    ),
    *(
        (
            {"loop": "fresh", "n_fresh": 100, "n_synthetic": 900, "n_initial": 100, "bias": 0.8},
            t,
            w,
        )
        for t, w in ((1, 21.8), (3, 16.7), (5, 16.8), (10, 19.4), (20, 20.5))
    ),
    *(
        ({"loop": "augmentation", "n_fixed": 1000, "n_synthetic": 1000}, t, w)
        for t, w in ((0, 2.64), (1, 3.29), (5, 3.47), (10, 3.48))
    ),
    *(
        (
            {
                "loop": "augmentation",
                "pool": "accumulate",
                "n_fixed": 1000,
                "n_synthetic": 1000,
                "bias": bias,
            },
            t,
            w,
        )
        for bias, t, w in ((1.0, 5, 3.88), (1.0, 10, 4.05), (0.8, 5, 5.05), (0.8, 10, 6.56))
    ),
]


@pytest.mark.slow
def test_the_references_trajectories_come_out_within_three_percent():
    runs = {}
    for options, generation, expected in _REFERENCE:
        name = str(options)
        if name not in runs:
            last = max(t for other, t, _ in _REFERENCE if other == options)
            runs[name] = sample_loop(LoopSpec(**options, dim=100, generations=last), 40).rows
        assert runs[name][generation].w2_squared == pytest.approx(expected, rel=0.03), name
