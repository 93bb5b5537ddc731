"""Tables of images: img2dataset's Parquet, Hugging Face's image column, Data-Juicer's bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa

from madaudit.errors import ShardError
from madaudit.limits import MAX_IMAGE_BYTES, MAX_JSON_BYTES
from madaudit.shards import files, sidecar
from madaudit.shards.base import OpenShard, Problem, Reader
from madaudit.shards.cells import keys, positional_key, sidecars, texts
from madaudit.shards.columns import Form, Layout
from madaudit.shards.table_shard import OpenTable
from madaudit.shards.tables import UNREADABLE, Table, in_words, open_table_as
from madaudit.types import Sample, Shard, Sidecar, Status


@dataclass(frozen=True)
class ParquetReader(Reader):
    """Tables with a column of image bytes."""

    name: ClassVar[str] = "parquet"
    version: ClassVar[int] = 1

    def open(self, shard: Shard, *, maps: bool = False) -> OpenShard:
        table, layout = open_table_as(shard, "parquet")
        return OpenImages(shard, table, layout)


class _Cell(NamedTuple):
    """The image of one row.

    Attributes:
        view: its bytes, None where the row has none.
        n_images: how many the row holds.
        path: the file it came from, as text; never opened.
    """

    view: memoryview | None
    n_images: int
    path: str | None


# img2dataset's status and error message of a row.
_Download = tuple[str | None, str | None]


class OpenImages(OpenTable):
    """One table of images being read; they have no offset, since Parquet compresses its pages."""

    # Image bytes are held for a stretch at a time.
    rows_at_once: ClassVar[int] = 32

    def __init__(self, shard: Shard, table: Table, layout: Layout) -> None:
        super().__init__(shard, table, layout)
        uri = f"{shard.uri.removesuffix('.parquet')}_stats.json"
        if not shard.uri.endswith(".parquet"):
            return
        try:
            stats = files.read_bytes(uri, most_bytes=MAX_JSON_BYTES)
            # Unlike an archive, the table holds a row for each failed download too.
            self.n_expected = None if stats is None else sidecar.n_asked_for(stats)
        except OSError as error:
            self.problems.append(Problem(f"cannot read {uri}: {error}"))

    def _rows(self, batch: pa.RecordBatch, ordinals: Sequence[int]) -> list[Sample]:
        layout = self._layout
        image = layout.image
        if image is None:
            raise ValueError("no image column")
        cells = _cells(batch.column(image.column), image.form)
        own = repeat(None) if layout.key is None else keys(batch, layout.key, ordinals)
        downloads = zip(texts(batch, layout.status), texts(batch, layout.error), strict=True)
        rows = zip(ordinals, own, cells, sidecars(batch, layout), downloads, strict=False)
        return [_sample(*row) for row in rows]

    def fetch(self, sample: Sample) -> bytes:
        image = self._layout.image
        try:
            for stretch in self._stretches(frozenset({sample.ordinal})):
                place = sample.ordinal - stretch.first
                if image is None or not 0 <= place < stretch.n_rows or stretch.batch is None:
                    continue
                column = stretch.batch.column(image.column).slice(place, 1)
                (cell,) = _cells(column, image.form)
                if cell.view is not None and len(cell.view) == sample.size:
                    return bytes(cell.view)
                break
        except UNREADABLE as error:
            raise ShardError(f"cannot read {self._shard.name}: {in_words(error)}") from error
        if sample.image is None and sample.offset < 0 and not sample.size:
            return b""
        raise ShardError(
            f"cannot read sample {sample.ordinal} of {self._shard.name}: the table has changed "
            f"since it was scanned; scan it again"
        )


def _sample(
    ordinal: int, own_key: str | None, cell: _Cell, side: Sidecar, download: _Download
) -> Sample:
    key = own_key or (_stem(cell.path) if cell.path else "") or positional_key(ordinal)
    status: Status = "ok"
    error = None
    view = cell.view
    size = 0 if view is None else len(view)
    if view is None:
        status, error = "missing_image", _why_missing(cell, *download)
    elif size > MAX_IMAGE_BYTES:
        status, error = "too_large", f"{size} bytes; at most {MAX_IMAGE_BYTES} are read"
        view = None
    elif cell.n_images > 1:
        error = f"{cell.n_images} images in one row; only the first was looked at"
    return Sample(ordinal, key, -1, size, view, side, status, error)


def _stem(path: str) -> str:
    """A path without its last ending, as the keys of folders are."""
    folder, slash, name = path.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)


def _why_missing(cell: _Cell, download: str | None, message: str | None) -> str:
    if download and download != "success":
        return f"{download}: {message}" if message else download
    if cell.path:
        return f"no image bytes in the row; its path {cell.path[:200]!r} is never opened"
    return "no image bytes in the row"


def _cells(column: pa.Array, form: Form) -> Iterator[_Cell]:
    """The images of a column; their bytes are the column's own, not copies."""
    for value in column:
        if not form.startswith("list"):
            yield _cell(value, 1)
        elif value.is_valid and len(value):
            yield _cell(value[0], len(value))
        else:
            yield _Cell(None, 0, None)


def _cell(value: Any, n_images: int) -> _Cell:
    """One image: bytes, or a struct of bytes and path."""
    path = None
    if pa.types.is_struct(value.type):
        if not value.is_valid:
            return _Cell(None, n_images, None)
        if value.type.get_field_index("path") >= 0:
            path = value["path"].as_py()
        value = value["bytes"]
    buffer = value.as_buffer() if value.is_valid else None
    view = None if buffer is None else memoryview(buffer)
    return _Cell(view, n_images, path if isinstance(path, str) else None)
