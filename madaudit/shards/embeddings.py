"""clip-retrieval's embeddings: `img_emb/img_emb_N.npy` and `metadata/metadata_N.parquet`.

Row i of the array belongs to row i of the table. The array is mapped where the process may die of
a failing file, else read a stretch at a time; it is never unpickled. `encoder.json` beside the two
folders, as `scan --keep-embeddings` writes it, names the feature space; clip-retrieval has none.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from madaudit.errors import ShardError
from madaudit.limits import (
    MAX_EMBEDDING_DIMENSIONS,
    MAX_JSON_BYTES,
    MAX_NPY_HEADER_BYTES,
    MAX_ROW_COUNT_DIGITS,
)
from madaudit.shards import files
from madaudit.shards.base import OpenShard, Problem, Reader
from madaudit.shards.cells import keys, positional_key, sidecars
from madaudit.shards.columns import Layout, layout_of_embeddings
from madaudit.shards.entries import ENCODER_FILE
from madaudit.shards.tables import UNREADABLE, Table, in_words, open_table
from madaudit.types import NO_SIDECAR, Sample, Shard, Sidecar

# Vectors read at once; 1024 of ViT-L/14 in half precision are 1.5 MB.
_ROWS_AT_ONCE = 1024

Vectors = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class EmbeddingsReader(Reader):
    """Image embeddings with their metadata; no pixel is touched."""

    name: ClassVar[str] = "embeddings"
    version: ClassVar[int] = 1

    def open(self, shard: Shard, *, maps: bool = False) -> OpenShard:
        array, *beside = shard.paths
        table = [path for path in beside if path != ENCODER_FILE]
        uri = files.join(shard.uri, array)
        try:
            file = files.open_binary(uri)
        except OSError as error:
            raise ShardError(f"cannot open {shard.name}: {error}") from error
        try:
            header = _read_header(file)
        except (OSError, ValueError) as error:
            file.close()
            raise ShardError(f"cannot open {shard.name}: {in_words(error)}", offset=0) from error
        source = OpenEmbeddings(shard, file, header, maps=maps and files.is_local(uri))
        source.join(files.join(shard.uri, table[0]) if table else None)
        if ENCODER_FILE in beside:
            source.name_space(files.join(shard.uri, ENCODER_FILE))
        return source


class _Header(NamedTuple):
    """What an .npy file says of itself.

    Attributes:
        n_rows, n_dimensions: its shape as claimed.
        dtype: of its numbers.
        offset: byte at which they begin.
        n_held: whole rows for which the file has bytes.
        raw: the header's bytes.
    """

    n_rows: int
    n_dimensions: int
    dtype: np.dtype[Any]
    offset: int
    n_held: int
    raw: bytes


# Magic and version, then a Python dictionary in text, as numpy writes it. numpy's own reader
# evaluates that text, and fails in many ways where it is broken.
_MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    rb"\{'descr': '([<>=|]f[248])', 'fortran_order': (True|False), "
    rb"'shape': \((\d+), (\d+)\), \} *\n"
)


def _read_header(file: BinaryIO) -> _Header:
    """The header, checked against the file's length.

    Raises:
        ValueError: no .npy file of vectors.

    Format: numpy.lib.format, versions 1.0 and 2.0.
    """
    start = file.read(12)
    if start[:6] != _MAGIC or start[6:8] not in (b"\1\0", b"\2\0"):
        raise ValueError(f"no .npy file of version 1 or 2: it begins with {start[:8]!r}")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(start[8 : 8 + width], "little")
    offset = 8 + width + length
    file.seek(0)
    raw = file.read(min(offset, MAX_NPY_HEADER_BYTES))
    found = _HEADER.fullmatch(raw[8 + width :])
    if found is None or max(len(found[3]), len(found[4])) > MAX_ROW_COUNT_DIGITS:
        seen = raw[8 + width :][:120].decode("latin-1")
        raise ValueError(f"no rows of floats (n, d) in C order; its header says {seen!r}")
    n_rows, n_dimensions = int(found[3]), int(found[4])
    if found[2] == b"True" or not 0 < n_dimensions <= MAX_EMBEDDING_DIMENSIONS:
        raise ValueError(
            f"an array of shape ({n_rows}, {n_dimensions}), Fortran order {found[2].decode()}; "
            f"allowed: C order, 1 to {MAX_EMBEDDING_DIMENSIONS} numbers a row"
        )
    dtype = np.dtype(found[1].decode())
    size_bytes = file.seek(0, os.SEEK_END)
    n_held = min(n_rows, (size_bytes - offset) // (n_dimensions * dtype.itemsize))
    return _Header(n_rows, n_dimensions, dtype, offset, n_held, raw)


class _Block(NamedTuple):
    """Neighbouring rows: the first's ordinal, and key and sidecar of each."""

    first: int
    keys: Sequence[str]
    sidecars: Sequence[Sidecar]


class OpenEmbeddings(OpenShard):
    """One array being read, with its table."""

    def __init__(self, shard: Shard, file: BinaryIO, header: _Header, *, maps: bool) -> None:
        super().__init__()
        self._shard = shard
        self._file = file
        self._header = header
        self._mapped: Vectors | None = None
        if maps and header.n_held:
            self._mapped = np.memmap(
                file,
                header.dtype,
                mode="r",
                offset=header.offset,
                shape=(header.n_held, header.n_dimensions),
            )
        self._table: Table | None = None
        self._space: str | None = None
        self._layout: Layout | None = None
        self._n_described = 0
        if header.n_held < header.n_rows:
            end = header.offset + header.n_held * header.n_dimensions * header.dtype.itemsize
            self.problems.append(
                Problem(f"cut: {header.n_held} of {header.n_rows} embeddings are there", end)
            )

    def join(self, uri: str | None) -> None:
        """Open the table beside the array, and hold their lengths together."""
        if uri is None:
            self.problems.append(
                Problem("no metadata table beside it: rows have no key of theirs")
            )
            return
        try:
            self._table = open_table(Shard(uri.rpartition("/")[2], uri, "embeddings", 0, ""))
            self._layout = layout_of_embeddings(self._table.schema)
            self._n_described = self._table.count()
        except (ShardError, *UNREADABLE) as error:
            self._layout, self._n_described = None, 0
            self.problems.append(Problem(f"its metadata cannot be read: {in_words(error)}"))
            return
        if self._n_described != self._header.n_rows:
            self.problems.append(
                Problem(
                    f"{self._header.n_rows} embeddings, but {self._n_described} rows of metadata: "
                    f"which belong together, nobody can say for sure"
                )
            )

    def name_space(self, uri: str) -> None:
        """Read of which feature space the array says it is."""
        try:
            content = orjson.loads(files.read_bytes(uri, most_bytes=MAX_JSON_BYTES) or b"")
            space, n_dimensions = content["space"], content["dimension"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.problems.append(Problem(f"{ENCODER_FILE} cannot be read: {in_words(error)}"))
            return
        if not isinstance(space, str) or n_dimensions != self._header.n_dimensions:
            self.problems.append(
                Problem(
                    f"{ENCODER_FILE} speaks of {n_dimensions!r:.20} dimensions, the array has "
                    f"{self._header.n_dimensions}: it is not used"
                )
            )
            return
        self._space = space

    def samples(self, wanted: Container[int] | None = None) -> Iterator[Sample]:
        n_samples = max(self.count(), 1)
        try:
            for block in self._blocks(wanted):
                end = block.first + len(block.keys)
                vectors = self._vectors(block.first, end)
                for place, (key, side) in enumerate(zip(block.keys, block.sidecars, strict=True)):
                    ordinal = block.first + place
                    if wanted is None or ordinal in wanted:
                        vector = vectors[place] if place < len(vectors) else None
                        yield _sample(ordinal, key, side, vector, self._space)
                self.position_bytes = self._shard.size_bytes * end // n_samples
        except UNREADABLE as error:
            self.problems.append(Problem(f"reading stopped: {in_words(error)}"))
        self.position_bytes = self._shard.size_bytes

    def count(self) -> int:
        """Rows that there are: vectors held, or rows of metadata that have lost theirs."""
        return max(self._header.n_held, self._n_described)

    def fetch(self, sample: Sample) -> bytes:
        return b""

    def header_digest(self) -> str:
        digest = hashlib.sha256(self._header.raw)
        if self._table is not None:
            digest.update(self._table.digest().encode())
        if self._space is not None:
            digest.update(self._space.encode())
        return digest.hexdigest()

    def close(self) -> None:
        self._mapped = None
        self._file.close()
        if self._table is not None:
            self._table.close()

    def _blocks(self, wanted: Container[int] | None) -> Iterator[_Block]:
        """Keys and sidecars: of the rows that the table describes, then of those beyond it."""
        if self._table is not None and self._layout is not None:
            columns = self._layout.columns
            for stretch in self._table.stretches(columns, _ROWS_AT_ONCE, wanted):
                if stretch.batch is not None:
                    yield _described(stretch.first, stretch.batch, self._layout)
                    continue
                self.problems.append(
                    Problem(f"{stretch.n_rows} rows of metadata cannot be read: {stretch.error}")
                )
                yield from _nameless(stretch.first, stretch.first + stretch.n_rows)
        for block in _nameless(self._n_described, self._header.n_held):
            ordinals = range(block.first, block.first + len(block.keys))
            if wanted is None or any(ordinal in wanted for ordinal in ordinals):
                yield block

    def _vectors(self, start: int, stop: int) -> Vectors:
        """The vectors of some neighbouring rows; fewer where the file ends."""
        stop = min(stop, self._header.n_held)
        if self._mapped is not None:
            return self._mapped[start:stop]
        n_dimensions, dtype = self._header.n_dimensions, self._header.dtype
        n_rows = max(stop - start, 0)
        row_bytes = n_dimensions * dtype.itemsize
        self._file.seek(self._header.offset + start * row_bytes)
        data = self._file.read(n_rows * row_bytes)
        n_whole = len(data) // row_bytes
        return np.frombuffer(data, dtype, n_whole * n_dimensions).reshape(n_whole, n_dimensions)


def _described(first: int, batch: pa.RecordBatch, layout: Layout) -> _Block:
    ordinals = range(first, first + batch.num_rows)
    return _Block(first, keys(batch, layout.key, ordinals), sidecars(batch, layout))


def _nameless(first: int, end: int) -> Iterator[_Block]:
    """Blocks of rows that no table describes."""
    for start in range(first, end, _ROWS_AT_ONCE):
        ordinals = range(start, min(start + _ROWS_AT_ONCE, end))
        yield _Block(start, [*map(positional_key, ordinals)], [NO_SIDECAR] * len(ordinals))


def _sample(
    ordinal: int, key: str, side: Sidecar, vector: Vectors | None, space: str | None
) -> Sample:
    if vector is None:
        why = "the array ends before this row of the metadata"
        return Sample(ordinal, key, sidecar=side, status="truncated", error=why)
    return Sample(ordinal, key, sidecar=side, embedding=vector, space=space)
