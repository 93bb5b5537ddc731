"""The folder a scan writes and everything else reads; any fsspec URL.

Invariants: a finished shard is its rows plus a marker written last; a file is either whole or not
there (temporary name, fsync, rename; one upload on object stores); only shards that the manifest
lists and whose marker carries the manifest's fingerprint are read back.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from madaudit.errors import StoreError
from madaudit.limits import MAX_STORE_JSON_BYTES
from madaudit.scanning import partial_files
from madaudit.scanning.plan import SCHEMA_VERSION
from madaudit.scanning.rows import column_types
from madaudit.scanning.store_faults import (
    columns_fault,
    manifest_fault,
    marker_fault,
    quarantine_fault,
    sums_fault,
)
from madaudit.scanning.survey import Survey
from madaudit.shards import files
from madaudit.shards.remote import persist

Content = dict[str, Any]


@dataclass(frozen=True)
class Store:
    """A store by its place.

    Attributes:
        url: folder or fsspec URL.
    """

    url: str

    # ---- writing

    @contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        """A file of the store, visible only once the block ends well.

        Args:
            path: relative to the store.

        Raises:
            StoreError: the store cannot be written (full, read-only, unreachable).
        """
        opened = self._create_local if files.is_local(self.url) else self._create_remote
        try:
            with opened(path) as file:
                yield file
        except OSError as error:
            raise self._unwritable(path, error) from error

    def _unwritable(self, path: str, error: OSError) -> StoreError:
        return StoreError(
            f"cannot write {path} in store {self.url}: {error}; what is finished stays "
            f"valid, so mend the cause and run the same command again"
        )

    @contextmanager
    def _create_remote(self, path: str) -> Iterator[BinaryIO]:
        """One upload of the whole file, which is held in memory until then.

        An upload that failed half way is made again; on object stores none of it shows before
        its end, so it replaces the old file or does not.
        """
        fs, root = files.filesystem(self.url)
        file = io.BytesIO()
        yield file
        data = file.getvalue()
        persist(lambda: fs.pipe_file(f"{root}/{path}", data))

    @contextmanager
    def _create_local(self, path: str) -> Iterator[BinaryIO]:
        target = os.path.join(files.local_path(self.url), path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        unfinished = partial_files.partial_path(target)
        try:
            with open(unfinished, "wb") as file:
                yield cast(BinaryIO, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, target)
        except BaseException:
            if os.path.exists(unfinished):
                os.unlink(unfinished)
            raise

    def write_json(self, path: str, content: Any) -> None:
        with self.create(path) as file:
            # ASCII escapes carry file names that are not UTF-8, which plain text could not.
            file.write(json.dumps(content, indent=1).encode() + b"\n")

    def remove(self, path: str) -> None:
        """Delete a file of the store; nothing happens where it is not there."""
        fs, root = files.filesystem(self.url)
        try:
            persist(lambda: fs.rm_file(f"{root}/{path}"))
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unwritable(path, error) from error

    def forget(self, shard: str) -> None:
        """Undo a shard's marker, so that its rows count no longer."""
        self.remove(marker_path(shard))

    def sweep(self) -> None:
        """Delete half-written files of writers on this machine that are gone.

        Once a scan, since a store has a file per shard; another machine's are left alone.
        """
        if files.is_local(self.url):
            partial_files.sweep(files.local_path(self.url))

    # ---- reading

    def read_file(self, path: str) -> bytes | None:
        """The content of a small file, or None where it is not there.

        Raises:
            StoreError: it cannot be read, or is longer than any such file.
        """
        try:
            return files.read_bytes(files.join(self.url, path), most_bytes=MAX_STORE_JSON_BYTES)
        except OSError as error:
            raise StoreError(f"cannot read {path} of store {self.url}: {error}") from error

    def read_json(self, path: str) -> Any:
        """The content of a JSON file, or None where it is not there.

        Raises:
            StoreError: it is there and is not JSON, or is too long to be.
        """
        data = self.read_file(path)
        if data is None:
            return None
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise StoreError(
                f"cannot read {path} of store {self.url}: not JSON ({error}); "
                f"delete the file and scan again"
            ) from error

    def manifest(self) -> dict[str, Any]:
        """What the store was made by.

        Raises:
            StoreError: no store here, or one of another schema version.
        """
        content = self.read_json("manifest.json")
        if not isinstance(content, dict):
            raise StoreError(
                f"no store at {self.url!r}: manifest.json is missing; "
                f"make one with: madaudit scan INPUT -o {self.url}"
            )
        if content.get("schema") != SCHEMA_VERSION:
            raise StoreError(
                f"cannot read store {self.url}: schema {content.get('schema')!r}, this madaudit "
                f"reads {SCHEMA_VERSION}; scan again into a new store"
            )
        self._refuse("manifest.json", manifest_fault(content))
        return content

    def marker(self, shard: str) -> dict[str, Any] | None:
        """The done marker of a shard, whatever made it; None where there is none.

        Raises:
            StoreError: it is damaged, or another shard's.
        """
        path = marker_path(shard)
        content: dict[str, Any] | None = self.read_json(path)
        self._refuse(path, content is not None and marker_fault(content, shard))
        return content

    def quarantine(self, shard: str) -> dict[str, Any] | None:
        """The quarantine entry of a shard; None where there is none.

        Raises:
            StoreError: it is damaged, or another shard's.
        """
        path = quarantine_path(shard)
        content: dict[str, Any] | None = self.read_json(path)
        self._refuse(path, content is not None and quarantine_fault(content, shard))
        return content

    def _refuse(self, path: str, fault: str | bool | None) -> None:
        """Say what is wrong with a file of the store, if anything is."""
        if fault:
            raise StoreError(
                f"cannot use {path} of store {self.url}: {fault}; delete the file and scan again"
            )

    def survey(self) -> Survey:
        """What the store holds, read once.

        Raises:
            StoreError: no store here, or one of its files is damaged.
        """
        manifest = self.manifest()
        markers = []
        for marker in self.markers(manifest["shards"]):
            if marker is not None and marker["fingerprint"] == manifest["fingerprint"]:
                path = marker_path(marker["shard"])
                self._refuse(path, sums_fault(marker, manifest["detectors"]))
                markers.append(marker)
        entries = self.quarantines(manifest["shards"])
        return Survey(manifest, markers, {e["shard"]: e for e in entries if e is not None})

    def markers(self, shards: Sequence[str], *, only_sound: bool = False) -> list[Content | None]:
        """The marker of each shard, None where there is none; one listing, then many at once.

        Args:
            shards: names.
            only_sound: take a damaged one for none.

        Raises:
            StoreError: the store cannot be listed, or one is damaged.
        """
        read = partial(sound, self.marker) if only_sound else self.marker
        return self._found("shards", marker_path, read, shards)

    def quarantines(
        self, shards: Sequence[str], *, only_sound: bool = False
    ) -> list[Content | None]:
        """The quarantine entry of each shard, as `markers`."""
        read = partial(sound, self.quarantine) if only_sound else self.quarantine
        return self._found("quarantine", quarantine_path, read, shards)

    def _found(
        self,
        folder: str,
        path_of: Callable[[str], str],
        read: Callable[[str], Content | None],
        shards: Sequence[str],
    ) -> list[Content | None]:
        """The files of one folder that are there, each read; None for a shard without one."""
        listed = self.listed(folder)
        present = [shard for shard in shards if path_of(shard) in listed]
        found = dict(zip(present, files.each(self.url, read, present), strict=True))
        return [found.get(shard) for shard in shards]

    def has_rows(self, shard: str) -> bool:
        """Whether a shard's rows are there."""
        return self._exists(scores_path(shard))

    def _exists(self, path: str) -> bool:
        """Whether a file of the store is there now, whoever wrote it.

        Raises:
            StoreError: the store cannot be asked.
        """
        fs, root = files.filesystem(self.url)
        fs.invalidate_cache()  # another process may have written since the store was listed
        try:
            # Not `exists`, to which an error of any kind means that it is not there.
            persist(lambda: fs.info(f"{root}/{path}"))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"cannot read {path} of store {self.url}: {error}") from error
        return True

    def columns(self, shard: str) -> list[str]:
        """Names of the columns of a shard's rows.

        Raises:
            StoreError: the file is missing or damaged.
        """
        return list(self.schema(shard).names)

    def schema(self, shard: str) -> pa.Schema:
        """Names and types of the columns of a shard's rows.

        Raises:
            StoreError: the file is missing or damaged.
        """
        with self._parquet(scores_path(shard)) as parquet:
            return parquet.schema_arrow

    def row_batches(
        self, shard: str, columns: Sequence[str] | None = None, *, groups_at_once: int = 1
    ) -> Iterator[pa.RecordBatch]:
        """Rows of a shard in order, some row groups at a time: fewer batches, and larger ones.

        Raises:
            StoreError: the file is missing or damaged, or lacks a column.
        """
        path = scores_path(shard)
        with self._parquet(path) as parquet:
            wanted = column_types(columns)
            self._refuse(path, columns_fault(parquet.schema_arrow, wanted))
            for start in range(0, parquet.num_row_groups, groups_at_once):
                groups = range(start, min(start + groups_at_once, parquet.num_row_groups))
                # Groups are small, and threads cost more than they save.
                table = parquet.read_row_groups(list(groups), columns=columns, use_threads=False)
                yield from table.combine_chunks().to_batches()

    def table(self, path: str, types: Mapping[str, pa.DataType]) -> pa.Table | None:
        """Columns of a small Parquet file of the store; None where it is not there.

        Args:
            path: relative to the store.
            types: column to its type.

        Raises:
            StoreError: the file is damaged, or lacks a column.
        """
        fs, root = files.filesystem(self.url)
        if not fs.exists(f"{root}/{path}"):
            return None
        with self._parquet(path) as parquet:
            self._refuse(path, columns_fault(parquet.schema_arrow, types))
            return parquet.read(list(types))

    def thumbnails(self, shard: str) -> dict[int, bytes]:
        """Thumbnails of a shard by ordinal, JPEG; empty where none were kept.

        Raises:
            StoreError: the file is damaged.
        """
        path = thumbnails_path(shard)
        if not self._exists(path):
            return {}
        with self._parquet(path) as parquet:
            wanted = {"ordinal": pa.int64(), "jpeg": pa.binary()}
            self._refuse(path, columns_fault(parquet.schema_arrow, wanted))
            columns = parquet.read().to_pydict()
        return dict(zip(columns["ordinal"], columns["jpeg"], strict=True))

    @contextmanager
    def _parquet(self, path: str) -> Iterator[pq.ParquetFile]:
        """A Parquet file of the store, opened."""
        try:
            with files.open_binary(files.join(self.url, path)) as file:
                yield pq.ParquetFile(file, page_checksum_verification=True)
        except StoreError:
            raise
        except Exception as error:  # a damaged footer raises almost anything
            raise StoreError(
                f"cannot read {path} of store {self.url}: {error}; delete the file and run the "
                f"scan again"
            ) from error

    def listed(self, folder: str) -> set[str]:
        """Files of one folder of the store, by path relative to the store."""
        fs, root = files.filesystem(self.url)
        fs.invalidate_cache()
        try:
            found = persist(lambda: fs.find(f"{root}/{folder}"))
        except OSError as error:
            raise StoreError(f"cannot list {folder} of store {self.url}: {error}") from error
        return {path.removeprefix(root).lstrip("/") for path in found}


def sound(read: Callable[[str], dict[str, Any] | None], shard: str) -> dict[str, Any] | None:
    """What a marker or a quarantine entry says; None where it is damaged, too."""
    try:
        return read(shard)
    except StoreError:
        return None


def scores_path(shard: str) -> str:
    return f"scores/{shard}.parquet"


def sketch_path(shard: str) -> str:
    return f"sketches/{shard}.npz"


def marker_path(shard: str) -> str:
    return f"shards/{shard}.json"


def quarantine_path(shard: str) -> str:
    return f"quarantine/{shard}.json"


def thumbnails_path(shard: str) -> str:
    return f"thumbnails/{shard}.parquet"
