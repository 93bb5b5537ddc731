"""The Parquet file that img2dataset writes beside a shard, looked up by key.

It holds every sample that was asked for, the failed downloads too, in an order that is not the
archive's; so its keys are indexed once. Memory: the columns of one shard.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from madaudit.limits import MAX_TABLE_BYTES, MAX_TABLE_ROWS
from madaudit.shards import files
from madaudit.shards.sidecar import COLUMNS


class SidecarTable:
    """Records of one shard by key; empty where there is no usable file."""

    def __init__(self, table: pa.Table | None) -> None:
        self._table = table
        self._rows: dict[str | None, int] = {}
        if table is not None:
            for row, key in enumerate(_keys(table.column("key"))):
                self._rows.setdefault(key, row)

    @classmethod
    def open(cls, uri: str) -> SidecarTable:
        """The table at `uri`; a missing, broken or foreign file counts as empty."""
        try:
            with files.open_binary(uri) as file:
                schema = pq.read_schema(file)
                if schema.names.count("key") != 1:
                    return cls(None)
                wanted = [name for name in COLUMNS if name in schema.names]
                texts = [name for name in wanted if pa.types.is_string(schema.field(name).type)]
                # As dictionaries, since one text may stand in the file once and in all rows.
                parquet = pq.ParquetFile(file, read_dictionary=texts)
                return cls(parquet.read(wanted) if _is_small(parquet.metadata, wanted) else None)
        except (OSError, ValueError, pa.ArrowException):  # ValueError: text that is not UTF-8
            return cls(None)

    def row(self, key: str) -> dict[str, Any] | None:
        """The record of a key; None where there is none, or its text is not UTF-8."""
        at = self._rows.get(key)
        if at is None or self._table is None:
            return None
        try:
            record: dict[str, Any] = self._table.slice(at, 1).to_pylist()[0]
        except UnicodeDecodeError:
            return None
        return record


def whole_table(uri: str) -> pa.Table | None:
    """All columns of the table at `uri`; None where it is missing, broken, foreign or too long."""
    try:
        with files.open_binary(uri) as file:
            parquet = pq.ParquetFile(file)
            names = parquet.schema_arrow.names
            if names.count("key") != 1 or not _is_small(parquet.metadata, names):
                return None
            return parquet.read()
    except (OSError, ValueError, pa.ArrowException):
        return None


def _keys(column: pa.ChunkedArray) -> Iterator[str | None]:
    """The keys in order; equal ones of a dictionary share one string."""
    for chunk in column.chunks:
        if not pa.types.is_dictionary(chunk.type):
            yield from chunk.cast(pa.string()).to_pylist()
            continue
        names = chunk.dictionary.cast(pa.string()).to_pylist()
        yield from (None if code is None else names[code] for code in chunk.indices.to_pylist())


def _is_small(metadata: Any, columns: list[str]) -> bool:
    """Whether the columns are within the limits, by what the file itself says of them."""
    n_bytes = 0
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            if column.path_in_schema in columns:
                n_bytes += column.total_uncompressed_size
    return bool(metadata.num_rows <= MAX_TABLE_ROWS and n_bytes <= MAX_TABLE_BYTES)
