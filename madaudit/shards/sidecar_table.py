"""The Parquet file that img2dataset writes beside a shard, looked up by key.

It holds every sample that was asked for, the failed downloads too, in an order that is not the
archive's; so its keys are sorted once and searched. Memory: the columns of one shard.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from madaudit.shards import files
from madaudit.shards.sidecar import COLUMNS


class SidecarTable:
    """Records of one shard by key; empty where there is no usable file."""

    def __init__(self, table: pa.Table | None) -> None:
        self._table = table
        self._keys: npt.NDArray[Any] = np.empty(0, dtype="U1")
        self._rows: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        if table is not None and table.num_rows:
            keys = np.asarray(table.column("key").to_pylist(), dtype=str)
            self._rows = np.argsort(keys, kind="stable")
            self._keys = keys[self._rows]

    @classmethod
    def open(cls, uri: str) -> SidecarTable:
        """The table at `uri`; a missing, broken or foreign file counts as empty."""
        try:
            with files.open_binary(uri) as file:
                parquet = pq.ParquetFile(file)
                names = parquet.schema_arrow.names
                if "key" not in names:
                    return cls(None)
                return cls(parquet.read([name for name in COLUMNS if name in names]))
        except (OSError, pa.ArrowException):
            return cls(None)

    def row(self, key: str) -> dict[str, Any] | None:
        """The record of a key, or None."""
        if self._table is None or not len(self._keys):
            return None
        at = int(np.searchsorted(self._keys, key))
        if at == len(self._keys) or self._keys[at] != key:
            return None
        record: dict[str, Any] = self._table.slice(int(self._rows[at]), 1).to_pylist()[0]
        return record
