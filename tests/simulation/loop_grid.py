"""Loops of every kind to compare engines on, and the slow engine that draws every sample."""

from __future__ import annotations

import numpy as np

from madaudit.simulation import Filter, LoopSpec
from madaudit.simulation.training_sets import Numbers, training_set


def grid(dims=(1, 3), generations=6):
    """Loops × real samples × synthetic samples × λ × dimension."""
    specs = []
    for dim in dims:
        for n_real, n_synthetic in ((20, 20), (20, 100), (100, 20)):
            for bias in (1.0, 0.9, 0.5):
                shared = {
                    "n_synthetic": n_synthetic,
                    "bias": bias,
                    "dim": dim,
                    "generations": generations,
                }
                specs += [
                    LoopSpec("fresh", n_fresh=n_real, **shared),
                    LoopSpec("augmentation", n_fixed=n_real, **shared),
                    LoopSpec("synthetic", n_initial=n_real, **shared),
                    LoopSpec("augmentation", pool="accumulate", n_fixed=n_real, **shared),
                    LoopSpec("fresh", pool="subsample", n_fresh=n_real, **shared),
                ]
    return specs


def odd_loops():
    """Loops with every other option in use."""
    return [
        LoopSpec("fresh", n_fresh=20, n_fixed=10, n_synthetic=30, n_initial=7, bias=0.8),
        LoopSpec("fresh", n_fresh=20, n_synthetic=60, memory=3, bias=0.9, real_weight=2.5),
        LoopSpec("fresh", n_fresh=[30, 20, 10], n_synthetic=[0, 20, 40], generations=3),
        LoopSpec("fresh", n_fresh=20, n_synthetic=20, bias=[1.0, 0.5, 0.9], generations=3),
        LoopSpec("fresh", n_fresh=20, n_synthetic=60, filters=Filter(0.7, 0.2)),
        LoopSpec("augmentation", n_fixed=20, n_synthetic=60, filters=Filter(0.7, 0.2)),
        LoopSpec("augmentation", n_fixed=30, n_synthetic=10, n_initial=12, model_error=0.05),
        LoopSpec("augmentation", pool="accumulate", keep=2, n_fixed=20, n_synthetic=20, bias=0.9),
        LoopSpec("augmentation", pool="subsample", n_fixed=40, n_synthetic=40, bias=0.9),
        LoopSpec("synthetic", pool="accumulate", n_synthetic=20, bias=0.9, model_error=0.01),
    ]


def name_of(spec):
    """A short name for a test's identifier."""
    given = {
        name: value
        for name, value in vars(spec).items()
        if value != getattr(LoopSpec("fresh"), name, None) and name != "loop"
    }
    return spec.loop + "-" + "-".join(f"{name}={value}" for name, value in given.items())


def draw_naively(spec, generator):
    """One run of a loop that draws every sample: mean (d,) and covariance (d, d) by generation."""
    numbers, dim, kept, fits = Numbers(spec), spec.dim, {}, []
    for generation in range(spec.generations + 1):
        samples, weights = [], []
        for part in training_set(numbers, generation):
            name, n = (part.source, part.origin), int(part.n[0])
            if part.source == "model" or name not in kept:
                points = generator.standard_normal((n, dim))
                if part.is_synthetic:
                    mean, covariance = fits[part.origin]
                    values, vectors = np.linalg.eigh(float(part.bias[0]) * covariance)
                    points = mean + points @ (vectors * np.sqrt(np.maximum(values, 0))).T
                kept[name] = points
            samples.append(kept[name])
            weights.append(np.full(n, part.weight[0]))
        points, weight = np.concatenate(samples), np.concatenate(weights)
        mean = np.average(points, axis=0, weights=weight)
        covariance = np.atleast_2d(np.cov(points.T, aweights=weight))
        error = float(numbers.at("model_error", generation)[0])
        fits.append((mean + np.sqrt(error) * generator.standard_normal(dim), covariance))
    return fits
