"""A store's rows as combined scores, and their counts by stratum, cached in the store.

Score columns are read once per combiner and strata: what was counted of each shard lies in
`combined/<combiner>/<strata>/`, the sum over all of them in `<strata>.npz` beside it. A part is
used again only while the marker of its shard is the one it was counted under.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from madaudit.commands.counted import N_FIELDS, Counted, Labels, read_counts, write_counts
from madaudit.commands.store_rows import MarkRows, group_labels, mark_rows, needed_columns
from madaudit.estimation.cells import (
    BROKEN,
    COMPOSITE_MARK,
    SYNTHETIC_MARK,
    UNMARKED,
    CellSum,
    StratumCells,
)
from madaudit.estimation.tally import COMPOSITE, SYNTHETIC
from madaudit.limits import MAX_STRATA
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey

if TYPE_CHECKING:
    from madaudit.estimation.calibration import Calibration

# Raised when what a part holds, or what it is counted from, changes its meaning.
COMBINED_VERSION = 1
_FURTHER = "(further strata)"

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Clusters(Protocol):
    """Near-duplicate clusters of a store's rows."""

    @property
    def fingerprint(self) -> str:
        """Changes when a cluster does."""
        ...

    def sizes_of(self, shard: str) -> Floats:
        """Samples in the cluster of each row of a shard (n,), at least 1."""
        ...

    def numbers_of(self, shard: str) -> Ints:
        """Number of the cluster of each row of a shard (n,)."""
        ...


class Concepts(Protocol):
    """Clusters of a store's samples by what they show."""

    @property
    def fingerprint(self) -> str:
        """Changes when a concept does."""
        ...

    def labels_of(self, shard: str, ordinals: Ints) -> npt.NDArray[np.object_]:
        """The concept of each row of a shard, (n,)."""
        ...


@dataclass(frozen=True)
class Wanted:
    """What is counted.

    Attributes:
        calibration: whose combiner makes the scores; None for marks alone.
        by: columns of the strata.
        clusters: near-duplicate clusters, where some were found.
        concepts: clusters of embeddings, which the stratum "cluster" is.
    """

    calibration: Calibration | None = None
    by: tuple[str, ...] = ()
    clusters: Clusters | None = None
    concepts: Concepts | None = None

    @property
    def combiner(self) -> str:
        """Fingerprint of what makes the scores; "" for marks alone."""
        return "" if self.calibration is None else self.calibration.combiner.fingerprint

    @property
    def folder(self) -> str:
        """Where parts lie in the store."""
        content: list[Any] = [self.by, self.clusters.fingerprint if self.clusters else None]
        if self.concepts:
            content.append(self.concepts.fingerprint)
        strata = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
        return f"{combined_folder(self.combiner)}/{strata}"


def combined_folder(combiner: str) -> str:
    return f"combined/{combiner[:16]}"


# ---- rows


def log_ratios(
    rows: pa.RecordBatch | pa.Table,
    calibration: Calibration,
    marked: npt.NDArray[np.bool_] | None = None,
) -> Floats:
    """Ln f1/f0 of rows by a calibration's combiner.

    Args:
        rows: with the columns <name>_state and <name>_score of the calibration's detectors.
        calibration: bound to the same detectors (`Calibration.require_fits`).
        marked: rows with a hit labelled synthetic (n,).

    Returns:
        float64 (n,): NaN where no detector has a score, +inf for marked rows.
    """
    names = list(calibration.detectors)
    scores = np.full((rows.num_rows, len(names)), np.nan)
    for place, name in enumerate(names):
        column = rows.column(f"{name}_score")
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        scores[:, place] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return calibration.combiner.log_ratio(scores, marked)


def score_columns(calibration: Calibration | None) -> list[str]:
    """Columns that `log_ratios` needs."""
    return [f"{name}_score" for name in calibration.detectors] if calibration else []


def scored_rows(
    store: Store, shard: str, survey: Survey, wanted: Wanted, extra: Sequence[str] = ()
) -> Iterator[tuple[MarkRows, Floats]]:
    """Rows of a shard with their verdicts and combined scores, a row group at a time.

    Args:
        store: to read.
        shard: its name.
        survey: of the store.
        wanted: the calibration and strata; without a calibration all scores are NaN.
        extra: further columns to keep.
    """
    calibration = wanted.calibration
    graded = set(calibration.detectors) if calibration else set()
    marks = {name: place for name, place in survey.looks_at.items() if name not in graded}
    by = needed_columns(store.columns(shard), wanted.by) if wanted.by else []
    columns = list(dict.fromkeys([*by, *score_columns(calibration), *extra]))
    for rows in mark_rows(store, shard, marks, columns):
        if calibration is None:
            ratios = np.full(rows.rows.num_rows, np.nan)
        else:
            ratios = log_ratios(rows.rows, calibration, rows.verdicts == SYNTHETIC)
        yield rows, ratios


def planes_of(rows: MarkRows) -> npt.NDArray[np.int64]:
    """What marks say of each row, as cells count it (n,)."""
    planes = np.where(rows.masks.broken, BROKEN, UNMARKED).astype(np.int64)
    planes[rows.verdicts == COMPOSITE] = COMPOSITE_MARK
    planes[rows.verdicts == SYNTHETIC] = SYNTHETIC_MARK
    return planes


def stratum_labels(rows: MarkRows, shard: str, wanted: Wanted) -> list[Labels]:
    """Values of the strata's columns by row."""
    if not wanted.by:
        return [()] * rows.rows.num_rows
    columns = [
        wanted.concepts.labels_of(shard, rows.rows.column("ordinal").to_numpy())
        if column == "cluster" and wanted.concepts
        else group_labels(rows, column)
        for column in wanted.by
    ]
    return list(zip(*columns, strict=True))


# ---- counts


def count_store(store: Store, survey: Survey, wanted: Wanted) -> Counted:
    """Counts of all finished shards, from the store's cache where that is still right.

    Without a calibration nothing is kept, since marks are quick to count again.

    Raises:
        StoreError: a shard's rows are missing or damaged, or the cache cannot be written.
    """
    if wanted.calibration is None and wanted.clusters is None:
        shards = (count_shard(store, m["shard"], survey, wanted) for m in survey.markers)
        return add_up(shards)
    counted = _cached(store, survey, wanted)
    return replace(counted, combiner=wanted.combiner)


def _cached(store: Store, survey: Survey, wanted: Wanted) -> Counted:
    digests = {marker["shard"]: _digest(marker) for marker in survey.markers}
    whole = f"{wanted.folder}.npz"
    of_all = hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()
    found = read_counts(store, whole, of_all)
    if found is None:
        parts = (_part(store, shard, survey, wanted, digest) for shard, digest in digests.items())
        found = add_up(parts)
        write_counts(store, whole, of_all, found)
    return found


def count_shard(store: Store, shard: str, survey: Survey, wanted: Wanted) -> Counted:
    """Counts of one shard, from its rows."""
    numbers: dict[Labels, int] = {}
    tallies = _Rows()
    cells, codes_of, weights_of = CellSum(), [], []
    sizes = wanted.clusters.sizes_of(shard) if wanted.clusters else None
    start = 0
    for rows, ratios in scored_rows(store, shard, survey, wanted):
        codes = _codes(stratum_labels(rows, shard, wanted), numbers)
        stop, weights = start + len(codes), rows.weights()
        of_rows = None if sizes is None else sizes[start:stop]
        cells.add(StratumCells.count(codes, planes_of(rows), ratios, weights, of_rows))
        tallies.add(rows.tallies(codes, len(numbers)))
        codes_of.append(codes)
        weights_of.append(weights)
        start = stop
    pairs = np.zeros((0, 3))
    if wanted.clusters and start:
        clusters = wanted.clusters.numbers_of(shard)
        pairs = _paired(np.concatenate(codes_of), clusters, np.concatenate(weights_of))
    return Counted(list(numbers), tallies.total(len(numbers)), cells.total(), pairs=pairs)


def _codes(labels: list[Labels], numbers: dict[Labels, int]) -> Ints:
    for label in dict.fromkeys(labels):
        numbers.setdefault(label, len(numbers))
    return np.fromiter((numbers[label] for label in labels), dtype=np.int64, count=len(labels))


def _paired(strata: Ints, clusters: Ints, weights: Floats) -> Floats:
    """Weight by (stratum, cluster), a row each: stratum, cluster, Σw."""
    order = np.lexsort((clusters, strata))
    strata, clusters, weights = strata[order], clusters[order], weights[order]
    is_new = np.r_[True, (np.diff(strata) != 0) | (np.diff(clusters) != 0)]
    starts = np.flatnonzero(is_new)
    return np.stack([strata[starts], clusters[starts], np.add.reduceat(weights, starts)], axis=1)


def add_up(parts: Iterator[Counted]) -> Counted:
    """Counts of all shards together; strata beyond the most that are kept go together."""
    numbers: dict[Labels, int] = {}
    tallies = _Rows()
    cells, pairs = CellSum(), []
    for part in parts:
        renamed = np.array([_number(label, numbers) for label in part.labels], dtype=np.int64)
        tallies.add(part.tallies, renamed)
        cells.add(part.cells.renumbered(renamed))
        if len(part.pairs):
            named = part.pairs.copy()
            named[:, 0] = renamed[part.pairs[:, 0].astype(np.int64)]
            pairs.append(named)
    squares, whole = None, 0.0
    if pairs:
        all_pairs = np.concatenate(pairs)
        strata, clusters = all_pairs[:, 0].astype(np.int64), all_pairs[:, 1].astype(np.int64)
        of_strata = _paired(strata, clusters, all_pairs[:, 2])
        squares = np.bincount(
            of_strata[:, 0].astype(np.int64), of_strata[:, 2] ** 2, len(numbers)
        ).astype(np.float64)
        of_all = _paired(np.zeros_like(clusters), clusters, all_pairs[:, 2])
        whole = float((of_all[:, 2] ** 2).sum())
    return Counted(list(numbers), tallies.total(len(numbers)), cells.total(), squares, whole)


class _Rows:
    """A sum of tables whose rows are strata, of which ever more turn up."""

    def __init__(self) -> None:
        self._table = np.zeros((64, N_FIELDS))

    def add(self, rows: Floats, places: Ints | None = None) -> None:
        """Add rows to the first ones, or to those at `places`."""
        needed = len(rows) if places is None else int(places.max(initial=-1)) + 1
        if needed > len(self._table):
            more = np.zeros((max(needed, 2 * len(self._table)) - len(self._table), N_FIELDS))
            self._table = np.concatenate([self._table, more])
        if places is None:
            self._table[: len(rows)] += rows
        else:
            np.add.at(self._table, places, rows)

    def total(self, n: int) -> Floats:
        return self._table[:n]


def _number(label: Labels, numbers: dict[Labels, int]) -> int:
    if label not in numbers and len(numbers) >= MAX_STRATA:
        label = (_FURTHER,) * len(label)
    return numbers.setdefault(label, len(numbers))


# ---- the cache


def _part(store: Store, shard: str, survey: Survey, wanted: Wanted, digest: str) -> Counted:
    path = f"{wanted.folder}/{shard}.npz"
    found = read_counts(store, path, digest)
    if found is None:
        found = count_shard(store, shard, survey, wanted)
        write_counts(store, path, digest, found)
    return found


def _digest(marker: Mapping[str, Any]) -> str:
    """Of what a part rests on: the shard's marker, and how it is counted."""
    content = json.dumps([COMBINED_VERSION, marker], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
