"""Marginal histograms of one shard: states and scores of every detector, mergeable by addition.

Graded scores are logits: 1,024 bins of 1/64 over [−8, 8), with what lies outside apart. Checks
with a p-value have −log10 p in steps of 0.25 up to 48. Missing scores are counted, never binned.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from madaudit.detectors import Detector
from madaudit.errors import StoreError
from madaudit.limits import MAX_SKETCH_BYTES
from madaudit.shards.array_files import parse_npz
from madaudit.types import STATES

Counts = npt.NDArray[np.int64]
SKETCH_VERSION = 1
GRADED_EDGES: npt.NDArray[np.float64] = np.linspace(-8.0, 8.0, 1025)
P_VALUE_EDGES: npt.NDArray[np.float64] = np.linspace(0.0, 48.0, 193)


class ShardSketch:
    """Counts of one shard.

    Attributes:
        counts: array name to counts: "<detector>_states" (4) and "<detector>_scores"
            (below, bins, above, missing).
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._edges = {
            detector.name: GRADED_EDGES if detector.kind == "graded" else P_VALUE_EDGES
            for detector in detectors
        }
        self.counts: dict[str, npt.NDArray[np.int64]] = {}
        for name, edges in self._edges.items():
            self.counts[f"{name}_states"] = np.zeros(len(STATES), dtype=np.int64)
            self.counts[f"{name}_scores"] = np.zeros(len(edges) + 2, dtype=np.int64)

    def add(self, rows: pa.RecordBatch) -> None:
        """Count the rows of a batch."""
        for name, edges in self._edges.items():
            codes = rows.column(f"{name}_state").indices.to_numpy()
            self.counts[f"{name}_states"] += np.bincount(codes, minlength=len(STATES))
            column = rows.column(f"{name}_score")
            counts = self.counts[f"{name}_scores"]
            counts[-1] += column.null_count
            if column.null_count < len(column):
                scores = column.drop_null().to_numpy().astype(np.float64)
                places = np.searchsorted(edges, scores, side="right")
                counts[:-1] += np.bincount(places, minlength=len(edges) + 1)

    def arrays(self) -> dict[str, npt.NDArray[np.int64]]:
        """What is written: the counts and the version of their bins."""
        return {"version": np.array([SKETCH_VERSION], dtype=np.int64), **self.counts}


def read_sketch(data: bytes, where: str) -> dict[str, npt.NDArray[np.int64]]:
    """The arrays of a written sketch, which may come from strangers.

    Args:
        data: the file.
        where: what it is called in errors.

    Raises:
        StoreError: it is no sketch, or one with other bins.
    """
    try:
        arrays = parse_npz(data, most_bytes=MAX_SKETCH_BYTES)
    except ValueError as error:
        raise StoreError(f"cannot read {where}: {error}; delete it and scan again") from error
    version = arrays.get("version")
    if version is None or version.tolist() != [SKETCH_VERSION]:
        found = None if version is None else version.tolist()
        raise StoreError(
            f"cannot read {where}: sketch version {found}, this madaudit reads {SKETCH_VERSION}; "
            f"scan again"
        )
    if any(array.dtype != np.int64 or array.ndim != 1 for array in arrays.values()):
        raise StoreError(f"cannot read {where}: its counts are no whole numbers; scan again")
    return arrays


def p_value_counts(arrays: dict[str, npt.NDArray[np.int64]], detector: str) -> Counts | None:
    """Histogram of −log10 p of a check over P_VALUE_EDGES, the last cell all beyond 48.

    Args:
        arrays: of a sketch.
        detector: its name.

    Returns:
        int64 (193,), or None where the detector gives no p-values.
    """
    scores = arrays.get(f"{detector}_scores")
    if scores is None or len(scores) != len(P_VALUE_EDGES) + 2 or not scores[:-1].any():
        return None
    below, cells = scores[0], scores[1:-1].copy()
    cells[0] += below
    return cells
