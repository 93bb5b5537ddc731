"""Counts of strata, and the files in which a store keeps them.

A file may be a stranger's: nothing of it is followed before it is known to fit together, and
whatever is wrong with it makes it a file that is not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from madaudit.estimation.cells import N_PLACES, N_PLANES, StratumCells
from madaudit.estimation.sketch import ScoreSketch
from madaudit.estimation.tally import MarkTally
from madaudit.limits import MAX_COMBINED_BYTES
from madaudit.scanning.store import Store
from madaudit.shards import files
from madaudit.shards.array_files import parse_npz

Floats = npt.NDArray[np.float64]
#: Values of the strata's columns.
Labels = tuple[str, ...]
N_FIELDS = len(fields(MarkTally))


@dataclass(frozen=True, eq=False)
class Counted:
    """Counts of strata, of one shard or of a whole store.

    Attributes:
        labels: values of the columns by stratum, in order of first sight.
        tallies: what marks say, a row of `MarkTally.count_by` per stratum.
        cells: combined scores by stratum.
        squares: Σ W_c² over near-duplicate clusters within each stratum; None without clusters.
        whole_squares: the same over all strata together.
        pairs: stratum, cluster, Σw of the clusters that `squares` does not hold yet, since other
            shards or strata have rows of them.
        combiner: fingerprint of what made the scores.
    """

    labels: list[Labels]
    tallies: Floats
    cells: StratumCells
    squares: Floats | None = None
    whole_squares: float = 0.0
    pairs: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)))
    combiner: str = ""

    def sketch(self, stratum: int | None = None) -> ScoreSketch:
        """Combined scores of one stratum, or of all; marked ones lie in the last cell."""
        cells = self.cells.together() if stratum is None else self.cells.of(stratum)
        return cells.sketch(range(N_PLANES), self.combiner)

    @property
    def tally(self) -> MarkTally:
        return MarkTally.of(self.tallies.sum(axis=0))


def marks_alone(tallies: Iterable[MarkTally]) -> Counted:
    """Counts of what marks say of all samples together, without scores or strata."""
    total = sum(tallies, MarkTally())
    row = np.array([[getattr(total, one.name) for one in fields(MarkTally)]], dtype=np.float64)
    return Counted([()], row, StratumCells.empty())


def write_counts(store: Store, path: str, digest: str, counted: Counted) -> None:
    """Keep counts that rest on what `digest` is of."""
    about = json.dumps({"of": digest, "labels": counted.labels}).encode()
    cells = counted.cells
    # In a census without clusters the other sums are the counts once more.
    is_plain = bool((cells.sums == cells.sums[:, :1]).all())
    arrays = {
        "about": np.frombuffer(about, dtype=np.uint8),
        "tallies": counted.tallies,
        "keys": cells.keys,
        "sums": cells.sums[:, :1] if is_plain else cells.sums,
        "pairs": counted.pairs,
        "squares": np.zeros(0) if counted.squares is None else counted.squares,
        "whole": np.array([counted.whole_squares]),
    }
    with store.create(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_counts(store: Store, path: str, digest: str) -> Counted | None:
    """What was counted before, or None where it is not there, old or damaged."""
    try:
        data = files.read_bytes(files.join(store.url, path), most_bytes=MAX_COMBINED_BYTES)
        if data is None:
            return None
        arrays = parse_npz(data, most_bytes=MAX_COMBINED_BYTES)
        about = json.loads(arrays["about"].tobytes())
        if about["of"] != digest:
            return None
        labels = [tuple(str(value) for value in label) for label in about["labels"]]
        return _checked(labels, arrays)
    except (
        OSError, ValueError, KeyError, TypeError, IndexError, MemoryError, AttributeError,
        RecursionError,
    ):  # fmt: skip
        # A cache is only ever a shortcut: whatever is wrong with it, the rows are there.
        return None


def _checked(labels: list[Labels], arrays: dict[str, npt.NDArray[Any]]) -> Counted:
    """Counts from arrays that a stranger may have written.

    Raises:
        ValueError: they do not fit together.
    """
    keys, sums, n = arrays["keys"], arrays["sums"], len(labels)
    if arrays["tallies"].shape != (n, N_FIELDS) or keys.dtype != np.int64 or keys.ndim != 1:
        raise ValueError("arrays of other shapes")
    if sums.shape not in {(len(keys), 1), (len(keys), 4)} or arrays["pairs"].shape[1:] != (3,):
        raise ValueError("sums of another shape")
    most = n * N_PLANES * N_PLACES
    if len(keys) and (keys[0] < 0 or keys[-1] >= most or (np.diff(keys) <= 0).any()):
        raise ValueError("keys out of order")
    for counts in (sums, arrays["tallies"], arrays["pairs"], arrays["squares"], arrays["whole"]):
        if counts.dtype != np.float64 or not np.isfinite(counts).all() or (counts < 0).any():
            raise ValueError("counts that are no counts")
    squares = arrays["squares"] if n and arrays["squares"].shape == (n,) else None
    if sums.shape[1] == 1:
        sums = np.repeat(sums, 4, axis=1)
    return Counted(
        labels,
        arrays["tallies"],
        StratumCells(keys, sums),
        squares,
        float(arrays["whole"][0]),
        arrays["pairs"],
    )
