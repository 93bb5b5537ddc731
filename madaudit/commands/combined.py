"""A store's rows as combined scores, and their counts by stratum, cached in the store.

Score columns are read once per combiner and strata: what was counted of each shard lies in
`combined/<combiner>/<strata>/`, the sum over all of them in `<strata>.npz` beside it. A part is
used again only while the marker of its shard is the one it was counted under.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from madaudit.commands.cluster_pairs import closed, paired, squares_of
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

    def numbers_of(self, shard: str) -> npt.NDArray[np.integer[Any]]:
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
    store: Store,
    shard: str,
    looks_at: Mapping[str, str],
    wanted: Wanted,
    extra: Sequence[str] = (),
    *,
    silent: Collection[str] = (),
) -> Iterator[tuple[MarkRows, Floats]]:
    """Rows of a shard with their verdicts and combined scores, a row group at a time.

    Args:
        store: to read.
        shard: its name.
        looks_at: detector to where its evidence stands (`Survey.looks_at`).
        wanted: the calibration and strata; without a calibration all scores are NaN.
        extra: further columns to keep.
        silent: as in `mark_rows`.
    """
    calibration = wanted.calibration
    graded = set(calibration.detectors) if calibration else set()
    marks = {name: place for name, place in looks_at.items() if name not in graded}
    by = needed_columns(store.columns(shard), wanted.by) if wanted.by else []
    columns = list(dict.fromkeys([*by, *score_columns(calibration), *extra]))
    for rows in mark_rows(store, shard, marks, columns, silent=silent):
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
    counted = find_counts(store, survey, wanted)
    if counted is None:
        parts = (_part(store, marker, survey, wanted) for marker in survey.markers)
        counted = add_up(parts)
        keep_counts(store, survey, wanted, counted)
    return replace(counted, combiner=wanted.combiner)


def find_counts(store: Store, survey: Survey, wanted: Wanted) -> Counted | None:
    """Counts of all finished shards that were kept before; None where they must be made."""
    found = read_counts(store, f"{wanted.folder}.npz", _digest_of_all(survey))
    return found and replace(found, combiner=wanted.combiner)


def keep_counts(store: Store, survey: Survey, wanted: Wanted, counted: Counted) -> None:
    """Keep counts of all finished shards.

    Raises:
        StoreError: the store cannot be written.
    """
    write_counts(store, f"{wanted.folder}.npz", _digest_of_all(survey), counted)


class ShardCounter:
    """Counts one shard, a batch of its rows at a time, in their order."""

    def __init__(self, shard: str, wanted: Wanted) -> None:
        self._shard, self._wanted = shard, wanted
        self._numbers: dict[Labels, int] = {}
        self._tallies, self._cells = _Rows(), CellSum()
        self._codes: list[Ints] = []
        self._weights: list[Floats] = []
        self._start = 0
        clusters = wanted.clusters
        self._clusters = clusters.numbers_of(shard) if clusters else None
        self._sizes = clusters.sizes_of(shard) if clusters else None

    def add(self, rows: MarkRows, ratios: Floats) -> None:
        codes = _codes(stratum_labels(rows, self._shard, self._wanted), self._numbers)
        stop, weights = self._start + len(codes), rows.weights()
        of_rows = None if self._sizes is None else self._sizes[self._start : stop]
        self._cells.add(StratumCells.count(codes, planes_of(rows), ratios, weights, of_rows))
        self._tallies.add(rows.tallies(codes, len(self._numbers)))
        if self._clusters is not None:
            self._codes.append(codes)
            self._weights.append(weights)
        self._start = stop

    def counted(self) -> Counted:
        n = len(self._numbers)
        counted = Counted(list(self._numbers), self._tallies.total(n), self._cells.total())
        if self._clusters is None or self._sizes is None or not self._start:
            return counted
        squares, pairs = closed(
            np.concatenate(self._codes),
            self._clusters,
            np.concatenate(self._weights),
            self._sizes,
            n,
        )
        return replace(counted, squares=squares, whole_squares=float(squares.sum()), pairs=pairs)


def count_shard(store: Store, shard: str, survey: Survey, wanted: Wanted) -> Counted:
    """Counts of one shard, from its rows."""
    counter = ShardCounter(shard, wanted)
    for rows, ratios in scored_rows(store, shard, survey.looks_at, wanted):
        counter.add(rows, ratios)
    return counter.counted()


def _codes(labels: list[Labels], numbers: dict[Labels, int]) -> Ints:
    for label in dict.fromkeys(labels):
        numbers.setdefault(label, len(numbers))
    return np.fromiter((numbers[label] for label in labels), dtype=np.int64, count=len(labels))


def add_up(parts: Iterable[Counted]) -> Counted:
    """Counts of all shards together; strata beyond the most that are kept go together."""
    found = joined(parts, most_strata=MAX_STRATA)
    if not len(found.pairs):
        return found
    strata, clusters = (found.pairs[:, place].astype(np.int64) for place in (0, 1))
    of_strata = paired(strata, clusters, found.pairs[:, 2])
    squares = squares_of(of_strata, len(found.labels))
    if found.squares is not None:
        squares += found.squares
    of_all = paired(np.zeros_like(clusters), clusters, found.pairs[:, 2])
    whole = found.whole_squares + float((of_all[:, 2] ** 2).sum())
    return Counted(found.labels, found.tallies, found.cells, squares, whole)


def joined(parts: Iterable[Counted], *, most_strata: int | None = None) -> Counted:
    """Counts of some shards, which can be joined with those of others.

    Args:
        parts: in the order of the shards.
        most_strata: that are kept apart; None for all.
    """
    numbers: dict[Labels, int] = {}
    tallies, squares, whole, has_squares = _Rows(), _Rows(1), 0.0, False
    cells, pairs = CellSum(), []
    for part in parts:
        renamed = np.array(
            [_number(label, numbers, most_strata) for label in part.labels], dtype=np.int64
        )
        tallies.add(part.tallies, renamed)
        cells.add(part.cells.renumbered(renamed))
        has_squares, whole = has_squares or part.squares is not None, whole + part.whole_squares
        of_part = np.zeros(len(renamed)) if part.squares is None else part.squares
        squares.add(of_part[:, np.newaxis], renamed)
        if len(part.pairs):
            named = part.pairs.copy()
            named[:, 0] = renamed[part.pairs[:, 0].astype(np.int64)]
            pairs.append(named)
    all_pairs = np.concatenate(pairs) if pairs else np.zeros((0, 3))
    n = len(numbers)
    of_strata = squares.total(n)[:, 0] if has_squares else None
    return Counted(list(numbers), tallies.total(n), cells.total(), of_strata, whole, all_pairs)


class _Rows:
    """A sum of tables whose rows are strata, of which ever more turn up."""

    def __init__(self, width: int = N_FIELDS) -> None:
        self._table = np.zeros((64, width))

    def add(self, rows: Floats, places: Ints | None = None) -> None:
        """Add rows to the first ones, or to those at `places`."""
        needed = len(rows) if places is None else int(places.max(initial=-1)) + 1
        if needed > len(self._table):
            length = max(needed, 2 * len(self._table)) - len(self._table)
            more = np.zeros((length, self._table.shape[1]))
            self._table = np.concatenate([self._table, more])
        if places is None:
            self._table[: len(rows)] += rows
        else:
            np.add.at(self._table, places, rows)

    def total(self, n: int) -> Floats:
        return self._table[:n]


def _number(label: Labels, numbers: dict[Labels, int], most: int | None) -> int:
    if most is not None and label not in numbers and len(numbers) >= most:
        label = (_FURTHER,) * len(label)
    return numbers.setdefault(label, len(numbers))


# ---- the cache


def _part(store: Store, marker: Mapping[str, Any], survey: Survey, wanted: Wanted) -> Counted:
    shard, digest = marker["shard"], _digest(marker)
    path = f"{wanted.folder}/{shard}.npz"
    found = read_counts(store, path, digest)
    if found is None:
        found = count_shard(store, shard, survey, wanted)
        write_counts(store, path, digest, found)
    return found


def _digest_of_all(survey: Survey) -> str:
    digests = {marker["shard"]: _digest(marker) for marker in survey.markers}
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def _digest(marker: Mapping[str, Any]) -> str:
    """Of what a part rests on: the shard's marker, and how it is counted."""
    content = json.dumps([COMBINED_VERSION, marker], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
