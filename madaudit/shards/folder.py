"""Folders of image files, cut into virtual shards of 10,000 sorted paths.

What img2dataset writes with `--output_format files` keeps its own shards: `00000/` is one, with
`00000.parquet` (its record of every sample, read where an image has no .json) and
`00000_stats.json` (how many were downloaded) beside it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from madaudit.errors import ShardError
from madaudit.limits import MAX_IMAGE_BYTES, MAX_SIDECAR_BYTES
from madaudit.shards import files, sidecar
from madaudit.shards.base import OpenShard, Problem, Reader
from madaudit.shards.sidecar_table import SidecarTable
from madaudit.types import NO_SIDECAR, Sample, Shard, Sidecar


@dataclass(frozen=True)
class FolderReader(Reader):
    """Image files, with captions (.txt) and records (.json) of the same stem beside them."""

    name: ClassVar[str] = "folder"
    version: ClassVar[int] = 1

    def open(self, shard: Shard, *, maps: bool = False) -> OpenShard:
        return OpenFolder(shard)


class OpenFolder(OpenShard):
    """One virtual shard being read; `offset` of its samples is 0, the file's first byte."""

    def __init__(self, shard: Shard) -> None:
        super().__init__()
        self._shard = shard
        self._hash = hashlib.sha256()
        # Locating names a numbered folder's shard as the folder, and others images-NNNNN.
        stem = shard.uri.rstrip("/")
        number = stem.rpartition("/")[2]
        self._is_numbered = number.isdigit() and shard.name.rpartition("/")[2] == number
        self._stem = stem
        self._table: SidecarTable | None = None
        stats = self._small_file(f"{stem}_stats.json") if self._is_numbered else None
        self.n_expected = None if stats is None else sidecar.n_successes(stats)

    def samples(self, wanted: Container[int] | None = None) -> Iterator[Sample]:
        for ordinal, path in enumerate(self._shard.paths):
            if wanted is None or ordinal in wanted:
                yield self._sample(ordinal, path)

    def count(self) -> int:
        return len(self._shard.paths)

    def fetch(self, sample: Sample) -> bytes:
        path = self._shard.paths[sample.ordinal]
        try:
            uri = files.join(self._shard.uri, path)
            data = files.read_bytes(uri, most_bytes=MAX_IMAGE_BYTES)
        except OSError:
            data = None
        if data is None or len(data) != sample.size:
            raise ShardError(
                f"cannot read {path!r} of {self._shard.name}: the file changed or is gone since "
                f"it was scanned; scan it again"
            )
        return data

    def header_digest(self) -> str:
        return self._hash.hexdigest()

    def close(self) -> None:
        """Nothing is held open."""

    def _sample(self, ordinal: int, path: str) -> Sample:
        uri = files.join(self._shard.uri, path)
        # A local name that is not UTF-8 holds surrogates, which no Parquet file takes.
        key = path.rpartition(".")[0].encode("utf-8", "replace").decode()
        try:
            with files.open_binary(uri) as file:
                data = file.read(MAX_IMAGE_BYTES + 1)
        except OSError as error:
            self.problems.append(Problem(f"cannot read {path!r}: {error}"))
            message = f"{type(error).__name__}: {error.strerror or error}"
            return Sample(ordinal, key, status="missing_image", error=message)
        self._hash.update(b"%b\0%d\0" % (os.fsencode(path), len(data)))
        self.position_bytes += len(data)
        if len(data) > MAX_IMAGE_BYTES:
            return Sample(
                ordinal,
                key,
                status="too_large",
                error=f"more than {MAX_IMAGE_BYTES} bytes, the most that is read",
            )
        return Sample(ordinal, key, 0, len(data), memoryview(data), self._sidecar(uri, key))

    def _sidecar(self, uri: str, key: str) -> Sidecar:
        stem = uri.rpartition(".")[0]
        text = self._small_file(f"{stem}.txt")
        caption = None if text is None else text.decode("utf-8", "replace")
        record = self._small_file(f"{stem}.json")
        if record is not None:
            return sidecar.from_json(record, caption)
        row = self._row(key) if self._is_numbered else None
        if row is not None:
            return sidecar.from_record(row, caption)
        return NO_SIDECAR if caption is None else Sidecar(caption=caption)

    def _row(self, key: str) -> dict[str, Any] | None:
        """What img2dataset's table says of a key."""
        if self._table is None:
            self._table = SidecarTable.open(f"{self._stem}.parquet")
        return self._table.row(key)

    def _small_file(self, uri: str) -> bytes | None:
        """A sidecar's bytes; None where there is none, it is too long or it cannot be read."""
        try:
            with files.open_binary(uri) as file:
                data = file.read(MAX_SIDECAR_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.problems.append(Problem(f"cannot read a sidecar: {error}"))
            return None
        return data if len(data) <= MAX_SIDECAR_BYTES else None
