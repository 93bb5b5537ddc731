"""Samples that were chosen to be shown, and what the store says of them.

A walk over a hundred million rows must not read captions and addresses that nobody will see.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from madaudit.reports.audit_report import Hit
from madaudit.scanning.store import Store

_CAPTION = 160
_COLUMNS = (
    "ordinal", "key", "url", "caption", "error", "width", "height", "offset", "size",
)  # fmt: skip


class Pick(NamedTuple):
    """A chosen sample.

    Attributes:
        shard, ordinal: which.
        says: its evidence in words.
        label, kind: as in `Hit`.
        p_synthetic: of an estimate; None where there is none.
        thumbnail: JPEG bytes, or None.
    """

    shard: str
    ordinal: int
    says: tuple[str, ...]
    label: str
    kind: str
    p_synthetic: float | None = None
    thumbnail: bytes | None = None


Rows = dict[tuple[str, int], dict[str, Any]]


def rows_of(store: Store, wanted: Iterable[tuple[str, int]]) -> Rows:
    """Rows by (shard, ordinal), each shard opened once.

    Raises:
        StoreError: rows are missing or damaged.
    """
    by_shard: dict[str, list[int]] = {}
    for shard, ordinal in wanted:
        by_shard.setdefault(shard, []).append(ordinal)
    found: Rows = {}
    for shard, ordinals in by_shard.items():
        asked = pa.array(ordinals, pa.int64())
        for batch in store.row_batches(shard, list(_COLUMNS)):
            chosen = batch.filter(pc.is_in(batch.column("ordinal"), value_set=asked))
            found |= {(shard, row["ordinal"]): row for row in chosen.to_pylist()}
            if sum(1 for ordinal in ordinals if (shard, ordinal) in found) == len(set(ordinals)):
                break
    return found


def hit_of(pick: Pick, rows: Rows) -> Hit:
    """A chosen sample as the report shows it."""
    row = rows[pick.shard, pick.ordinal]
    width, height = row["width"], row["height"]
    return Hit(
        shard=pick.shard,
        ordinal=pick.ordinal,
        key=row["key"] or "",
        says=pick.says,
        label=pick.label,
        caption=_cut(row["caption"]),
        url=_cut(row["url"]),
        size=f"{width} × {height}" if width and height else "",
        thumbnail=pick.thumbnail,
        kind=pick.kind,
        p_synthetic=pick.p_synthetic,
    )


def _cut(text: str | None) -> str | None:
    """A text short enough to show; None for an empty one."""
    if text is None or len(text) <= _CAPTION:
        return text or None
    return text[: _CAPTION - 1] + "…"
