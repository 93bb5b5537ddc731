"""Hugging Face data sets, streamed by the package `datasets` and never decoded.

    hf:NAME?config=C&split=S&revision=R     a data set of the hub, or a local folder
    hf:FORMAT?data_files=PATTERN            files by one of the package's own loaders

A split is cut into as many virtual shards as `datasets` cuts it, which is one for each of its
files. An error inside a file ends that shard's stream, since the package cannot go on behind it;
so where the files themselves can be reached (`hf://datasets/NAME/**/*.parquet`, a folder), give
those. `datasets` is imported here only, on use.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl, urlencode

import pyarrow as pa

from madaudit.errors import InputError, MissingExtraError, ShardError
from madaudit.limits import MAX_IMAGE_BYTES
from madaudit.shards import files
from madaudit.shards.base import OpenShard, Reader
from madaudit.shards.columns import recognise
from madaudit.shards.documents import OpenDocuments
from madaudit.shards.metadata import OpenMetadata
from madaudit.shards.parquet import OpenImages
from madaudit.shards.table_shard import OpenTable
from madaudit.shards.tables import Stretch, Table, in_words
from madaudit.types import Shard

PREFIX = "hf:"
# What load_dataset_builder takes; `split`, `shard` and `of` are ours.
_LOADING = ("config", "revision", "data_dir", "data_files")
_ALLOWED = (*_LOADING, "split")
_OPENED: dict[str, type[OpenTable]] = {
    "parquet": OpenImages,
    "metadata": OpenMetadata,
    "documents": OpenDocuments,
}
# Rows that are looked at where a data set does not say its columns.
_HEAD_ROWS = 16


@dataclass(frozen=True)
class HuggingFaceReader(Reader):
    """Splits of Hugging Face data sets: images, image metadata or documents, by their columns."""

    name: ClassVar[str] = "huggingface"
    version: ClassVar[int] = 1

    def open(self, shard: Shard, *, maps: bool = False) -> OpenShard:
        request = _parse(shard.uri)
        try:
            splits = _splits(request.loading)
            stream = splits.streams[request.split or ""]
            table = StreamTable(_undecoded(_cut(stream, request)), splits.paths)
            layout = recognise(table.schema)
        except ShardError as error:
            raise ShardError(f"cannot read {shard.name}: {error}") from error
        except Exception as error:  # `datasets` passes on whatever its loaders and the hub raise
            raise ShardError(f"cannot open {shard.name}: {in_words(error)}") from error
        return _OPENED[layout.kind](shard, table, layout)


def locate_splits(given: str) -> list[Shard]:
    """The virtual shards of a data set.

    Args:
        given: `hf:NAME?…` as typed.

    Raises:
        InputError: the text or the data set cannot be read.
        MissingExtraError: `datasets` is not installed.
    """
    request = _parse(given)
    try:
        splits = _splits(request.loading)
    except MissingExtraError:
        raise
    except Exception as error:  # `datasets` passes on whatever its loaders and the hub raise
        raise InputError(f"cannot load {given!r}: {in_words(error)}") from error
    chosen = list(splits.streams) if request.split is None else [request.split]
    if request.split is not None and request.split not in splits.streams:
        raise InputError(
            f"cannot load {given!r}: no split {request.split!r}; "
            f"allowed: {', '.join(splits.streams)}"
        )
    return [shard for split in chosen for shard in _shards(request, splits, str(split))]


def revisit_split(shard: Shard) -> Shard | None:
    """A virtual shard as it is now; None where it is gone."""
    request = _parse(shard.uri)
    _splits.cache_clear()
    try:
        now = locate_splits(f"{PREFIX}{_query(request.loading, split=request.split or '')}")
    except InputError:
        return None
    return next((found for found in now if found.uri == shard.uri), None)


class _Loading(NamedTuple):
    """What is loaded: name and the loader's arguments."""

    name: str
    options: tuple[tuple[str, str], ...]


class _Request(NamedTuple):
    """A data set, a split of it (None for all), and which part of how many."""

    loading: _Loading
    split: str | None
    part: int
    n_parts: int


class _Splits(NamedTuple):
    """An opened data set.

    Attributes:
        streams: split to its stream.
        files: split to its files, where the loader says.
        versions: split to a digest of its files' versions.
        paths: files that the loader resolved itself; no other path in a row is ever opened.
    """

    streams: dict[str, Any]
    files: dict[str, list[str]]
    versions: dict[str, str]
    paths: frozenset[str]


def _parse(given: str) -> _Request:
    name, _, query = given.removeprefix(PREFIX).partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    place = options.pop("shard", "0"), options.pop("of", "1")
    part, n_parts = (int(text) if text.isdecimal() else 0 for text in place)
    unknown = [key for key in options if key not in _ALLOWED]
    if unknown or not name:
        what = f"unknown {unknown[0]!r}" if unknown else "no name"
        raise InputError(
            f"cannot read {given!r}: {what}; allowed: hf:NAME?split=train, with any of "
            f"{', '.join(_ALLOWED)} joined by &"
        )
    split = options.pop("split", None) or None
    return _Request(_Loading(name, tuple(sorted(options.items()))), split, part, n_parts)


def _query(loading: _Loading, **more: str) -> str:
    return f"{loading.name}?{urlencode([*loading.options, *more.items()])}"


@lru_cache(maxsize=4)
def _splits(loading: _Loading) -> _Splits:
    """The data set's splits, opened once in a process."""
    try:
        datasets = importlib.import_module("datasets")
    except ImportError as error:
        what = f"load {PREFIX}{loading.name}"
        raise MissingExtraError(what, package="datasets", extra="hf") from error
    options = dict(loading.options)
    name = options.pop("config", None)
    builder = datasets.load_dataset_builder(loading.name, name=name, **options)
    streams = {str(split): stream for split, stream in builder.as_streaming_dataset().items()}
    data_files = builder.config.data_files or {}
    by_split = {str(split): [str(path) for path in paths] for split, paths in data_files.items()}
    versions = {}
    for split in streams:
        seen = getattr(data_files.get(split), "origin_metadata", None) or builder.hash
        versions[split] = hashlib.sha256(repr(seen).encode()).hexdigest()
    paths = frozenset(path for paths in by_split.values() for path in paths)
    return _Splits(streams, by_split, versions, paths)


def _shards(request: _Request, splits: _Splits, split: str) -> Iterator[Shard]:
    n_parts = _n_parts(splits.streams[split])
    sizes = _sizes(splits.files.get(split, []), n_parts)
    for index in range(n_parts):
        query = _query(request.loading, split=split, shard=str(index), of=str(n_parts))
        yield Shard(
            name=f"{_slug(request.loading.name)}/{_slug(split)}-{index:05d}-of-{n_parts:05d}",
            uri=f"{PREFIX}{query}",
            reader="huggingface",
            size_bytes=sizes[index],
            version=splits.versions[split],
        )


def _n_parts(stream: Any) -> int:
    """Into how many a stream can be cut: the number of its files."""
    return int(getattr(stream, "num_shards", None) or stream.n_shards)


def _sizes(paths: list[str], n_parts: int) -> list[int]:
    """Bytes of each part, as far as files are local; 0 where nobody says."""
    sizes = [os.path.getsize(path) if os.path.isfile(path) else 0 for path in paths]
    if len(sizes) == n_parts:
        return sizes
    return [sum(sizes) // n_parts] * n_parts


def _slug(name: str) -> str:
    """A data set's name fit for a path below the store: no root, no way up."""
    parts = [re.sub(r"[^\w.\-]", "_", part) for part in name.split("/")]
    return "/".join(part for part in parts if part.strip(".")) or "data"


def _cut(stream: Any, request: _Request) -> Any:
    if _n_parts(stream) != request.n_parts:
        raise ShardError(
            f"the split has {_n_parts(stream)} files now, it had {request.n_parts}; scan it again"
        )
    if request.n_parts == 1:
        return stream
    return stream.shard(num_shards=request.n_parts, index=request.part)


def _undecoded(stream: Any) -> Any:
    """The stream with images as bytes and path instead of pixels."""
    datasets = importlib.import_module("datasets")
    for name, feature in (stream.features or {}).items():
        if isinstance(feature, datasets.Image):
            stream = stream.cast_column(name, datasets.Image(decode=False))
    return stream


class StreamTable(Table):
    """One virtual shard as a table; members of a `json` column count as columns."""

    def __init__(self, stream: Any, paths: frozenset[str]) -> None:
        self._stream = stream
        self._paths = paths
        if stream.features:
            schema = stream.features.arrow_schema
        else:
            schema = pa.Table.from_pylist(list(stream.take(_HEAD_ROWS))).schema
        self._inner = {}
        if "json" in schema.names and pa.types.is_struct(schema.field("json").type):
            self._inner = {
                f.name: f for f in schema.field("json").type if f.name not in schema.names
            }
        self.schema = pa.schema([*schema, *self._inner.values()])
        # Rows by stretch, filled in by every pass.
        self._lengths: dict[int, int] = {}

    def count(self) -> int:
        n_rows = 0
        try:
            for rows in self._stream.iter(batch_size=1000):
                n_rows += _n_rows(rows)
        except Exception:  # noqa: BLE001 — `stretches` says what is wrong
            return n_rows
        return n_rows

    def stretches(
        self, columns: Sequence[str], n_rows: int, wanted: Container[int] | None
    ) -> Iterator[Stretch]:
        first = 0
        batches = self._stream.iter(batch_size=n_rows)
        while True:
            try:
                rows = next(batches, None)
            except Exception as error:  # the package's loaders raise anything on a broken file
                raise OSError(f"behind row {first}: {in_words(error)}") from error
            if rows is None:
                return
            n = _n_rows(rows)
            self._lengths[first] = n
            try:
                yield Stretch(first, n, self._batch(rows, columns))
            except (ValueError, TypeError, pa.ArrowException) as error:
                yield Stretch(first, n, None, in_words(error))
            first += n

    def _batch(self, rows: dict[str, list[Any]], columns: Sequence[str]) -> pa.RecordBatch:
        arrays = []
        for name in columns:
            if name in self._inner:
                values = [None if record is None else record.get(name) for record in rows["json"]]
            else:
                values = [self._with_bytes(value) for value in rows[name]]
            arrays.append(pa.array(values, self.schema.field(name).type))
        return pa.RecordBatch.from_arrays(arrays, names=list(columns))

    def _with_bytes(self, value: Any) -> Any:
        """An image that is only a path, read if the loader itself found that file."""
        if not isinstance(value, dict) or value.get("bytes") is not None:
            return value
        path = value.get("path")
        if path not in self._paths:
            return value
        with files.open_binary(path) as file:
            return {**value, "bytes": file.read(MAX_IMAGE_BYTES + 1)}

    def share_read(self, n_rows: int) -> float:
        return 0.0

    def digest(self) -> str:
        content = f"{self.schema}\0{sorted(self._lengths.items())}"
        return hashlib.sha256(content.encode()).hexdigest()

    def close(self) -> None:
        """The package holds the files."""


def _n_rows(rows: dict[str, Iterable[Any]]) -> int:
    return next((len(list(values)) for values in rows.values()), 0)
