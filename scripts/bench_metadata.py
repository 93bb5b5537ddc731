"""`scripts/bench metadata`: a scan of LAION's metadata beside DuckDB and beside plain decoding.

Rows are made by repeating a table of real ones (img2dataset's test list, 10,000 rows of LAION;
made-up rows where it is absent) under addresses that differ, with the columns of LAION-400M. Each
round times everything in turn, in CPU seconds of one thread, so that a ratio holds on a machine
that is busy with other things. DuckDB evaluates the very patterns of the cue detectors; where
these are not installed, its lines are left out with the reason.
"""

from __future__ import annotations

import importlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bench_rounds import figure, spread

_ROOT = Path(__file__).parents[1]
_REAL = _ROOT.parent / "shared/data/laion/img2dataset/tests__test_files__test_10000.parquet"
# What the reader decodes of these columns.
_DECODED = ["SAMPLE_ID", "URL", "TEXT", "WIDTH", "HEIGHT"]
# What Python's expressions can and RE2's cannot.
_LOOKS_AROUND = re.compile(r"\(\?<?[=!]")


def real_rows() -> tuple[pa.Table, str]:
    """URLs and texts to repeat, and where they come from."""
    if _REAL.is_file():
        return pq.read_table(_REAL, columns=["URL", "TEXT"]), "img2dataset's list of LAION rows"
    urls = [f"https://images.example.org/{i % 97}/photo-{i:06d}.jpg" for i in range(10_000)]
    texts = [f"a photo of thing {i}, seen from the side on a bright day" for i in range(10_000)]
    return pa.table({"URL": urls, "TEXT": texts}), "made-up rows"


def write_metadata(path: Path, n_rows: int) -> Path:
    """A table of n rows in one row group of at most a million, as LAION's are."""
    base, _ = real_rows()
    generator = np.random.default_rng(0)
    parts = []
    for start in range(0, n_rows, base.num_rows):
        part = base.slice(0, min(base.num_rows, n_rows - start))
        m = part.num_rows
        urls = [f"{url}?{start + i}" for i, url in enumerate(part.column("URL").to_pylist())]
        parts.append(
            pa.table(
                {
                    "SAMPLE_ID": np.arange(start, start + m),
                    "URL": urls,
                    "TEXT": part.column("TEXT"),
                    "HEIGHT": generator.integers(200, 3000, m).astype(np.float64),
                    "WIDTH": generator.integers(200, 3000, m).astype(np.float64),
                    "LICENSE": ["?"] * m,
                    "NSFW": ["UNLIKELY"] * m,
                    "similarity": generator.random(m),
                }
            )
        )
    pq.write_table(pa.concat_tables(parts), path, row_group_size=1_000_000)
    return path


def scan(path: Path, detectors: tuple[str, ...]) -> dict[str, Any]:
    """A whole scan into a store, as a worker does it; the states that it counted."""
    from madaudit.scanning.plan import Plan
    from madaudit.scanning.shard_scan import Job, scan_shard
    from madaudit.scanning.store import Store
    from madaudit.scanning.tasks import ShardTask
    from madaudit.scanning.watch import WIDTH, Watch
    from madaudit.shards.locate import locate

    folder = tempfile.mkdtemp(prefix="madaudit-bench-")
    try:
        plan = Plan(detectors)
        job = Job.prepare(plan, Store(folder))
        (shard,) = locate([str(path)]).shards
        watch = Watch([0.0] * WIDTH, plan.image_timeout_s)
        return scan_shard(job, ShardTask(shard), watch).states
    finally:
        shutil.rmtree(folder)


def decode(path: Path) -> None:
    parquet = pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
    for _ in parquet.iter_batches(8192, columns=_DECODED, use_threads=False):
        pass


def queries(path: Path) -> tuple[dict[str, str], str]:
    """DuckDB's queries by name, or why there are none."""
    try:
        patterns = importlib.import_module("madaudit.detectors.cues.patterns")
    except ImportError:
        return {}, "the cue detectors are not in this madaudit"
    found = {kind: patterns.load_cues(kind, "").cues for kind in ("caption", "path")}
    caption, address = (
        [
            cue.pattern.pattern
            for cue in found[kind]
            if not _LOOKS_AROUND.search(cue.pattern.pattern)
        ]
        for kind in ("caption", "path")
    )
    n_left_out = sum(map(len, found.values())) - len(caption) - len(address)
    if n_left_out:
        print(f"left out of DuckDB's queries: {n_left_out} patterns that look around, unlike RE2")
    domains = "|".join(c.name.replace(".", r"\.") for c in patterns.load_cues("site", "").cues)
    host = "regexp_extract(lower(URL), '^[a-z]+://([^/:]+)', 1)"

    def match(text: str, pattern: str) -> str:
        quoted = pattern.replace("'", "''")
        return f"coalesce(regexp_matches({text}, '{quoted}'), false)"

    of_caption = [match("lower(TEXT)", pattern) for pattern in caption]
    of_url = [match("lower(URL)", pattern) for pattern in address]
    of_url.append(match(host, rf"(^|\.)({domains})$"))
    each = ", ".join(f"count(*) FILTER ({text})" for text in (*of_caption, *of_url))
    joined = (
        match("lower(TEXT)", "|".join(f"(?:{pattern})" for pattern in caption)),
        f"({' OR '.join(of_url)})",
    )
    both = ", ".join(f"count(*) FILTER ({text})" for text in joined)
    source = f"FROM read_parquet('{path}')"
    return {
        "DuckDB, every pattern counted": f"SELECT {each} {source}",
        "DuckDB, captions' patterns joined": f"SELECT {both} {source}",
    }, ""


def peak_memory(path: Path, detectors: tuple[str, ...]) -> float:
    """Peak resident MB of a process of its own that scans one table."""
    code = (
        "import sys, tempfile, madaudit\n"
        "madaudit.scan(sys.argv[1], tempfile.mkdtemp(), engine='serial',"
        " detectors=sys.argv[2].split(','))\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(int(status['VmHWM'].split()[0]) / 1024)"
    )
    command = [sys.executable, "-c", code, str(path), ",".join(detectors)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=_ROOT)
    return float(done.stdout)


def known(detectors: tuple[str, ...]) -> bool:
    """Whether these detectors are here and can run."""
    from madaudit.detectors import build_detector
    from madaudit.errors import MadauditError

    try:
        return all(build_detector(name).why_unavailable() is None for name in detectors)
    except (MadauditError, ImportError) as error:
        print(f"left out, {', '.join(detectors)}: {error}")
        return False


def bench_metadata(n_rows: int, n_rounds: int, detectors: tuple[str, ...]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="madaudit-bench-"))
    try:
        path = write_metadata(folder / "metadata.parquet", n_rows)
        print(f"{n_rows} rows, {path.stat().st_size / n_rows:.0f} bytes each: {real_rows()[1]}")
        pa.set_cpu_count(1)
        timers: dict[str, Callable[[], object]] = {
            "plain decode of the columns": lambda: decode(path)
        }
        timers["madaudit scan, constant"] = lambda: scan(path, ("constant",))
        chosen = detectors if known(detectors) else ("constant",)
        if chosen == detectors:
            timers[f"madaudit scan, {', '.join(detectors)}"] = lambda: scan(path, detectors)
        timers |= _duckdb(path)
        seconds: dict[str, list[float]] = {name: [] for name in timers}
        found: dict[str, object] = {}
        for _ in range(n_rounds):
            for name, work in timers.items():
                began = time.process_time()
                found[name] = work()
                seconds[name].append(time.process_time() - began)
        _print(seconds, n_rows, base="plain decode of the columns")
        _tell(seconds, n_rows, f"madaudit scan, {', '.join(chosen)}")
        for name, counts in found.items():
            if counts:
                print(f"{name} found {counts}")
        for length in (100_000, n_rows):
            part = write_metadata(folder / f"{length}.parquet", length)
            print(f"peak memory for {length} rows: {peak_memory(part, chosen):.0f} MB")
    finally:
        shutil.rmtree(folder)


def _tell(seconds: dict[str, list[float]], n_rows: int, name: str) -> None:
    rate = n_rows / statistics.median(seconds[name])
    beside = ""
    peer = "DuckDB, every pattern counted"
    if peer in seconds:
        ratios = [b / s for b, s in zip(seconds[peer], seconds[name], strict=True)]
        beside = f", {spread(ratios)} of DuckDB's with the same patterns"
    figure(f"{name} of LAION's metadata: {rate:,.0f} rows/s and core (aim 100,000){beside}")


def _duckdb(path: Path) -> dict[str, Callable[[], object]]:
    """DuckDB's timers; each returns what it counted."""
    try:
        duckdb = importlib.import_module("duckdb")
    except ImportError:
        print("left out, DuckDB: not installed")
        return {}
    asked, reason = queries(path)
    if reason:
        print(f"left out, DuckDB: {reason}")
    connection = duckdb.connect(config={"threads": 1})
    return {
        name: lambda query=query: connection.execute(query).fetchone()
        for name, query in asked.items()
    }


def _print(seconds: dict[str, list[float]], n_rows: int, *, base: str) -> None:
    print(f"{'':<42}{'rows/s and core':>18}{'time over ' + base:>44}")
    for name, taken in seconds.items():
        ratios = sorted(t / b for t, b in zip(taken, seconds[base], strict=True))
        print(
            f"{name:<42}{n_rows / statistics.median(taken):>18,.0f}"
            f"{statistics.median(ratios):>26.1f} ({ratios[0]:.1f}–{ratios[-1]:.1f})"
        )
