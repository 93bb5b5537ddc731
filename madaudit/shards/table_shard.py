"""A table being read as a shard: what image, metadata and document tables have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import ClassVar

import pyarrow as pa

from madaudit.errors import ShardError
from madaudit.limits import MAX_LOST_ROWS
from madaudit.shards.base import OpenShard, Problem
from madaudit.shards.cells import positional_key
from madaudit.shards.columns import Layout
from madaudit.shards.tables import UNREADABLE, Stretch, Table, in_words
from madaudit.types import Sample, Shard


class OpenTable(OpenShard):
    """One table being read.

    Class attributes:
        rows_at_once: of a stretch; few where rows are large.
    """

    rows_at_once: ClassVar[int]

    def __init__(self, shard: Shard, table: Table, layout: Layout) -> None:
        super().__init__()
        self._shard = shard
        self._table = table
        self._layout = layout
        self._n_rows: int | None = None

    @abstractmethod
    def _rows(self, batch: pa.RecordBatch, ordinals: Sequence[int]) -> list[Sample]:
        """The samples of some rows."""

    def samples(self, wanted: Container[int] | None = None) -> Iterator[Sample]:
        try:
            for stretch in self._stretches(wanted):
                yield from self._samples(stretch, wanted)
                share = self._table.share_read(stretch.first + stretch.n_rows)
                self.position_bytes = int(self._shard.size_bytes * share)
        except UNREADABLE as error:
            self.problems.append(Problem(f"reading stopped: {in_words(error)}"))
        self.position_bytes = self._shard.size_bytes

    def count(self) -> int:
        if self._n_rows is None:
            try:
                self._n_rows = self._table.count()
            except UNREADABLE as error:
                raise ShardError(f"cannot read {self._shard.name}: {in_words(error)}") from error
        return self._n_rows

    def fetch(self, sample: Sample) -> bytes:
        return b""

    def header_digest(self) -> str:
        return self._table.digest()

    def close(self) -> None:
        self._table.close()

    def _stretches(self, wanted: Container[int] | None) -> Iterator[Stretch]:
        return self._table.stretches(self._layout.columns, self.rows_at_once, wanted)

    def _samples(self, stretch: Stretch, wanted: Container[int] | None) -> Iterable[Sample]:
        """The samples of a stretch that are wanted."""
        batch, error = stretch.batch, stretch.error or ""
        if batch is None and stretch.n_rows > MAX_LOST_ROWS:
            raise ShardError(
                f"cannot read {self._shard.name}: {stretch.n_rows} rows are claimed and lost "
                f"({error}); at most {MAX_LOST_ROWS} at once get a row each"
            )
        ordinals: Sequence[int] = range(stretch.first, stretch.first + stretch.n_rows)
        if wanted is not None:
            ordinals = [ordinal for ordinal in ordinals if ordinal in wanted]
            if batch is not None and len(ordinals) < stretch.n_rows:
                batch = batch.take(pa.array([o - stretch.first for o in ordinals], pa.int64()))
        if batch is not None:
            try:
                return self._rows(batch, ordinals)
            except UNREADABLE as failure:
                error = in_words(failure)
        self.problems.append(Problem(f"{stretch.n_rows} rows cannot be read: {error}"))
        # One by one: a forged footer of 100 bytes can claim a million.
        return (
            Sample(ordinal, positional_key(ordinal), status="decode_error", error=error)
            for ordinal in ordinals
        )
