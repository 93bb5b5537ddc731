"""`scripts/bench risk`: a full risk at 5e9 samples, and the tail of many strata.

Processor time of this process (one thread), which other programs on the machine move less than
the clock.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from bench_rounds import figure
from scipy.stats import norm


def bench_risk(n_strata: int, n_rounds: int) -> None:
    """Time the parts of a risk report, for every loop and pool that a curator may choose."""
    from madaudit.assessment import (
        BIASES,
        CutOptions,
        Strata,
        assess_risk,
        best_cut,
        find_cut,
        phase_of,
        trace_of,
        trajectory_of,
    )
    from madaudit.simulation import LoopSpec
    from madaudit.types import Interval

    estimate = SimpleNamespace(n=5e9, prevalence=Interval(0.08, 0.1, 0.12))
    bias = Interval(0.85, 0.9, 0.95)
    edges = np.linspace(-8.0, 8.0, 1025)
    counts = [np.round(1e5 * np.diff(norm.cdf(edges, mean))) for mean in (-1.0, 1.0)]
    generator = np.random.default_rng(0)
    strata = Strata(
        [str(number) for number in range(n_strata)],
        np.round(5e4 * np.exp(generator.normal(size=n_strata))),
        generator.uniform(0.0, 0.2, n_strata),
        generator.uniform(0.2, 0.5, n_strata),
    )
    print(f"N = 5e9, 1,024 score bins; {n_strata:,} strata; medians of {n_rounds}, processor s")
    print("by λ: the cut for each of four; all: what `risk` computes, that included")
    heads = ("risk", "pictures", "cut", "by λ", "all", "strata")
    print(f"{'loop':>14}{'pool':>12}" + "".join(f"{head:>10}" for head in heads))
    for loop, pool in (("fresh", "replace"), ("augmentation", "replace"),
                       ("augmentation", "accumulate"), ("fresh", "subsample")):  # fmt: skip
        spec = LoopSpec(loop, pool=pool, bias=0.9)
        parts: tuple[Callable[[], object], ...] = (
            lambda spec=spec: assess_risk(estimate, spec, bias=bias),
            lambda spec=spec: (
                trace_of(estimate, spec),
                trajectory_of(estimate, spec, bias=bias),
                phase_of(estimate, spec, bias=bias),
            ),
            lambda spec=spec: best_cut(
                *counts, estimate, spec, options=CutOptions(edges=edges, bias=bias)
            ),
            lambda spec=spec: [
                find_cut(
                    *counts, estimate, replace(spec, bias=each), options=CutOptions(edges=edges)
                )
                for each in BIASES
            ],
            lambda spec=spec: assess_risk(estimate, spec, bias=bias, strata=strata),
        )
        told = [_seconds(part, n_rounds if part is not parts[-1] else 1) for part in parts]
        told.insert(-1, sum(told[:-1]))
        print(f"{loop:>14}{pool:>12}" + "".join(f"{value:>10.2f}" for value in told), flush=True)
        if loop == "augmentation":
            figure(
                f"risk, pictures and cuts at 5e9 samples, {loop} loop, pool {pool}: "
                f"{told[-2]:.2f} s of a core (aim 1); {n_strata:,} strata "
                f"{told[-1]:.1f} s (aim 10)"
            )


def _seconds(part: Callable[[], object], n_rounds: int) -> float:
    times = []
    for _ in range(n_rounds):
        began = time.process_time()
        part()
        times.append(time.process_time() - began)
    return statistics.median(times)
