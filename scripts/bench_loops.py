"""`scripts/bench loops`: loops by sufficient statistics beside naive sampling."""

from __future__ import annotations

import statistics
import time
from functools import partial

import numpy as np
from bench_rounds import figure, rounds_of


def bench_loops(n_rounds: int) -> None:
    """Time a generation and replicate: every sample drawn, against sufficient statistics."""
    from madaudit.simulation import LoopSpec
    from madaudit.simulation.monte_carlo import simulate_replicates

    generator, generations, replicates = np.random.default_rng(0), 5, 10_000

    def naive(n: int) -> float:
        began = time.perf_counter()
        mean, deviation = 0.0, 1.0
        for _ in range(generations + 1):
            real = generator.standard_normal(n // 2)
            synthetic = mean + deviation * generator.standard_normal(n - n // 2)
            samples = np.concatenate([real, synthetic])
            mean, deviation = float(samples.mean()), float(samples.std(ddof=1))
        return (time.perf_counter() - began) / (generations + 1)

    def sufficient(n: int) -> float:
        spec = LoopSpec("fresh", n_fresh=n // 2, n_synthetic=n // 2, generations=generations)
        began = time.perf_counter()
        simulate_replicates(spec, replicates, generator)
        return (time.perf_counter() - began) / (generations + 1) / replicates

    print(f"one dimension, fresh loop, {replicates} replicates at once; medians of {n_rounds}")
    print(f"{'n':>10}{'naive, µs':>14}{'ours, µs':>12}{'ratio':>12}")
    for n in (10**4, 10**5, 10**6):
        timers = {"naive": partial(naive, n), "ours": partial(sufficient, n)}
        seconds = dict(rounds_of(timers, n_rounds))
        slow, fast = (statistics.median(seconds[name]) for name in ("naive", "ours"))
        ratios = [a / b for a, b in zip(seconds["naive"], seconds["ours"], strict=True)]
        print(f"{n:>10}{slow * 1e6:>14.1f}{fast * 1e6:>12.3f}{statistics.median(ratios):>12.0f}")
    figure(
        f"a loop's generation at n = {n:,} by sufficient statistics: "
        f"{statistics.median(ratios):,.0f} times as fast as drawing every sample"
    )
