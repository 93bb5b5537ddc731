"""Study of coverage_bench in which a target departs from its calibration in one way, or in two.

One world: real scores N(0, 1), three generators at 2.6, 1.8 and .9 in equal parts, a calibration
of 20 clean shards of 50 and 333 samples a generator, a target of 10⁵. The calibration is pooled:
counted by source it would widen the set, and one target would take ten seconds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from coverage_scores import summary
from scipy.stats import chi2, norm

from madaudit.estimation import LabelChecks, allocate
from madaudit.estimation.counts import coarse_groups
from madaudit.estimation.detectable import least_prevalence
from madaudit.estimation.intervals import Found, find_intervals
from madaudit.estimation.labels import corrected_interval
from madaudit.estimation.likelihood import Evidence, solve
from madaudit.estimation.tiers import LEAST_FIT, widened
from madaudit.types import Interval

AXES = {
    "weak": "of synthetic samples .3 are told half as well",
    "undetectable": "of synthetic samples .3 look real",
    "shards": "mean real scores of shards, and of the target, vary by SD .1",
    "spread": "all scores of the target spread 1.2 times as far",
    "mix": "the target has .1, .1 and .8 of the generators, the weakest the most",
    "duplicates": "every sample of the target is there ten times, which is known",
    "missing": "of synthetic samples .2 and of real ones .01 have no score",
    "audit": "labellers call .005 of real samples synthetic and .1 of synthetic ones real",
}
TIERS = ("detectable", "closed", "set", "headline", "adjudicated")
N_TARGET = 100_000
_EDGES = np.r_[-np.inf, np.linspace(-5, 9, 113), np.inf]
_GENERATORS = (2.6, 1.8, 0.9)
_SHARDS, _PER_SHARD, _PER_GENERATOR = 20, 50, 333
_N_LABELS, _CHECKS = 1000, 150
# Targets whose labels are corrected for error, which takes about .3 s each.
_MOST_CORRECTED = 25
_ERRORS = (0.005, 0.1)
Cell = dict[str, Any]


def choices() -> list[list[str]]:
    """No axis, each alone, each pair."""
    return [list(axes) for n in (0, 1, 2) for axes in itertools.combinations(AXES, n)]


class Target(NamedTuple):
    """One data set and its calibration, on coarse bins; the last of `pools` has no score.

    Attributes:
        real, synthetic: calibration counts (bins,).
        pools: real and synthetic samples of the target (2, bins + 1).
        ratio: n_eff / N.
        least: the detectable bound of the scored samples, on all bins.
    """

    real: np.ndarray
    synthetic: np.ndarray
    pools: np.ndarray
    ratio: float
    least: float

    @property
    def missing_share(self) -> float:
        return float(self.pools[:, -1].sum() / self.pools.sum())

    @property
    def scored(self) -> np.ndarray:
        return np.asarray(self.pools[:, :-1].sum(axis=0) * self.ratio)


def study_pairs(cell: Cell, replicates: int, seed: int) -> Cell:
    """Coverage of every tier; the headline is that without labels."""
    axes, pi = frozenset(cell["axes"]), cell["pi"]
    numbers = [list(AXES).index(name) for name in cell["axes"]]
    generator = np.random.default_rng([seed, 7, round(1e6 * pi), *numbers])
    targets = [drawn(axes, pi, generator) for _ in range(replicates)]
    fits, weights = closed_fits(targets)
    found = {
        "detectable": [bounded(one.least, 1.0, one) for one in targets],
        "closed": [
            bounded(fit[0], fit[2], one, fit[1]) for fit, one in zip(fits, targets, strict=True)
        ],
        "set": [
            bounded(min(fit[0], one.least), min(fit[2] / 0.5, 1.0), one, fit[1])
            for fit, one in zip(fits, targets, strict=True)
        ],
    }
    are_fit = fits[:, 3] >= LEAST_FIT
    floor = Interval(0.0, None, 1.0)
    pairs = zip(are_fit, found["detectable"], strict=True)
    found["headline"] = [one if is_fit else floor for is_fit, one in pairs]
    found["adjudicated"] = adjudicated(axes, targets, weights, generator)
    kept = {name: judged(parts, pi) for name, parts in found.items()}
    return {**kept, "refused": float((~are_fit).mean())}


def bounded(low: float, high: float, target: Target, point: float | None = None) -> Interval:
    """Of all samples: those without a score may be anything, and then there is no point."""
    interval = Interval(float(low), None if point is None else float(point), float(high))
    return widened(interval, target.missing_share)


def by_bins(rows: list[Any], fit: Callable[[list[Any]], np.ndarray], width: int) -> np.ndarray:
    """What `fit` finds of rows, those of one number of bins together (rows, width)."""
    found = np.zeros((len(rows), width))
    sizes = np.array([len(row[0]) for row in rows])
    for size in np.unique(sizes):
        places = np.flatnonzero(sizes == size)
        found[places] = fit([rows[place] for place in places])
    return found


def closed_fits(targets: list[Target]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Low, point, high and the fit's p-value (targets, 4); w of each by bin."""
    weights: dict[int, np.ndarray] = {}

    def fit(rows: list[Any]) -> np.ndarray:
        parts = [np.stack(part) for part in zip(*(row[:3] for row in rows), strict=True)]
        evidence = Evidence.closed(*parts)
        found: Found = find_intervals(evidence)
        pi = np.clip(found.point, 1e-6, 1 - 1e-6)[:, None]
        solved = solve(evidence, pi, 1 - pi).synthetic
        weights.update((row[3], weight) for row, weight in zip(rows, solved, strict=True))
        freedom = parts[0].shape[1] - 2
        p_values = chi2.sf(-2.0 * found.loglik, freedom)
        return np.stack([found.low, found.point, found.high, p_values], axis=1)

    rows = [(one.real, one.synthetic, one.scored, at) for at, one in enumerate(targets)]
    found = by_bins(rows, fit, 4)
    return found, [np.clip(weights[at], 0.0, 1.0) for at in range(len(targets))]


def drawn(axes: frozenset[str], pi: float, generator: np.random.Generator) -> Target:
    real, synthetic = calibration(axes, generator)
    classes = drawn_target(axes, pi, generator)
    groups = coarse_groups(real, synthetic)
    ratio = 0.1 if "duplicates" in axes else 1.0
    pools, kept_in_all = [], np.zeros(len(real))
    for counts, share in zip(classes, (0.01, 0.2), strict=True):
        lost = generator.binomial(counts, share if "missing" in axes else 0.0)
        kept_in_all += counts - lost
        pools.append(np.append(np.bincount(groups, counts - lost), lost.sum()))
    least = least_prevalence(real, kept_in_all * ratio)
    coarse = (np.bincount(groups, counts) for counts in (real, synthetic))
    return Target(*coarse, np.array(pools), ratio, least)


def judged(intervals: list[Interval], pi: float) -> Cell:
    """As `summary` has it; no error where intervals have no point."""
    low, high = ([getattr(one, name) for one in intervals] for name in ("low", "high"))
    points = [one.point for one in intervals]
    has_points = None not in points
    scores = summary(low, points if has_points else low, high, pi)
    kept = {name: scores[name] for name in scores if has_points or name not in ("mae", "bias")}
    return {**kept, "replicates": len(intervals)}


def shares(mean: float, spread: float = 1.0) -> np.ndarray:
    return np.diff(norm.cdf((_EDGES - mean) / spread))


def calibration(
    axes: frozenset[str], generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    means = generator.normal(0.0, 0.1 if "shards" in axes else 0.0, _SHARDS)
    real = [generator.multinomial(_PER_SHARD, shares(mean)) for mean in means]
    synthetic = [generator.multinomial(_PER_GENERATOR, shares(mean)) for mean in _GENERATORS]
    return np.sum(real, axis=0).astype(float), np.sum(synthetic, axis=0).astype(float)


def drawn_target(
    axes: frozenset[str], pi: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Real and synthetic samples by bin; of the latter exactly a share π."""
    copies = 10 if "duplicates" in axes else 1
    spread = 1.2 if "spread" in axes else 1.0
    weak = 0.3 if "weak" in axes else 0.0
    real = shares(generator.normal(0.0, 0.1) if "shards" in axes else 0.0, spread)
    mix = (0.1, 0.1, 0.8) if "mix" in axes else (1 / 3, 1 / 3, 1 / 3)
    synthetic = sum(
        share * ((1 - weak) * shares(mean, spread) + weak * shares(mean / 2, spread))
        for share, mean in zip(mix, _GENERATORS, strict=True)
    )
    if "undetectable" in axes:
        synthetic = 0.7 * synthetic + 0.3 * real
    n = N_TARGET // copies
    n_synthetic = round(pi * n)
    return (
        generator.multinomial(n - n_synthetic, real) * copies,
        generator.multinomial(n_synthetic, synthetic) * copies,
    )


def adjudicated(
    axes: frozenset[str],
    targets: list[Target],
    weights: list[np.ndarray],
    generator: np.random.Generator,
) -> list[Interval]:
    """The adjudicated tier of 1,000 labels drawn by score."""
    has_errors = "audit" in axes
    rows = []
    for target, weight in zip(targets, weights, strict=True):
        # Samples without a score are a bin of their own for the draw.
        pools = target.pools if target.missing_share else target.pools[:, :-1]
        expected = float((weight * target.scored).sum() / target.scored.sum())
        chances = np.append(weight, expected)[: pools.shape[1]]
        wanted = allocate(pools.sum(axis=0), chances, _N_LABELS)
        synthetic = generator.hypergeometric(*pools[::-1].astype(np.int64), wanted)
        if has_errors:
            called = generator.binomial(wanted - synthetic, _ERRORS[0])
            synthetic = called + generator.binomial(synthetic, 1 - _ERRORS[1])
        counts = (wanted - synthetic, synthetic)
        worth = np.maximum(pools.sum(axis=0) * target.ratio, wanted)
        rows.append([np.asarray(part, dtype=float) for part in (*counts, worth)])
    if has_errors:
        return [corrected(row, generator) for row in rows[:_MOST_CORRECTED]]

    def fit(chosen: list[Any]) -> np.ndarray:
        parts = (np.stack(part) for part in zip(*chosen, strict=True))
        return np.stack(find_intervals(Evidence.adjudicated(*parts))[:3], axis=1)

    return [Interval(*map(float, found)) for found in by_bins(rows, fit, 3)]


def corrected(row: list[np.ndarray], generator: np.random.Generator) -> Interval:
    """By 300 blind checks of the labellers, half of each class."""
    first, second = (int(generator.binomial(_CHECKS, share)) for share in _ERRORS)
    evidence = Evidence.adjudicated(*(part[None] for part in row))
    return corrected_interval(evidence, LabelChecks(_CHECKS, first, _CHECKS, second))
