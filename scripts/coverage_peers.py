"""Studies of coverage_bench beside other estimators: QuaPy, ppi-python, Rogan and Gladen.

QuaPy's interval is the percentile one of its resampled target (its own bootstrap of the
calibration raises in 0.2.3); the classifier is a logistic regression on the score.
"""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import numpy as np
from scipy.stats import norm

from madaudit.estimation import Histograms, ScoreSketch, Settings, estimate_tiers

SHIFT = 1.8124
# Replicates and resamples that each method's time allows.
EFFORT = {
    "madaudit": (60, 0),
    "ACC": (60, 60),
    "PACC": (60, 60),
    "EMQ": (30, 30),
    "DyS": (30, 30),
    "KDEyML": (2, 5),
}
METHODS = tuple(EFFORT)
Cell = dict[str, Any]


def has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def rows_summary(rows: list[tuple[float, float, float]], pi: float) -> Cell:
    low, point, high = np.array(rows, dtype=float).T
    return {
        "mae": float(np.abs(point - pi).mean()),
        "coverage": float(((low <= pi) & (pi <= high)).mean()),
        "width": float((high - low).mean()),
        "replicates": len(rows),
    }


def drawn(cell: Cell, seed: int, replicate: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of one replicate; the same for every method."""
    generator = np.random.default_rng([seed, round(cell["pi"] * 1000), replicate])
    n_synthetic = round(cell["pi"] * cell["N"])
    target = np.r_[
        generator.normal(0, 1, cell["N"] - n_synthetic), generator.normal(SHIFT, 1, n_synthetic)
    ]
    return generator.normal(0, 1, cell["n"]), generator.normal(SHIFT, 1, cell["n"]), target


def study_peers(cell: Cell, replicates: int, seed: int) -> Cell:
    """One method on one setting; the time is of one interval."""
    n_replicates, n_resamples = EFFORT[cell["method"]]
    rows, began = [], time.process_time()
    for replicate in range(min(replicates, n_replicates)):
        scores = drawn(cell, seed, replicate)
        if cell["method"] == "madaudit":
            rows.append(by_madaudit(*scores))
        else:
            generator = np.random.default_rng([seed, replicate])
            rows.append(by_quapy(cell["method"], scores, n_resamples, generator))
    seconds = (time.process_time() - began) / len(rows)
    return {"found": {**rows_summary(rows, cell["pi"]), "s": seconds, "resamples": n_resamples}}


def by_madaudit(real: Any, synthetic: Any, target: Any) -> tuple[float, float, float]:
    counts = [
        ScoreSketch.count(scores).counts.astype(float) for scores in (real, synthetic, target)
    ]
    none = np.zeros(len(counts[0]))
    model = estimate_tiers(Histograms(*counts, none, none), Settings()).model_based
    assert model is not None
    return model.closed.low, model.closed.point or 0.0, model.closed.high


def by_quapy(
    name: str, scores: Any, n_resamples: int, generator: np.random.Generator
) -> tuple[float, float, float]:
    import quapy
    from quapy.method import aggregative
    from sklearn.linear_model import LogisticRegression

    quapy.environ["N_JOBS"] = 1
    real, synthetic, target = scores
    features = np.r_[real, synthetic][:, None]
    labels = np.r_[np.zeros(len(real), int), np.ones(len(synthetic), int)]
    method = getattr(aggregative, name)(LogisticRegression()).fit(features, labels)
    predictions = method.classify(target[:, None])
    estimates = [
        float(method.aggregate(predictions[generator.integers(0, len(target), len(target))])[1])
        for _ in range(n_resamples)
    ]
    low, high = np.percentile(estimates, [2.5, 97.5])
    return float(low), float(method.aggregate(predictions)[1]), float(high)


def study_ppi(cell: Cell, replicates: int, seed: int) -> Cell:
    """Labels of a simple random sample: PPI++ of ppi-python beside the adjudicated tier."""
    from ppi_py import ppi_mean_ci, ppi_mean_pointestimate

    columns: dict[str, list[tuple[float, float, float]]] = {"ppi": [], "madaudit": []}
    for replicate in range(replicates):
        _, _, target = drawn(cell, seed, replicate)
        generator = np.random.default_rng([seed, replicate, 7])
        truth = np.arange(len(target)) >= len(target) - round(cell["pi"] * cell["N"])
        chosen = generator.choice(len(target), cell["labels"], replace=False)
        odds = SHIFT * target - SHIFT**2 / 2 + np.log(max(cell["pi"], 1e-4))
        predicted = 1 / (1 + np.exp(-odds))
        parts = truth[chosen].astype(float), predicted[chosen], np.delete(predicted, chosen)
        low, high = ppi_mean_ci(*parts, alpha=0.05)
        point = ppi_mean_pointestimate(*parts)
        columns["ppi"].append(tuple(float(np.ravel(part)[0]) for part in (low, point, high)))
        counts = [
            ScoreSketch.count(part).counts.astype(float)
            for part in (target, target[chosen[~truth[chosen]]], target[chosen[truth[chosen]]])
        ]
        none = np.zeros(len(counts[0]))
        found = estimate_tiers(Histograms(none, none, *counts), Settings()).adjudicated
        assert found is not None
        columns["madaudit"].append((found.low, found.point or 0.0, found.high))
    return {name: rows_summary(rows, cell["pi"]) for name, rows in columns.items()}


def rogan_gladen(real: Any, synthetic: Any, target: Any) -> tuple[Any, Any, Any]:
    """Threshold at Youden's index, interval of Lang and Reiczigel 2014 (replicates, bins)."""
    tails = [part[:, ::-1].cumsum(axis=1)[:, ::-1] for part in (real, synthetic, target)]
    sizes = [tail[:, :1] for tail in tails]
    best = (tails[1] / sizes[1] - tails[0] / sizes[0]).argmax(axis=1)[:, None]
    fpr, tpr, called = (
        (np.take_along_axis(tail, best, axis=1) / size)[:, 0]
        for tail, size in zip(tails, sizes, strict=True)
    )
    n_real, n_synthetic, n_target = (size[:, 0] for size in sizes)
    z = norm.ppf(0.975)
    n = n_target + z**2
    q = (n_target * called + z**2 / 2) / n
    se = (n_synthetic * tpr + 1) / (n_synthetic + 2)
    sp = (n_real * (1 - fpr) + 1) / (n_real + 2)
    youden = se + sp - 1
    pi = (q + sp - 1) / youden
    of_se, of_sp = se * (1 - se) / (n_synthetic + 2), sp * (1 - sp) / (n_real + 2)
    moved = 2 * z**2 * (-pi * of_se + (1 - pi) * of_sp)
    half = z * np.sqrt(q * (1 - q) / n + pi**2 * of_se + (1 - pi) ** 2 * of_sp) / youden
    point = np.clip((called - fpr) / (tpr - fpr), 0, 1)
    return np.clip(pi + moved - half, 0, 1), point, np.clip(pi + moved + half, 0, 1)
