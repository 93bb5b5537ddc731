"""Documents: JSON objects, one a line (packed or not), or tables with a text column.

The text stands in `text`, `content`, `raw_content` or `document`, as in C4, Dolma, RedPajama,
FineWeb and datatrove; a line that cannot be read is a row with a status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from madaudit.shards import sidecar
from madaudit.shards.base import OpenShard, Reader
from madaudit.shards.cells import keys, positional_key, sidecars, texts
from madaudit.shards.columns import KEY_NAMES, TEXT_NAMES
from madaudit.shards.lines import OpenLines, broken_line
from madaudit.shards.table_shard import OpenTable
from madaudit.shards.tables import in_words, is_table, open_table_as
from madaudit.types import NO_SIDECAR, Sample, Shard, Sidecar

_NAMED_FIELDS = 10


@dataclass(frozen=True)
class DocumentsReader(Reader):
    """JSON lines and tables of documents."""

    name: ClassVar[str] = "documents"
    version: ClassVar[int] = 1

    def open(self, shard: Shard, *, maps: bool = False) -> OpenShard:
        if is_table(shard.uri):
            table, layout = open_table_as(shard, "documents")
            return OpenDocuments(shard, table, layout)
        return OpenJsonLines(shard)


class OpenDocuments(OpenTable):
    """One table of documents being read."""

    rows_at_once: ClassVar[int] = 256

    def _rows(self, batch: pa.RecordBatch, ordinals: Sequence[int]) -> list[Sample]:
        rows = zip(
            ordinals,
            keys(batch, self._layout.key, ordinals),
            texts(batch, self._layout.text),
            sidecars(batch, self._layout),
            strict=True,
        )
        return [_sample(ordinal, key, text, side) for ordinal, key, text, side in rows]


class OpenJsonLines(OpenLines):
    """One file of JSON objects being read."""

    def _sample(self, ordinal: int, line: bytes) -> Sample:
        return _from_line(ordinal, line)


def _from_line(ordinal: int, line: bytes) -> Sample:
    """The document of one line, or what is wrong with the line."""
    key = positional_key(ordinal)
    try:
        record = sidecar.parse(line)
    except (ValueError, RecursionError) as error:
        return broken_line(ordinal, line, f"no JSON: {in_words(error)}")
    if not isinstance(record, dict):
        what = type(record).__name__
        return broken_line(ordinal, line, f"a JSON {what}; allowed: an object a line")
    text = sidecar.text_of(_first(record, TEXT_NAMES))
    own = _first(record, KEY_NAMES)
    if isinstance(own, str | int):
        key = sidecar.text_of(str(own)) or key
    if text is None:
        seen = ", ".join(map(str, list(record)[:_NAMED_FIELDS]))[:200]
        why = f"no text in it; fields seen: {seen or 'none'}; looked for: {', '.join(TEXT_NAMES)}"
        return broken_line(ordinal, line, why)._replace(key=key)
    return _sample(ordinal, key, text, _side(record))


def _sample(ordinal: int, key: str, text: str | None, side: Sidecar) -> Sample:
    if text is None:
        return Sample(
            ordinal, key, sidecar=side, status="decode_error", error="the row's text is null"
        )
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return Sample(ordinal, key, size=size, sidecar=side, text=text)


def _side(record: Mapping[str, Any]) -> Sidecar:
    """URL and uid, on the object itself or in its `metadata` (Dolma, datatrove)."""
    inner = record.get("metadata")
    inner = inner if isinstance(inner, dict) else {}
    url = sidecar.text_of(record.get("url") or inner.get("url"))
    uid = sidecar.text_of(record.get("uid"))
    return NO_SIDECAR if url is None and uid is None else Sidecar(uid=uid, url=url)


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)
