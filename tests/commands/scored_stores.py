"""Stores with graded scores that no detector computed, and calibrations that fit them.

Scores of real samples are N(0, 1), of synthetic ones N(2, 1) unless told otherwise; the detector
is the shipped fake, `constant`, and marks are those of `a1111`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from madaudit import __version__
from madaudit.estimation.calibration import Calibration
from madaudit.estimation.combination import fit_combiner
from madaudit.estimation.sketch import ScoreSketch
from madaudit.scanning.plan import SCHEMA_VERSION, Plan, detector_identities
from madaudit.scanning.rows import schema
from madaudit.scanning.sketches import ShardSketch
from madaudit.types import STATES, STATUSES

DETECTORS = ("a1111", "constant")
SHIFT = 2.0


@dataclass(frozen=True)
class Rows:
    """Rows of one shard.

    Attributes:
        scores: (n,), NaN where there is none.
        marks: "synthetic", "composite" or None by row; None for no marks at all.
        weights: inverse inclusion probabilities; 1 where left out.
        columns: further columns of the store by name, such as url.
        broken: rows whose image is broken.
    """

    scores: np.ndarray
    marks: list[str | None] | None = None
    weights: np.ndarray | None = None
    columns: dict[str, list[Any]] = field(default_factory=dict)
    broken: np.ndarray | None = None


def draw_scores(
    n: int, pi: float, generator: np.random.Generator, shift: float = SHIFT
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of n samples, and which of them are synthetic."""
    is_synthetic = generator.random(n) < pi
    return generator.normal(0, 1, n) + shift * is_synthetic, is_synthetic


def write_store(folder: Path, shards: dict[str, Rows], *, n_sample: int | None = None) -> str:
    """A store of these shards, as a scan would have left it."""
    store = folder / "store"
    plan = Plan(DETECTORS, n_sample=n_sample)
    built = plan.build_detectors()
    manifest = {
        "schema": SCHEMA_VERSION,
        "madaudit": __version__,
        "python": "3",
        "created": "2026-01-01T00:00:00+00:00",
        "fingerprint": plan.fingerprint(),
        "plan": plan.to_dict(),
        "detectors": {d.name: d.version for d in built},
        "looks_at": {d.name: d.looks_at for d in built},
        "identities": detector_identities(built),
        "root": str(folder / "shards"),
        "inputs": [str(folder / "shards")],
        "shards": list(shards),
    }
    _write_json(store / "manifest.json", manifest)
    for name, rows in shards.items():
        write_rows(store, name, rows, plan)
    return str(store)


def write_rows(store: Path, name: str, rows: Rows, plan: Plan | None = None) -> None:
    """One finished shard."""
    plan = plan or Plan(DETECTORS)
    table = _table(name, rows, plan)
    path = store / "scores" / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=8192)
    sketch = ShardSketch(plan.build_detectors())
    for batch in table.to_batches():
        sketch.add(batch)
    path = store / "sketches" / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **sketch.arrays())
    n = len(rows.scores)
    n_broken = 0 if rows.broken is None else int(rows.broken.sum())
    marks = rows.marks or []
    n_marks = sum(1 for mark in marks if mark)
    n_scores = int((~np.isnan(rows.scores)).sum())
    marker = {
        "shard": name,
        "n_samples": n,
        "n_rows": n,
        "status": {"ok": n - n_broken, "decode_error": n_broken},
        "states": {
            "a1111": {"present": n_marks, "absent": n - n_marks},
            "constant": {"present": n_scores, "missing": n - n_scores},
        },
        "n_hits": n_marks,
        "imageless": 0,
        "fingerprint": plan.fingerprint(),
        "input": {
            "uri": name, "reader": "tar", "size_bytes": n, "version": "1", "digest": "headers",
            "sha256": f"{abs(hash((name, rows.scores.tobytes()))):064x}",
        },
    }  # fmt: skip
    _write_json(store / "shards" / f"{name}.json", marker)


def _table(name: str, rows: Rows, plan: Plan) -> pa.Table:
    n = len(rows.scores)
    broken = np.zeros(n, bool) if rows.broken is None else rows.broken
    marks = rows.marks or [None] * n
    columns: dict[str, Any] = {
        "shard": pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), [name]),
        "ordinal": np.arange(n),
        "key": [f"{k:09d}" for k in range(n)] if n < 100_000 else pa.nulls(n, pa.string()),
        "offset": np.full(n, -1),
        "size": np.full(n, 100),
        "status": pa.DictionaryArray.from_arrays(
            np.where(broken, STATUSES.index("decode_error"), 0).astype(np.int8), list(STATUSES)
        ),
        "format": pa.array(["jpeg"] * n),
        "weight": np.ones(n) if rows.weights is None else rows.weights,
        "a1111_state": _states(np.array([mark is not None for mark in marks]), "absent"),
        "a1111_detail": [mark and json.dumps({"label": mark, "says": "so"}) for mark in marks],
        "constant_state": _states(~np.isnan(rows.scores), "missing"),
        "constant_score": pa.array(rows.scores.astype(np.float32), mask=np.isnan(rows.scores)),
        **rows.columns,
    }
    kinds = schema(plan.build_detectors())
    arrays = [
        pa.nulls(n, kind.type) if kind.name not in columns
        else columns[kind.name] if isinstance(columns[kind.name], pa.Array)
        else pa.array(columns[kind.name], kind.type)
        for kind in kinds
    ]  # fmt: skip
    return pa.Table.from_arrays(arrays, schema=kinds)


def _states(is_present: np.ndarray, otherwise: str) -> pa.DictionaryArray:
    codes = np.where(is_present, STATES.index("present"), STATES.index(otherwise))
    return pa.DictionaryArray.from_arrays(codes.astype(np.int8), list(STATES))


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def calibration_of(
    n: int = 2000,
    *,
    shifts: dict[str, float] | None = None,
    real_sources: int = 1,
    least_detected: float | None = None,
    n_generators: int = 0,
    seed: int = 0,
) -> Calibration:
    """A calibration of the fake's scores, n samples of each source and generator."""
    generator = np.random.default_rng(seed)
    shifts = {"generator": SHIFT} if shifts is None else shifts
    real = [generator.normal(0, 1, (2 * n, 1)) for _ in range(real_sources)]
    synthetic = {name: generator.normal(shift, 1, (2 * n, 1)) for name, shift in shifts.items()}
    combiner = fit_combiner(
        np.concatenate([part[:n] for part in real]),
        np.concatenate([part[:n] for part in synthetic.values()] or [real[0][:n] + SHIFT]),
        ("constant",),
    )

    def sketch(scores: np.ndarray) -> ScoreSketch:
        ratios = combiner.log_ratio(scores.astype(np.float32).astype(float))
        return ScoreSketch.count(ratios, combiner=combiner.fingerprint)

    plan = Plan(DETECTORS)
    identities = detector_identities(plan.build_detectors())
    return Calibration(
        detectors={"constant": identities["constant"]},
        tier="headers",
        pipeline="none",
        combiner=combiner,
        real={f"camera{k}": sketch(part[n:]) for k, part in enumerate(real)},
        synthetic={name: sketch(part[n:]) for name, part in synthetic.items()},
        least_detected=least_detected,
        n_generators=n_generators,
    )
