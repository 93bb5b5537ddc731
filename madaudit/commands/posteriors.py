"""Each sample's combined score and probability of being synthetic, in files of their own.

`posteriors/<calibration>/<shard>.parquet` has a row per row of the store; `estimate.json` beside
them is written last, so where it stands all of them are whole.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from madaudit.commands.combined import Wanted, scored_rows
from madaudit.errors import StoreError
from madaudit.estimation.sketch import N_CELLS, places_of
from madaudit.estimation.tally import COMPOSITE, SYNTHETIC
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey

POSTERIORS_VERSION = 1
SCHEMA = pa.schema(
    [
        ("shard", pa.dictionary(pa.int32(), pa.string())),
        ("ordinal", pa.int64()),
        ("log_ratio", pa.float32()),
        ("p_synthetic", pa.float32()),
    ]
)

Floats = npt.NDArray[np.float64]


def posteriors_folder(calibration: str) -> str:
    """Where the posteriors of a calibration lie, by its fingerprint."""
    return f"posteriors/{calibration[:16]}"


def write_posteriors(
    store: Store,
    survey: Survey,
    wanted: Wanted,
    p_synthetic: Floats | None,
    about: dict[str, Any],
    *,
    counts_composite: bool,
) -> bool:
    """Write the posteriors of all finished shards, unless they stand there already.

    Args:
        store: to write to.
        survey: of it.
        wanted: whose calibration makes the scores.
        p_synthetic: by cell of a sketch, not falling (N_CELLS,); None where no model could be
            fitted, which leaves the column empty.
        about: what estimate.json tells besides.
        counts_composite: whether a sample marked composite is synthetic.

    Returns:
        Whether anything was written.

    Raises:
        StoreError: the store cannot be written, or a shard's rows are damaged.
    """
    if wanted.calibration is None:
        raise StoreError("cannot write posteriors without a calibration; give --calibration DIR")
    folder = posteriors_folder(wanted.calibration.fingerprint)
    digest = _digest(survey, p_synthetic, counts_composite=counts_composite)
    try:
        found = store.read_json(f"{folder}/estimate.json")
    except StoreError:
        found = None
    if isinstance(found, dict) and found.get("of") == digest:
        return False
    store.remove(f"{folder}/estimate.json")
    table = np.full(N_CELLS + 1, np.nan)
    if p_synthetic is not None:
        table[:N_CELLS] = p_synthetic
    for marker in survey.markers:
        _write_shard(
            store, marker["shard"], survey, wanted, table, counts_composite=counts_composite
        )
    content = {
        "version": POSTERIORS_VERSION,
        "calibration": wanted.calibration.fingerprint,
        "detectors": dict(wanted.calibration.detectors),
        "of": digest,
        **about,
    }
    store.write_json(f"{folder}/estimate.json", content)
    return True


def _write_shard(
    store: Store,
    shard: str,
    survey: Survey,
    wanted: Wanted,
    table: Floats,
    *,
    counts_composite: bool,
) -> None:
    assert wanted.calibration is not None
    folder = posteriors_folder(wanted.calibration.fingerprint)
    with (
        store.create(f"{folder}/{shard}.parquet") as file,
        pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer,
    ):
        for rows, ratios in scored_rows(store, shard, survey.looks_at, Wanted(wanted.calibration)):
            known = table[places_of(ratios)]
            known[rows.verdicts == SYNTHETIC] = 1.0
            if counts_composite:
                known[rows.verdicts == COMPOSITE] = 1.0
            n = len(ratios)
            arrays = [
                pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), [shard]),
                rows.rows.column("ordinal"),
                *(
                    pa.array(column.astype(np.float32), mask=np.isnan(column))
                    for column in (ratios, known)
                ),
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))


def _digest(survey: Survey, p_synthetic: Floats | None, *, counts_composite: bool) -> str:
    """Of all that the files hold."""
    content = [POSTERIORS_VERSION, survey.markers, counts_composite]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    if p_synthetic is not None:
        # What a column of 32 bits tells apart.
        digest.update(np.asarray(p_synthetic, dtype=np.float32).tobytes())
    return digest.hexdigest()
