"""`scripts/bench report`: a report over a synthetic store, its time and its memory.

The store has the detectors of a default scan and 10,000 rows a shard: 1 % marked, URLs of 2,000
hosts, 2 % broken. A few shards are made and linked under as many names as it takes, so the disk
is not what is measured (their files stay in the page cache); the processor's work is that of
different shards.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bench_rounds import figure

ROWS = 10_000
_DIFFERENT = 8
_DETECTORS = (
    "a1111", "aigc", "c2pa", "comfyui", "exif_software", "fooocus", "generator_settings",
    "invokeai", "iptc", "midjourney", "novelai", "optout_training", "swarmui",
)  # fmt: skip


def make_store(folder: Path, n_rows: int) -> str:
    """A store of that many rows."""
    from madaudit import __version__
    from madaudit.scanning.plan import SCHEMA_VERSION, Plan
    from madaudit.scanning.sketches import ShardSketch

    store, plan = folder / "store", Plan(_DETECTORS)
    built, fingerprint = plan.build_detectors(), plan.fingerprint()
    names = [f"{number:05d}.tar" for number in range(max(n_rows // ROWS, 1))]
    states: list[dict[str, dict[str, int]]] = []
    n_hits: list[int] = []
    for place, name in enumerate(names):
        paths = [store / "scores" / f"{name}.parquet", store / "sketches" / f"{name}.npz"]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        if place < _DIFFERENT:
            table = _table(plan, place)
            states.append(_states_of(table))
            n_hits.append(_n_hits(table))
            pq.write_table(table, paths[0], row_group_size=8192, compression="zstd")
            sketch = ShardSketch(built)
            for batch in table.to_batches():
                sketch.add(batch)
            np.savez_compressed(paths[1], **sketch.arrays())
        else:
            same = names[place % _DIFFERENT]
            os.link(store / "scores" / f"{same}.parquet", paths[0])
            os.link(store / "sketches" / f"{same}.npz", paths[1])
        _write(
            store / "shards" / f"{name}.json",
            {
                **_marker(name, fingerprint, states[place % _DIFFERENT]),
                "n_hits": n_hits[place % _DIFFERENT],
            },
        )
    manifest = {
        "schema": SCHEMA_VERSION,
        "madaudit": __version__,
        "python": "3",
        "created": "2026-01-01T00:00:00+00:00",
        "fingerprint": fingerprint,
        "plan": plan.to_dict(),
        "detectors": {d.name: d.version for d in built},
        "looks_at": {d.name: d.looks_at for d in built},
        "identities": _identities(built),
        "root": "bench",
        "inputs": ["bench"],
        "shards": names,
    }
    _write(store / "manifest.json", manifest)
    return str(store)


def _identities(built: Any) -> dict[str, str]:
    from madaudit.scanning.plan import detector_identities

    return dict(detector_identities(built))


def _table(plan: Any, seed: int) -> pa.Table:
    from madaudit.scanning.rows import schema
    from madaudit.types import STATES, STATUSES

    generator = np.random.default_rng(seed)
    status = np.where(generator.random(ROWS) < 0.02, STATUSES.index("not_an_image"), 0)
    hosts = generator.integers(0, 2000, ROWS)
    detail = json.dumps({
        "label": "synthetic", "tool": "Automatic1111", "model": "bench",
        "says": "Automatic1111 with model bench",
    })  # fmt: skip
    columns: dict[str, Any] = {
        "shard": pa.DictionaryArray.from_arrays(np.zeros(ROWS, np.int32), ["bench"]),
        "ordinal": np.arange(ROWS),
        "key": [f"{seed:05d}{k:04d}" for k in range(ROWS)],
        "offset": np.cumsum(generator.integers(5e3, 2e5, ROWS)),
        "size": generator.integers(5000, 200_000, ROWS),
        "url": [f"https://host{h}.example/{k}.jpg" for k, h in enumerate(hosts.tolist())],
        "caption": [f"a photo of thing {k}" for k in range(ROWS)],
        "status": pa.DictionaryArray.from_arrays(status.astype(np.int8), list(STATUSES)),
        "width": generator.integers(200, 2000, ROWS),
        "height": generator.integers(200, 2000, ROWS),
        "format": ["jpeg"] * ROWS,
        "reencoded": [False] * ROWS,
        "weight": np.ones(ROWS),
    }
    for place, name in enumerate(_DETECTORS):
        # Marks come in clusters: one tool in most shards, each of the others in one of eight.
        is_here = place == 0 or place % _DIFFERENT == seed
        is_hit = generator.random(ROWS) < (0.008 if place == 0 else 0.002 * is_here)
        codes = np.where(is_hit, STATES.index("present"), STATES.index("absent"))
        codes[status > 0] = STATES.index("missing")
        is_hit &= status == 0
        columns[f"{name}_state"] = pa.DictionaryArray.from_arrays(
            codes.astype(np.int8), list(STATES)
        )
        columns[f"{name}_detail"] = [detail if hit else None for hit in is_hit.tolist()]
    kinds = schema(plan.build_detectors())
    arrays = [
        pa.nulls(ROWS, kind.type) if kind.name not in columns
        else columns[kind.name] if isinstance(columns[kind.name], pa.Array)
        else pa.array(columns[kind.name], kind.type)
        for kind in kinds
    ]  # fmt: skip
    return pa.Table.from_arrays(arrays, schema=kinds)


def _states_of(table: pa.Table) -> dict[str, dict[str, int]]:
    """Rows by state, as a scan's marker has them."""
    return {
        name: {
            pair["values"]: pair["counts"]
            for pair in table.column(f"{name}_state").value_counts().to_pylist()
        }
        for name in _DETECTORS
    }


def _n_hits(table: pa.Table) -> int:
    """Rows with a mark, as a scan's marker has them; an opt-out is none."""
    is_hit = np.zeros(len(table), dtype=bool)
    for name in _DETECTORS:
        if not name.startswith("optout_"):
            is_hit |= np.asarray(table.column(f"{name}_detail").is_valid())
    return int(is_hit.sum())


def _marker(name: str, fingerprint: str, states: dict[str, dict[str, int]]) -> dict[str, Any]:
    return {
        "shard": name,
        "n_samples": ROWS,
        "n_rows": ROWS,
        "status": {"ok": ROWS},
        "states": states,
        "imageless": 0,
        "fingerprint": fingerprint,
        "input": {
            "uri": name, "reader": "tar", "size_bytes": 1, "version": "1", "digest": "headers",
            "sha256": "0" * 64,
        },
    }  # fmt: skip


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def bench_report(n_rows: int) -> None:
    """Make the store, then a report in a process of its own, which starts more if it pays."""
    with tempfile.TemporaryDirectory() as temporary:
        store = make_store(Path(temporary), n_rows)
        code = f"import madaudit; madaudit.report({store!r})"
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
        seconds = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        peak, cpu = used.ru_maxrss / 2**20, used.ru_utime + used.ru_stime
        size = (Path(store) / "report/index.html").stat().st_size / 2**20
    figure(
        f"report over {n_rows:,} rows: {cpu:.0f} s of a processor, {seconds:.0f} s by the clock "
        f"(aim 60 for 1e8), peak {peak:.2f} GiB (aim 2)"
    )
    print(
        f"{n_rows:,} rows in {n_rows // ROWS:,} shards: {seconds:.1f} s "
        f"({n_rows / seconds / 1e6:.2f} million rows/s), {cpu:.1f} s of processor, "
        f"largest process {peak:.2f} GiB, page {size:.2f} MiB"
    )
