"""Arrow columns to Python values, a column at a time.

A value that is not valid in its type (text that is not UTF-8, a width of −1) never fails a row:
bad bytes become "�", impossible numbers None.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from madaudit.limits import MAX_SIDE_PX
from madaudit.shards.columns import Layout, is_text
from madaudit.types import Sidecar

# A named tuple from a tuple without its keyword machinery: a third of the time.
make_sidecar = partial(tuple.__new__, Sidecar)


def texts(batch: pa.RecordBatch, name: str | None) -> Sequence[str | None]:
    """The values of a text or integer column; None for each row where there is no such column."""
    if name is None:
        return [None] * batch.num_rows
    column = batch.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not is_text(column.type):
        column = column.cast(pa.string())
    try:
        values: list[str | None] = column.to_numpy(zero_copy_only=False).tolist()
    except (ValueError, pa.ArrowException):
        raw = column.cast(pa.large_binary()).to_pylist()
        return [value if value is None else value.decode("utf-8", "replace") for value in raw]
    return values


def sides(batch: pa.RecordBatch, name: str | None) -> Sequence[int | None]:
    """An image's width or height in pixels; None where it is not stated or impossible."""
    if name is None:
        return [None] * batch.num_rows
    values = pc.fill_null(batch.column(name), 0).to_numpy(zero_copy_only=False)
    is_size = (values >= 1) & (values < MAX_SIDE_PX)
    if is_size.all():
        whole: list[int | None] = values.astype(np.int64).tolist()
        return whole
    return [int(value) if good else None for value, good in zip(values, is_size, strict=True)]


def keys(batch: pa.RecordBatch, name: str | None, ordinals: Sequence[int]) -> Sequence[str]:
    """The column that joins with other files, or the ordinal in nine digits."""
    if name is None:
        return [positional_key(ordinal) for ordinal in ordinals]
    return [
        positional_key(ordinal) if value is None else value
        for ordinal, value in zip(ordinals, texts(batch, name), strict=True)
    ]


def positional_key(ordinal: int) -> str:
    """The key of a row that has none of its own."""
    return f"{ordinal:09d}"


def sidecars(batch: pa.RecordBatch, layout: Layout) -> list[Sidecar]:
    """What a data set's own pipeline says of each row."""
    reencoded: Any = repeat(None)
    if layout.image is not None and layout.original_width and layout.status:
        # img2dataset leaves the width null where it kept the downloaded bytes.
        reencoded = (width is not None for width in sides(batch, layout.width))
    named = (layout.uid, layout.url, layout.caption, layout.sha256, layout.exif)
    columns = [texts(batch, name) for name in named]
    size = sides(batch, layout.width), sides(batch, layout.height)
    return list(map(make_sidecar, zip(*columns, reencoded, *size, strict=False)))
