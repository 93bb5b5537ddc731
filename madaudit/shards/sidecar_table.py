"""The Parquet file that img2dataset writes beside a shard, looked up by key.

It holds every sample that was asked for, the failed downloads too, in an order that is not the
archive's; so its keys are indexed once. Memory: the columns of one shard.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from madaudit.shards import files
from madaudit.shards.sidecar import COLUMNS


class SidecarTable:
    """Records of one shard by key; empty where there is no usable file."""

    def __init__(self, table: pa.Table | None) -> None:
        self._table = table
        self._rows: dict[str | None, int] = {}
        if table is not None:
            keys = table.column("key").cast(pa.string()).to_pylist()
            for row, key in enumerate(keys):
                self._rows.setdefault(key, row)

    @classmethod
    def open(cls, uri: str) -> SidecarTable:
        """The table at `uri`; a missing, broken or foreign file counts as empty."""
        try:
            with files.open_binary(uri) as file:
                parquet = pq.ParquetFile(file)
                names = parquet.schema_arrow.names
                if names.count("key") != 1:
                    return cls(None)
                return cls(parquet.read([name for name in COLUMNS if name in names]))
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
