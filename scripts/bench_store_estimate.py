"""`scripts/bench estimate`, second half: the same through a store, made for the purpose."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np


@contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """Seconds of processor time of this process, and its threads."""
    began = time.process_time()
    yield lambda: time.process_time() - began


def bench_store(n_shards: int, n_rows: int, n_strata: int) -> None:
    """Estimates of a store of `n_shards` shards of `n_rows` rows each."""
    import madaudit
    from tests.commands.scored_stores import Rows, calibration_of, draw_scores, write_store

    generator = np.random.default_rng(0)
    calibration = calibration_of(n=2000)
    with TemporaryDirectory() as folder:
        shards = {
            f"{k:05d}.tar": Rows(draw_scores(n_rows, 0.1, generator)[0]) for k in range(n_shards)
        }
        store = write_store(Path(folder), shards)
        n = n_shards * n_rows
        for name, options in (
            ("first estimate, counts cached", {"posteriors": False}),
            ("the same again", {"posteriors": False}),
            ("and posteriors written", {}),
        ):
            with timed() as seconds:
                madaudit.estimate(store, calibration=calibration, **options)
            print(f"store of {n} rows in {n_shards} shards, {name}: {_rate(n, seconds())}")
    bench_parts(10_000)
    bench_strata(n_strata, calibration)


def bench_parts(n_shards: int) -> None:
    """Adding up the cached counts of many shards."""
    from madaudit.commands.combined import add_up
    from madaudit.commands.counted import Counted, read_counts, write_counts
    from madaudit.estimation.cells import StratumCells
    from madaudit.estimation.tally import MarkTally
    from madaudit.scanning.store import Store

    generator = np.random.default_rng(0)
    zeros = np.zeros(10_000, np.int64)
    scores = generator.normal(0, 2, 10_000)
    cells = StratumCells.count(zeros, zeros, scores, np.ones(10_000))
    tallies = np.zeros((1, len(vars(MarkTally()))))
    with TemporaryDirectory() as folder:
        store = Store(folder)
        for k in range(n_shards):
            write_counts(store, f"combined/{k}.npz", "digest", Counted([()], tallies, cells))
        with timed() as seconds:
            parts = (read_counts(store, f"combined/{k}.npz", "digest") for k in range(n_shards))
            total = add_up(part for part in parts if part is not None)
        print(f"cached counts of {n_shards} shards read and added up: {seconds():.1f} s")
        assert total.cells.sums[:, 0].sum() == 10_000 * n_shards


def bench_strata(n_strata: int, calibration: Any) -> None:
    """All tiers, shrinkage, the worst and the output of many strata."""
    from madaudit.commands.counted import Counted
    from madaudit.commands.store_strata import tell_strata
    from madaudit.commands.store_tiers import Request, settings_of
    from madaudit.commands.stratum import Stratum
    from madaudit.estimation import MarkTally, estimate_floor
    from madaudit.estimation.cells import StratumCells

    generator = np.random.default_rng(0)
    n_each = 100
    codes = np.repeat(np.arange(n_strata), n_each)
    pi = generator.beta(1, 9, n_strata)[codes]
    raw = generator.normal(0, 1, len(codes)) + 2.0 * (generator.random(len(codes)) < pi)
    ratios = calibration.combiner.log_ratio(raw[:, None])
    zeros = np.zeros(len(codes), np.int64)
    cells = StratumCells.count(codes, zeros, ratios, np.ones(len(codes)))
    row = MarkTally(n=n_each, weight=n_each, weight_squared=n_each, unmarked=n_each)
    tallies = np.repeat(np.array([list(vars(row).values())], float), n_strata, axis=0)
    counted = Counted([(str(k),) for k in range(n_strata)], tallies, cells)
    floor = estimate_floor(row, is_sampled=False)
    strata = [Stratum({"domain": str(k)}, row, floor, number=k) for k in range(n_strata)]
    request = Request(settings_of(calibration, 0.95), "real", is_sampled=False)
    with timed() as seconds:
        told = tell_strata(counted, strata, request, calibration, {}, 0.1)
        content = [stratum.to_dict() for stratum in told.strata]
    print(
        f"{n_strata} strata of {n_each} samples, all tiers, shrunk, worst, as JSON: "
        f"{seconds():.0f} s, {1e3 * seconds() / len(content):.2f} ms each"
    )


def _rate(n: int, seconds: float) -> str:
    return f"{seconds:.2f} s, {n / seconds / 1e6:.2f} M rows/s"
