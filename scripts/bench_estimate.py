"""`scripts/bench estimate`: sketches, strata and one data set."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from bench_rounds import figure


def bench_estimate(n_strata: int) -> None:
    """Seconds of processor time, which a busy machine does not stretch as it does a clock's."""
    from madaudit.estimation import Histograms, ScoreSketch, Settings, estimate_tiers
    from madaudit.estimation.intervals import find_intervals
    from madaudit.estimation.likelihood import Evidence

    def least(function: Callable[[], object], n: int = 3) -> float:
        seconds = []
        for _ in range(n):
            began = time.process_time()
            function()
            seconds.append(time.process_time() - began)
        return min(seconds)

    generator = np.random.default_rng(0)
    scores = generator.normal(0, 3, 10_000_000)
    seconds = least(lambda: ScoreSketch.count(scores))
    rate = len(scores) / seconds / 1e6
    print(f"sketches: {rate:.0f} M scores/s")
    one = ScoreSketch.count(scores[:10_000])
    seconds = least(lambda: sum((one for _ in range(10_000)), ScoreSketch()), 1)
    print(f"merging 10,000 sketches: {seconds:.2f} s")
    f0, f1 = (np.histogram(generator.normal(m, 1, 10**6), 16, (-3, 5))[0] / 1e6 for m in (0, 1.8))
    real, synthetic = (generator.multinomial(1000, f / f.sum(), 1).astype(float) for f in (f0, f1))
    for n_target in (10_000, 5_000_000_000):
        pi = generator.beta(1, 9, n_strata)[:, None]
        mixed = (1 - pi) * f0 + pi * f1
        targets = generator.multinomial(n_target, mixed / mixed.sum(axis=1, keepdims=True))
        evidence = Evidence.closed(real, synthetic, targets.astype(float))
        seconds = least(lambda evidence=evidence: find_intervals(evidence)) / n_strata
        print(
            f"strata of {n_target} samples, together: {seconds * 1e3:.2f} ms each, "
            f"so {seconds * 1e5:.0f} s for 1e5 of them on one core (extrapolated from {n_strata})"
        )
    figure(
        f"one of {n_strata:,} strata of 5e9 samples: {seconds * 1e3:.2f} ms of a core (aim 5); "
        f"sketching {rate:.0f} M scores/s (aim 50)"
    )
    none = np.zeros(16)
    parts = Histograms(real[0], synthetic[0], targets[0].astype(float), none, none)
    seconds = least(lambda: estimate_tiers(parts, Settings()))
    print(f"one data set by itself, all tiers: {seconds * 1e3:.0f} ms")
