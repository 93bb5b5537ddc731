"""Posteriors as `estimate --calibration` leaves them in a store, written by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

CALIBRATION = "c0ffee" * 10 + "abcd"


def write_posteriors(
    store: str,
    log_ratios: Mapping[str, list[float | None]],
    *,
    calibration: str = CALIBRATION,
    p_real: float | None = 0.75,
) -> str:
    """Scores of each shard's rows, in order; the posterior of a log ratio r is r/10 + 1/2."""
    folder = Path(store) / "posteriors" / calibration[:16]
    for shard, values in log_ratios.items():
        path = folder / f"{shard}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        posteriors = [None if r is None else min(max(r / 10 + 0.5, 0.0), 1.0) for r in values]
        columns = {
            "shard": pa.array([shard] * len(values)).dictionary_encode(),
            "ordinal": pa.array(range(len(values)), pa.int64()),
            "log_ratio": pa.array(values, pa.float32()),
            "p_synthetic": pa.array(posteriors, pa.float32()),
        }
        pq.write_table(pa.table(columns), path)
    p = {"low": 0.0, "point": p_real, "high": 1.0, "level": 0.95}
    content = {"calibration": calibration, "estimate": {"p": p}}
    (folder / "estimate.json").write_text(json.dumps(content))
    return calibration
