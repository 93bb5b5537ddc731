"""Whether intervals hold, over and over, and that they fail where they must.

400 draws at a true coverage of .95 give fewer than 362 with probability < 1e-4; .85 is caught.
The accuracy wanted is that of the method's benchmark at 16 bins, error times 1.3, width times 1.2.
"""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.estimation.counts import coarse_groups
from madaudit.estimation.detectable import least_prevalence
from madaudit.estimation.intervals import find_intervals
from madaudit.estimation.labels import LabelChecks, allocate, corrected_interval
from madaudit.estimation.likelihood import Evidence, solve
from tests.estimation.score_worlds import draw, mixture, shares

pytestmark = pytest.mark.slow

_REPLICATES = 400
_COVERED = 362
# (n, π): mean absolute error and width at N = 1e6, area .9.
_BARS = {
    (200, 0.0): (0.0060, 0.017),
    (200, 0.01): (0.0095, 0.029),
    (200, 0.2): (0.0184, 0.097),
    (200, 0.5): (0.0191, 0.102),
    (1000, 0.0): (0.0028, 0.010),
    (1000, 0.01): (0.0058, 0.020),
    (1000, 0.2): (0.0074, 0.039),
    (1000, 0.5): (0.0092, 0.045),
    (5000, 0.0): (0.0016, 0.0062),
    (5000, 0.01): (0.0029, 0.013),
    (5000, 0.2): (0.0036, 0.018),
    (5000, 0.5): (0.0038, 0.020),
}


def grouped(drawn, n_bins):
    """Evidence on each replicate's own coarse bins, those of one number of bins together."""
    by_size = {}
    for real, synthetic, target in zip(*drawn, strict=True):
        groups = coarse_groups(real, synthetic, n_bins)
        parts = [np.bincount(groups, part) for part in (real, synthetic, target)]
        by_size.setdefault(len(parts[0]), []).append(parts)
    return [np.array(parts).transpose(1, 0, 2) for parts in by_size.values()]


def fit(drawn, n_bins=None):
    found = [find_intervals(Evidence.closed(*parts)) for parts in grouped(drawn, n_bins)]
    return [np.concatenate(part) for part in list(zip(*found, strict=True))[:3]]


def covered(low, high, pi):
    return int(((low <= pi) & (pi <= high)).sum())


@pytest.mark.parametrize(("n", "pi"), _BARS)
def test_the_closed_interval_covers_and_is_as_sharp_as_the_benchmark(n, pi):
    drawn = draw(pi, n=n, n_target=10**6, replicates=_REPLICATES, seed=11)
    low, point, high = fit(drawn, n_bins=16)
    error, width = _BARS[n, pi]
    assert covered(low, high, pi) >= _COVERED
    assert np.abs(point - pi).mean() <= 1.3 * error
    assert (high - low).mean() <= 1.2 * width


@pytest.mark.parametrize("pi", [0.0, 0.05, 0.9, 1.0])
@pytest.mark.parametrize("n", [200, 1000, 5000])
def test_the_interval_covers_at_the_rules_own_bins(n, pi):
    drawn = draw(pi, n=n, n_target=10**4, replicates=_REPLICATES, seed=12)
    low, _, high = fit(drawn)
    assert covered(low, high, pi) >= _COVERED


@pytest.mark.parametrize("pi", [0.05, 0.5])
@pytest.mark.parametrize("shift", [0.0, 0.1, 0.3])
def test_the_interval_covers_however_alike_the_classes_are(shift, pi):
    """In 16 bins, where many templates bend to noise, it covers about .6 of equal classes."""
    generator = np.random.default_rng(21)
    mixed = (1 - pi) * shares() + pi * shares(shift)
    drawn = [
        generator.multinomial(size, part, _REPLICATES).astype(float)
        for size, part in ((1000, shares()), (1000, shares(shift)), (100_000, mixed))
    ]
    low, _, high = fit(drawn)
    assert covered(low, high, pi) >= _COVERED
    low, _, high = fit(drawn, n_bins=16)
    assert shift > 0 or covered(low, high, pi) < 0.85 * _REPLICATES


@pytest.mark.parametrize("pi", [0.2, 0.5])
def test_the_closed_interval_must_fail_under_an_unseen_weaker_generator(pi):
    """The guard against a simulator that leaks; the set for unseen generators holds."""
    drawn = draw(pi, n=1000, n_target=10**6, replicates=_REPLICATES, seed=13, unseen=0.5)
    low, _, high = fit(drawn)
    assert covered(low, high, pi) < 0.1 * _REPLICATES
    assert covered(low, high / 0.5, pi) >= _COVERED


@pytest.mark.parametrize("pi", [0.0, 0.05, 0.5])
def test_the_lower_bound_holds_whatever_synthetic_samples_look_like(pi):
    drawn = draw(pi, n=1000, n_target=10**6, replicates=_REPLICATES, seed=14, unseen=0.5)
    bounds = [least_prevalence(*pair) for pair in zip(drawn.real, drawn.target, strict=True)]
    # At .975 fewer than 377 of 400 have probability < 1e-3.
    assert sum(bound <= pi for bound in bounds) >= 377


def labelled(pi, n_labels, *, unseen, error0=0.0, error1=0.0, seed=15):
    """Labels by the design on the closed fit's bins, of 400 targets of 1e6."""
    generator = np.random.default_rng(seed)
    starts = np.flatnonzero(
        np.diff(coarse_groups(shares() * 1e6, shares(1.8124) * 1e6, 16), prepend=-1)
    )
    drawn = draw(0.0, n=1000, n_target=1, replicates=_REPLICATES, seed=seed)
    n_synthetic = generator.binomial(10**6, pi, _REPLICATES)
    target1, target0 = (
        np.add.reduceat(generator.multinomial(size, templates), starts, axis=1)
        for size, templates in (
            (n_synthetic, mixture(1.0, unseen=unseen)),
            (10**6 - n_synthetic, mixture(0.0)),
        )
    )
    target = (target1 + target0).astype(float)
    real, synthetic = (np.add.reduceat(part, starts, axis=1) for part in drawn[:2])
    evidence = Evidence.closed(real, synthetic, target)
    point = np.clip(find_intervals(evidence).point, 1e-6, 1 - 1e-6)[:, None]
    weights = solve(evidence, point, 1 - point).synthetic
    wanted = np.array([allocate(*pair, n_labels) for pair in zip(target, weights, strict=True)])
    true = generator.hypergeometric(target1, target0, wanted)
    called = generator.binomial(true, 1 - error1) + generator.binomial(wanted - true, error0)
    return generator, np.array([wanted - called, called, target], dtype=float)


@pytest.mark.parametrize(("pi", "n_labels"), [(0.001, 1000), (0.01, 1000), (0.2, 300)])
@pytest.mark.parametrize("unseen", [0.0, 0.5])
def test_adjudicated_intervals_cover_whether_generators_are_known_or_not(pi, n_labels, unseen):
    _, labels = labelled(pi, n_labels, unseen=unseen)
    found = find_intervals(Evidence.adjudicated(*labels))
    assert covered(found.low, found.high, pi) >= _COVERED


def test_labellers_mistakes_are_covered_once_checks_tell_of_them():
    pi, error0, error1 = 0.05, 0.02, 0.1
    generator, labels = labelled(pi, 1000, unseen=0.0, error0=error0, error1=error1)
    naive = find_intervals(Evidence.adjudicated(*labels))
    corrected = []
    for real, synthetic, target in labels.transpose(1, 0, 2)[:200]:
        checks = LabelChecks(
            150, int(generator.binomial(150, error0)), 150, int(generator.binomial(150, error1))
        )
        evidence = Evidence.adjudicated(real[None], synthetic[None], target[None])
        corrected.append(corrected_interval(evidence, checks))
    assert covered(naive.low, naive.high, pi) < 0.85 * _REPLICATES
    # Of 200 at .95 fewer than 178 have probability < 1e-3.
    assert sum(one.low <= pi <= one.high for one in corrected) >= 178
