"""Studies of coverage_bench for what targets do besides following a calibration.

Clean shards whose scores shift, marks beside scores, generators in another mix, near-duplicates,
and many strata that lean on one another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from coverage_scores import summary
from scipy.stats import chi2, norm

from madaudit.estimation.intervals import find_intervals, search
from madaudit.estimation.joint import estimate_generators
from madaudit.estimation.likelihood import Evidence
from madaudit.estimation.one_sided import Hits, with_hits
from madaudit.estimation.sketch import effective_ratio
from madaudit.estimation.strata import estimate_strata, find_trend, find_worst, gather, shrink
from madaudit.estimation.tilt import ShiftedLikelihood, aligned, find_shift
from madaudit.types import Interval

EDGES = np.r_[-np.inf, np.linspace(-1.5, 3.5, 15), np.inf]
SHIFT = 1.8124
GENERATORS = (2.6, 1.8, 0.9)
Cell = dict[str, Any]


def shares(shift: float) -> np.ndarray:
    return np.diff(norm.cdf(EDGES - shift))


def rows_summary(rows: Any, pi: float) -> Cell:
    return {**summary(*np.array(rows, dtype=float).T, pi), "replicates": len(rows)}


def ends(interval: Interval) -> tuple[float, float, float]:
    return interval.low, interval.point or 0.0, interval.high


def closed(real: Any, synthetic: Any, target: Any) -> list[tuple[float, float, float]]:
    """Closed intervals of replicates (replicates, bins)."""
    parts = (np.array(part, dtype=float) for part in (real, synthetic, target))
    found = find_intervals(Evidence.closed(*parts))
    return list(zip(found.low, found.point, found.high, strict=True))


def study_tilt(cell: Cell, replicates: int, seed: int) -> Cell:
    """Real scores of calibration shards and of the target have means of their own, SD τ."""
    generator = np.random.default_rng([seed, 1])
    drawn, shifts, taken_back = [], [], []
    for _ in range(replicates):
        means = generator.normal(0, cell["spread"], 40)
        shards = np.array([generator.multinomial(1000, shares(mean)) for mean in means], float)
        own = shares(generator.normal(0, cell["spread"]))
        mixture = (1 - cell["pi"]) * own + cell["pi"] * shares(SHIFT)
        synthetic = generator.multinomial(2000, shares(SHIFT))
        drawn.append([shards.sum(axis=0), synthetic, generator.multinomial(10**6, mixture)])
        shifts.append(find_shift(shards, along=cell["along"]))
        taken_back.append(aligned(shards, shifts[-1]))
    real, synthetic, target = np.array(drawn, dtype=float).transpose(1, 0, 2)
    likelihood = ShiftedLikelihood(
        np.array(taken_back),
        synthetic,
        target,
        np.array([shift.direction for shift in shifts]),
        np.array([max(shift.spread, 1e-3) for shift in shifts]),
    )
    found = search(likelihood, np.full(replicates, chi2.ppf(0.95, 1)))
    return {
        "ignored": rows_summary(closed(real, synthetic, target), cell["pi"]),
        "modelled": rows_summary(np.stack(found[:3], axis=1), cell["pi"]),
    }


def study_hits(cell: Cell, replicates: int, seed: int) -> Cell:
    """A share of synthetic samples keeps a mark; strip hits, fit the rest, add them back."""
    generator = np.random.default_rng([seed, 2])
    drawn, hits = [], []
    for _ in range(replicates):
        n_synthetic = int(generator.binomial(100_000, cell["pi"]))
        n_marked = int(generator.binomial(n_synthetic, cell["marked"]))
        n_false = int(generator.binomial(100_000 - n_synthetic, cell["false"]))
        others = generator.multinomial(100_000 - n_synthetic - n_false, shares(0))
        others = others + generator.multinomial(n_synthetic - n_marked, shares(SHIFT))
        calibration = [generator.multinomial(1000, shares(s)) for s in (0, SHIFT)]
        drawn.append([*calibration, others])
        wrong = int(generator.binomial(5000, cell["false"]))
        hits.append(Hits(n_marked + n_false, 100_000, wrong, 5000))
    found = closed(*np.array(drawn).transpose(1, 0, 2))
    rows = [
        ends(with_hits(one, Interval(*(float(end) for end in interval))))
        for one, interval in zip(hits, found, strict=True)
    ]
    return {"found": rows_summary(rows, cell["pi"])}


def study_generators(cell: Cell, replicates: int, seed: int) -> Cell:
    """Three generators, four fifths of them the weakest in the target."""
    generator = np.random.default_rng([seed, 3])
    templates = np.stack([shares(shift) for shift in GENERATORS])
    columns: dict[str, list[Any]] = {"pooled": [], "apart": []}
    mixture = (1 - cell["pi"]) * shares(0) + cell["pi"] * np.array(cell["mix"]) @ templates
    for _ in range(min(replicates, 50)):
        real = generator.multinomial(1000, shares(0)).astype(float)
        synthetic = generator.multinomial(1000, templates).astype(float)
        target = generator.multinomial(100_000, mixture).astype(float)
        columns["pooled"] += closed(real[None], synthetic.sum(axis=0)[None], target[None])
        columns["apart"].append(ends(estimate_generators(real, synthetic, target).prevalence))
    return {name: rows_summary(rows, cell["pi"]) for name, rows in columns.items()}


def study_duplicates(cell: Cell, replicates: int, seed: int) -> Cell:
    """Near-duplicate clusters of Zipf's sizes, each of one class and one score."""
    generator = np.random.default_rng([seed, 4])
    sizes = np.maximum(10_000 / np.arange(1, 5001) ** 1.1, 1).astype(int)
    ratio = effective_ratio(sizes)
    drawn = []
    for _ in range(replicates):
        is_synthetic = generator.random(len(sizes)) < cell["pi"]
        scores = generator.normal(0, 1, len(sizes)) + SHIFT * is_synthetic
        calibration = [generator.multinomial(1000, shares(s)) for s in (0, SHIFT)]
        drawn.append([*calibration, np.bincount(np.digitize(scores, EDGES[1:-1]), sizes, 16)])
    real, synthetic, target = np.array(drawn, dtype=float).transpose(1, 0, 2)
    return {
        "ignored": rows_summary(closed(real, synthetic, target), cell["pi"]),
        "effective": rows_summary(closed(real, synthetic, target * ratio), cell["pi"]),
        "ratio": ratio,
    }


def study_strata(cell: Cell, replicates: int, seed: int) -> Cell:
    """100 strata of beta-distributed prevalence: alone, shrunk, and the worst of them."""
    generator = np.random.default_rng([seed, 5])
    alone, shrunk, worst_holds, false_share, power = [], [], [], [], []
    for _ in range(replicates):
        truth = generator.beta(2, 18, 100)
        calibration = [generator.multinomial(2000, shares(s)).astype(float) for s in (0, SHIFT)]
        mixtures = (1 - truth)[:, None] * shares(0) + truth[:, None] * shares(SHIFT)
        targets = generator.multinomial(cell["size"], mixtures).astype(float)
        strata = gather(*calibration, targets)
        found, lean = estimate_strata(strata), shrink(strata)
        for rows, part in ((alone, found), (shrunk, lean)):
            inside = (part.low <= truth) & (truth <= part.high)
            error = np.abs(part.point - truth)
            rows.append([error.mean(), inside.mean(), (part.high - part.low).mean()])
        worst = find_worst(strata, 0.15)
        worst_holds.append((worst.low <= truth).all())
        false = worst.is_above & (truth <= 0.15)
        false_share.append(false.sum() / max(worst.is_above.sum(), 1))
        power.append(worst.is_above.sum() / max((truth > 0.15).sum(), 1))
    names = ("mae", "coverage", "width")
    return {
        "alone": {
            **dict(zip(names, np.mean(alone, axis=0).tolist(), strict=True)),
            "replicates": len(alone),
        },
        "shrunk": dict(zip(names, np.mean(shrunk, axis=0).tolist(), strict=True)),
        "all_lower_bounds_hold": float(np.mean(worst_holds)),
        "false_discoveries": float(np.mean(false_share)),
        "named": float(np.mean(power)),
    }


def study_trend(cell: Cell, replicates: int, seed: int) -> Cell:
    """Ten years whose log odds grow by a slope a year."""
    generator = np.random.default_rng([seed, 6])
    times = np.arange(10.0)
    rows, rejected = [], []
    for _ in range(replicates):
        odds = np.exp(-3 + cell["slope"] * times)
        truth = odds / (1 + odds)
        calibration = [generator.multinomial(2000, shares(s)).astype(float) for s in (0, SHIFT)]
        mixtures = (1 - truth)[:, None] * shares(0) + truth[:, None] * shares(SHIFT)
        targets = generator.multinomial(20_000, mixtures).astype(float)
        trend = find_trend(gather(*calibration, targets), times)
        rows.append(trend.log_odds_per_unit)
        rejected.append(trend.p_value < 0.05)
    return {"slope": {**rows_summary(rows, cell["slope"]), "rejected": float(np.mean(rejected))}}
