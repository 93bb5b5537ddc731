"""`scripts/bench ray`: a scan by a Ray cluster beside the pool, two workers each, one machine.

Each round scans the same shards by the engines in turn. Start-up (from the call to when the first
shards come in) is told apart from the steady state (the time between finished shards after that),
since a cluster pays the first once and the second for ever. Beside the clock stands the processor
time of all processes, Ray's own included, which other programs on the machine move less.
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench_rounds import figure, spread
from bench_scan import write_shards

_ROOT = str(Path(__file__).parents[1])
_WORKERS = 2
_SAMPLES_PER_SHARD = 4000
# Shards that come in before the state is called steady.
_FIRST = 10 * _WORKERS
_TICK = os.sysconf("SC_CLK_TCK")


class Run(NamedTuple):
    """One scan: seconds in all, until it is steady, from then on, and of processors then."""

    whole_s: float
    start_s: float
    steady_s: float
    processor_s: float


def processor_seconds() -> float:
    """Of this process, all that it started and what those started, ended ones included."""
    parents: dict[int, int] = {}
    spent: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
            spent[int(entry.name)] = sum(map(int, fields[11:15])) / _TICK
    mine, here = 0.0, os.getpid()
    for process, seconds in spent.items():
        at = process
        while at in parents and at != here:
            at = parents[at]
        mine += seconds if at == here else 0.0
    return mine


def timed_run(engine: str, data: Path, folder: Path) -> Run:
    from madaudit.detectors import DEFAULTS
    from madaudit.scanning.engines import build_engine
    from madaudit.scanning.plan import Plan
    from madaudit.scanning.store import Store
    from madaudit.scanning.tasks import plan_tasks
    from madaudit.shards.locate import locate

    tasks = plan_tasks(locate([str(data)]).shards, n_sample=None, seed=0)
    store = tempfile.mkdtemp(dir=folder)
    began = time.perf_counter()
    events = build_engine(engine, workers=_WORKERS).run(
        Plan(DEFAULTS, thumbnails="none"), tasks, Store(store)
    )
    came: list[float] = []
    at_first = at_last = 0.0
    for event in events:
        if event.finished is None:
            continue
        came.append(time.perf_counter())
        if len(came) == _FIRST:
            at_first = processor_seconds()
        if len(came) == len(tasks):
            at_last = processor_seconds()
    whole_s = time.perf_counter() - began
    shutil.rmtree(store)
    return Run(whole_s, came[_FIRST - 1] - began, came[-1] - came[_FIRST - 1], at_last - at_first)


def ratio_in_words(rounds: dict[str, list[Run]], name: str) -> str:
    return spread(
        [
            getattr(mine, name) / getattr(base, name)
            for mine, base in zip(rounds["ray"], rounds["pool"], strict=True)
        ],
        digits=3,
    )


def bench_ray(n_shards: int, n_rounds: int) -> None:
    import ray

    root = Path(tempfile.mkdtemp(prefix="madaudit-bench-"))
    try:
        (root / "shards").mkdir()
        (first,) = write_shards(
            root / "shards", _SAMPLES_PER_SHARD, share=0.0, per_shard=_SAMPLES_PER_SHARD,
            side_px=64,
        )  # fmt: skip
        for number in range(1, n_shards):
            os.link(first, root / "shards" / f"{number:05d}.tar")
        os.environ["PYTHONPATH"] = _ROOT
        # As the engine starts a cluster of its own; by default workers run at nice 15.
        os.environ.setdefault("RAY_worker_niceness", "0")
        ray.init(
            num_cpus=_WORKERS, include_dashboard=False, configure_logging=False,
            log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": _ROOT}},
        )  # fmt: skip
        rounds: dict[str, list[Run]] = {"pool": [], "ray": []}
        print(
            f"{n_shards} shards of {_SAMPLES_PER_SHARD:,} samples, {_WORKERS} workers, a cluster "
            f"that runs already; Ray {ray.__version__}, Python {platform.python_version()}; "
            f"{n_rounds} rounds after one that is not counted",
            flush=True,
        )
        for number in range(n_rounds + 1):
            for engine, found in rounds.items():
                run = timed_run(engine, root / "shards", root)
                print(f"round {number}, {engine}: {', '.join(f'{value:.1f}' for value in run)} s")
                if number:
                    found.append(run)
        ray.shutdown()
        for engine, found in rounds.items():
            whole, start, steady, processor = (
                statistics.median(c) for c in zip(*found, strict=True)
            )
            rate = (n_shards - _FIRST) * _SAMPLES_PER_SHARD / steady
            print(
                f"{engine:<6}{whole:>8.1f} s in all, {start:.1f} s until {_FIRST} shards were in, "
                f"then {rate:,.0f} samples/s, {processor:.1f} s of processors"
            )
        for what, name in (
            ("steady state, by the clock", "steady_s"),
            ("steady state, processor time", "processor_s"),
            ("whole scan, by the clock", "whole_s"),
        ):
            print(f"ray / pool, {what}: {ratio_in_words(rounds, name)}")
        more = statistics.median(
            mine.start_s - base.start_s
            for mine, base in zip(rounds["ray"], rounds["pool"], strict=True)
        )
        figure(
            f"a scan by Ray on a running cluster: {ratio_in_words(rounds, 'steady_s')} of the "
            f"pool's time in the steady state (aim 1.10), processor time "
            f"{ratio_in_words(rounds, 'processor_s')}; start-up {more:+.1f} s, once a scan"
        )
    finally:
        shutil.rmtree(root)
