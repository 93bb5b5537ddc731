"""Files of rows and columns, read a stretch at a time in bounded memory.

A stretch that cannot be read is handed over as lost, with the number of rows that the file says
it holds, so that rows in are rows out. Nothing in a file is ever executed or used as a path.
"""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Container, Iterator, Sequence
from typing import BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from madaudit.errors import InputError, ShardError
from madaudit.limits import MAX_LOST_ROWS
from madaudit.shards import files
from madaudit.shards.columns import Kind, Layout, recognise
from madaudit.types import Shard

# Large enough that a Parquet column is decoded at full speed, small enough for the cache.
_BUFFER_BYTES = 1 << 20
_FOOTER_BYTES = 8
_TABLE_ENDINGS = (".parquet", ".arrow")


#: What Arrow and files raise where they cannot be read; memory runs out where a size is forged.
UNREADABLE = (OSError, ValueError, MemoryError, pa.ArrowException)


class Stretch(NamedTuple):
    """Some neighbouring rows.

    Attributes:
        first: ordinal of the first.
        n_rows: how many.
        batch: their columns; None where they cannot be read.
        error: why not.
    """

    first: int
    n_rows: int
    batch: pa.RecordBatch | None
    error: str | None = None


class Table(ABC):
    """One file of rows.

    Attributes:
        schema: columns.
    """

    schema: pa.Schema

    @abstractmethod
    def count(self) -> int:
        """Number of rows that the file says it holds."""

    @abstractmethod
    def stretches(
        self, columns: Sequence[str], n_rows: int, wanted: Container[int] | None
    ) -> Iterator[Stretch]:
        """All rows in order.

        Args:
            columns: to read.
            n_rows: of a stretch at most, unless it is lost.
            wanted: ordinals that are needed; stretches without any may be left out.

        Raises:
            UNREADABLE: reading cannot go on.
        """

    @abstractmethod
    def share_read(self, n_rows: int) -> float:
        """How much of the file lies before a row, [0, 1], without looking ahead; 0 if unknown."""

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of what identifies the file: its footer or its headers."""

    @abstractmethod
    def close(self) -> None:
        """Release the file."""


def is_table(name: str) -> bool:
    """Whether a file is read by `open_table`, by its ending."""
    return name.endswith(_TABLE_ENDINGS)


def open_table(shard: Shard) -> Table:
    """The table in a file.

    Raises:
        ShardError: it cannot be opened, is empty, cut, or no such file at all.
    """
    try:
        file = files.open_binary(shard.uri)
    except OSError as error:
        raise ShardError(f"cannot open {shard.name}: {error}") from error
    try:
        if shard.uri.endswith(".arrow"):
            return ArrowTable(file)
        return ParquetTable(file)
    except UNREADABLE as error:
        file.close()
        raise ShardError(f"cannot open {shard.name}: {in_words(error)}", offset=0) from error


def open_table_as(shard: Shard, kind: Kind) -> tuple[Table, Layout]:
    """The table in a file, and which of its columns plays which part.

    Raises:
        ShardError: it cannot be opened, or has no columns for that kind.
    """
    table = open_table(shard)
    try:
        return table, recognise(table.schema, kind)
    except (ShardError, ValueError) as error:  # ValueError: a name that is not UTF-8
        table.close()
        raise ShardError(f"cannot read {shard.name}: {error}", offset=0) from error


def kind_of_first(shards: Sequence[Shard]) -> Kind | None:
    """What the first table that can be opened holds; None where none can.

    Raises:
        InputError: it opens, but its columns do not tell.
    """
    for shard in shards:
        try:
            table = open_table(shard)
        except ShardError:
            continue  # the scan will say what is wrong with it
        try:
            return recognise(table.schema).kind
        except (ShardError, ValueError) as error:
            raise InputError(f"cannot tell what {shard.name!r} holds: {error}") from error
        finally:
            table.close()
    return None


def in_words(error: Exception) -> str:
    """What Arrow says, in one line that fits a row."""
    return " ".join(str(error).split())[:300] or type(error).__name__


class ParquetTable(Table):
    """A Parquet file, row group by row group."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size_bytes = file.seek(0, os.SEEK_END)
        if not self._size_bytes:
            raise ValueError("the file is empty")
        self._parquet = pq.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        self.schema = self._parquet.schema_arrow

    def count(self) -> int:
        return sum(self._group_rows(group) for group in range(self._parquet.num_row_groups))

    def stretches(
        self, columns: Sequence[str], n_rows: int, wanted: Container[int] | None
    ) -> Iterator[Stretch]:
        first = 0
        for group in range(self._parquet.num_row_groups):
            n_group = self._group_rows(group)
            if wanted is None or _needs_any(wanted, first, n_group):
                yield from self._group(group, columns, n_rows, first)
            first += n_group

    def _group(
        self, group: int, columns: Sequence[str], n_rows: int, first: int
    ) -> Iterator[Stretch]:
        """One row group: what can be read of it, then what is lost."""
        end = first + self._group_rows(group)
        error = "row group ends before the rows that the file says it holds"
        try:
            for batch in self._parquet.iter_batches(
                n_rows, row_groups=[group], columns=list(columns), use_threads=False
            ):
                yield Stretch(first, batch.num_rows, batch)
                first += batch.num_rows
        except UNREADABLE as failure:
            error = in_words(failure)
        if first < end:
            yield Stretch(first, end - first, None, f"row group {group}: {error}")

    def _group_rows(self, group: int) -> int:
        n_rows = int(self._parquet.metadata.row_group(group).num_rows)
        if n_rows < 0:
            raise pa.ArrowInvalid(f"row group {group} says that it holds {n_rows} rows")
        return n_rows

    def share_read(self, n_rows: int) -> float:
        return float(min(n_rows / max(self._parquet.metadata.num_rows, 1), 1.0))

    def digest(self) -> str:
        self._file.seek(self._size_bytes - _FOOTER_BYTES)
        length = int.from_bytes(self._file.read(4), "little")
        self._file.seek(max(self._size_bytes - _FOOTER_BYTES - length, 0))
        return hashlib.sha256(self._file.read(length)).hexdigest()

    def close(self) -> None:
        self._parquet.close()
        self._file.close()


class ArrowTable(Table):
    """An Arrow stream, as `datasets` saves its files; or an Arrow file (Feather V2)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size_bytes = max(file.seek(0, os.SEEK_END), 1)
        file.seek(0)
        self._is_feather = file.read(6) == b"ARROW1"
        self.schema = self._open().schema
        # Rows and bytes by batch, filled in by every pass over the file.
        self._sizes: dict[int, tuple[int, int]] = {}

    def _open(self) -> pa.RecordBatchReader | pa.RecordBatchFileReader:
        self._file.seek(0)
        if self._is_feather:
            return pa.ipc.open_file(self._file)
        return pa.ipc.open_stream(self._file)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        reader = self._open()
        if self._is_feather:
            yield from map(reader.get_batch, range(reader.num_record_batches))
        else:
            yield from reader

    def count(self) -> int:
        n_rows = 0
        try:
            for batch in self._batches():
                n_rows += batch.num_rows
        except UNREADABLE:
            return n_rows  # `stretches` says what is wrong
        return n_rows

    def stretches(
        self, columns: Sequence[str], n_rows: int, wanted: Container[int] | None
    ) -> Iterator[Stretch]:
        first = 0
        for number, batch in enumerate(self._batches()):
            self._sizes[number] = (batch.num_rows, batch.nbytes)
            if wanted is None or _needs_any(wanted, first, batch.num_rows):
                yield from _slices(batch.select(list(columns)), n_rows, first)
            first += batch.num_rows

    def share_read(self, n_rows: int) -> float:
        return min(self._file.tell() / self._size_bytes, 1.0)

    def digest(self) -> str:
        sizes = repr(sorted(self._sizes.items())).encode()
        return hashlib.sha256(self.schema.serialize().to_pybytes() + sizes).hexdigest()

    def close(self) -> None:
        self._file.close()


def _slices(batch: pa.RecordBatch, n_rows: int, first: int) -> Iterator[Stretch]:
    """A batch in slices; one whose buffers do not fit its type would crash what reads it."""
    try:
        batch.validate(full=True)
    except pa.ArrowException as error:
        yield Stretch(first, batch.num_rows, None, in_words(error))
        return
    for start in range(0, batch.num_rows, n_rows):
        part = batch.slice(start, n_rows)
        yield Stretch(first + start, part.num_rows, part)


def _needs_any(wanted: Container[int], first: int, n_rows: int) -> bool:
    """Whether any of some neighbouring ordinals is needed."""
    if n_rows > MAX_LOST_ROWS:
        return True
    return any(ordinal in wanted for ordinal in range(first, first + n_rows))
