"""LAION's and DataComp's metadata: rows with a URL and a text, without images.

Only the columns that a row of the store keeps are decoded, a stretch at a time, so memory does
not grow with the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import ClassVar

import pyarrow as pa

from madaudit.shards.base import OpenShard, Reader
from madaudit.shards.cells import keys, sidecars
from madaudit.shards.separated import OpenSeparated
from madaudit.shards.table_shard import OpenTable
from madaudit.shards.tables import is_table, open_table_as
from madaudit.types import Sample, Shard

_make_sample = partial(tuple.__new__, Sample)


@dataclass(frozen=True)
class MetadataReader(Reader):
    """Tables of URLs and captions: LAION-400M, LAION-5B, DataComp, COYO-700M, img2dataset's."""

    name: ClassVar[str] = "metadata"
    version: ClassVar[int] = 1

    def open(self, shard: Shard, *, maps: bool = False) -> OpenShard:
        if not is_table(shard.uri):
            return OpenSeparated(shard)
        table, layout = open_table_as(shard, "metadata")
        return OpenMetadata(shard, table, layout)


class OpenMetadata(OpenTable):
    """One table of metadata being read; its samples have no image and status "ok"."""

    rows_at_once: ClassVar[int] = 8192

    def _rows(self, batch: pa.RecordBatch, ordinals: Sequence[int]) -> list[Sample]:
        parts = zip(
            ordinals,
            keys(batch, self._layout.key, ordinals),
            repeat(-1),
            repeat(0),
            repeat(None),
            sidecars(batch, self._layout),
            repeat("ok"),
            # Error, text, embedding and its feature space.
            repeat(None),
            repeat(None),
            repeat(None),
            repeat(None),
            strict=False,
        )
        return list(map(_make_sample, parts))
