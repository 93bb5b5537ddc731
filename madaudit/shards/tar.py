"""Webdataset, img2dataset and DataComp shards: tar archives of samples.

Beside `00000.tar` may stand `00000.parquet` (img2dataset's record of every sample, read only
where the archive holds no .json members) and `00000_stats.json` (how many samples were written).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, NamedTuple

from madaudit.errors import ShardError
from madaudit.limits import (
    MAX_HELD_HEADERS,
    MAX_IMAGE_BYTES,
    MAX_JSON_BYTES,
    MAX_LONE_KEYS,
    MAX_SAMPLE_FIELDS,
    MAX_SIDECAR_BYTES,
)
from madaudit.shards import files, sidecar
from madaudit.shards.base import OpenShard, Problem, Reader
from madaudit.shards.grouping import is_unsafe, role_of, split_name
from madaudit.shards.sidecar_table import SidecarTable
from madaudit.shards.walker import Member, Walker, checksum_holds
from madaudit.shards.windows import BLOCK, RemoteWindow, open_window
from madaudit.types import NO_SIDECAR, Sample, Shard, Sidecar, Status

_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}


@dataclass(frozen=True)
class TarReader(Reader):
    """Tar archives of samples."""

    name: ClassVar[str] = "tar"
    version: ClassVar[int] = 1

    def open(self, shard: Shard, *, maps: bool = False) -> OpenShard:
        try:
            file = files.open_binary(shard.uri)
        except OSError as error:
            raise ShardError(f"cannot open {shard.name}: {error}") from error
        try:
            return OpenTar(shard, file, maps=maps)
        except (OSError, ValueError) as error:  # fsspec's streams raise ValueError on seek
            file.close()
            raise ShardError(f"cannot open {shard.name}: {error}") from error


class Stretches(NamedTuple):
    """Where the members of one sample lie in their archive, headers and padding included.

    Attributes:
        ordinal: of the sample.
        key: of the sample.
        parts: first byte and the byte behind the last, members that touch joined, in order.
        refused: why the sample cannot be copied as it is, None where it can.
    """

    ordinal: int
    key: str
    parts: tuple[tuple[int, int], ...]
    refused: str | None


class _Group:
    """The members of one sample, as they come."""

    __slots__ = (
        "caption",
        "error",
        "fields",
        "image",
        "is_wanted",
        "key",
        "n_images",
        "parts",
        "record",
        "status",
        "view",
    )

    def __init__(self, key: str, *, is_wanted: bool) -> None:
        self.key = key
        self.is_wanted = is_wanted
        self.fields: list[str] = []
        self.parts: list[tuple[int, int]] = []
        self.image: Member | None = None
        self.view: memoryview | None = None
        self.caption: memoryview | None = None
        self.record: memoryview | None = None
        self.n_images = 0
        self.status: Status = "ok"
        self.error: str | None = None

    def takes(self, key: str, field: str) -> bool:
        """Whether a member belongs to this sample."""
        return (
            key == self.key and field not in self.fields and len(self.fields) < MAX_SAMPLE_FIELDS
        )


class _Halves:
    """Images and records of one key that do not stand side by side: an interleaved archive.

    Joining them would mean holding the whole archive, so they make a row each, and it is told.

    Attributes:
        n_apart: second halves seen.
        first_offset: of the first such image, None where it was a record.
    """

    def __init__(self) -> None:
        self.n_apart = 0
        self.first_offset: int | None = None
        self._images: set[int] = set()
        self._records: set[int] = set()

    def see(self, group: _Group) -> None:
        if group.image is not None and len(group.fields) > group.n_images:
            return
        mine, others = self._images, self._records
        if group.image is None:
            mine, others = others, mine
        key = hash(group.key)
        if key not in others:
            if len(mine) < MAX_LONE_KEYS:
                mine.add(key)
            return
        others.discard(key)
        if not self.n_apart and group.image is not None:
            self.first_offset = group.image.offset
        self.n_apart += 1

    def in_words(self) -> str:
        return (
            f"interleaved: {self.n_apart} records stand apart from their image; they make rows of "
            f"their own, and the images' URLs and captions are not known; pack each sample's "
            f"members side by side"
        )


class OpenTar(OpenShard):
    """One archive being read."""

    def __init__(self, shard: Shard, file: BinaryIO, *, maps: bool = False) -> None:
        super().__init__()
        self._shard = shard
        self._file = file
        self._maps = maps
        self._begin_walk()
        self._table: SidecarTable | None = None
        stem = shard.uri.removesuffix(".tar")
        try:
            stats = files.read_bytes(f"{stem}_stats.json", most_bytes=MAX_JSON_BYTES)
            self.n_expected = None if stats is None else sidecar.n_successes(stats)
        except OSError as error:
            self.problems.append(Problem(f"cannot read {stem}_stats.json: {error}"))
        self._table_uri = f"{stem}.parquet"

    def samples(self, wanted: Container[int] | None = None) -> Iterator[Sample]:
        self._refuse_compressed()
        halves = _Halves()
        try:
            for ordinal, group in enumerate(self._groups(wanted)):
                halves.see(group)
                if len(self._walker.headers) > MAX_HELD_HEADERS:
                    self._absorb_headers()
                    self.position_bytes = self._walker.window.start
                if group.is_wanted:
                    yield self._sample(ordinal, group)
        except OSError as error:
            self.problems.append(Problem(f"reading stopped: {error}", self._walker.window.start))
        self.problems += self._walker.problems
        if halves.n_apart:
            self.problems.append(Problem(halves.in_words(), halves.first_offset))
        self.position_bytes = self._walker.end

    def count(self) -> int:
        self._refuse_compressed()
        try:
            n_samples = 0
            for _ in self._groups(frozenset()):
                n_samples += 1
                self._walker.headers.clear()
        except OSError as error:
            raise self._unreadable(error) from error
        self._begin_walk()
        return n_samples

    def stretches(self) -> list[Stretches]:
        """Where each sample's members lie; `header_digest` is then that of the whole archive.

        Raises:
            ShardError: it cannot be read, or its members mean something else in another archive.
        """
        self._refuse_compressed()
        self._begin_walk()
        found = []
        try:
            for ordinal, group in enumerate(self._groups(frozenset())):
                if len(self._walker.headers) > MAX_HELD_HEADERS:
                    self._absorb_headers()
                found.append(_stretches(ordinal, group, self._walker.size_bytes))
        except OSError as error:
            raise self._unreadable(error) from error
        if self._walker.has_global_names:
            raise ShardError(
                f"cannot copy from {self._shard.name}: a global pax header names or measures its "
                f"members; pack it again, with one header a member"
            )
        return found

    def fetch(self, sample: Sample) -> bytes:
        try:
            data = bytes(self._walker.window.read(sample.offset, sample.size))
        except OSError as error:
            raise self._unreadable(error) from error
        if len(data) < sample.size:
            raise ShardError(
                f"cannot read sample {sample.ordinal} of {self._shard.name}: the file is shorter "
                f"than when it was scanned; scan it again",
                offset=sample.offset,
            )
        return data

    def _begin_walk(self) -> None:
        size_bytes = self._file.seek(0, os.SEEK_END)
        window = open_window(self._file, maps=self._maps)
        self._walker = Walker(window, size_bytes=size_bytes, absorb=self._absorb_headers)
        self._hash = hashlib.sha256()
        self.n_ignored = 0

    def header_digest(self) -> str:
        self._absorb_headers()
        return self._hash.hexdigest()

    def close(self) -> None:
        self._file.close()

    def _groups(self, wanted: Container[int] | None) -> Iterator[_Group]:
        """Neighbouring members with one key, in order."""
        group: _Group | None = None
        ordinal = 0
        for member in self._walker.members():
            key, field = split_name(member.name)
            if not key:
                if member.refused is None and not is_unsafe(member.name):
                    self.n_ignored += 1
                    continue
                key = member.name
            if group is None or not group.takes(key, field):
                if group is not None:
                    yield group
                    ordinal += 1
                group = _Group(key, is_wanted=wanted is None or ordinal in wanted)
            group.fields.append(field)
            group.parts.append((member.start, member.offset + member.size))
            self._add(group, member, field)
        if group is not None:
            yield group

    def _add(self, group: _Group, member: Member, field: str) -> None:
        """Put one member into its sample."""
        role = role_of(field)
        if member.refused is not None or is_unsafe(member.name):
            what = member.refused or "name that points outside its folder"
            group.status = "unsafe_member"
            group.error = f"{what} refused: {member.name[:200]!r}"
        elif role == "image":
            group.n_images += 1
            if group.image is None:
                group.image = member
                self._read_image(group, member)
        elif group.is_wanted and role:
            most = MAX_JSON_BYTES if role == "record" else MAX_SIDECAR_BYTES
            if member.size > most:
                group.error = f"{role} of {member.size} bytes not read; at most {most} are"
                return
            view = self._walker.window.read(member.offset, member.size)
            if role == "record":
                group.record = view
            elif group.caption is None or field == "txt":
                group.caption = view

    def _read_image(self, group: _Group, member: Member) -> None:
        if group.status == "unsafe_member":
            return
        if member.size > MAX_IMAGE_BYTES:
            group.status = "too_large"
            group.error = f"{member.size} bytes; at most {MAX_IMAGE_BYTES} are read"
            return
        if not group.is_wanted:
            return
        window = self._walker.window
        if self.first_unknown is not None and isinstance(window, RemoteWindow):
            group.view = window.read_parts(member.offset, member.size, self.first_unknown)
        else:
            group.view = window.read(member.offset, member.size)
        if len(group.view) < member.size:
            group.status = "truncated"
            group.error = f"the shard ends after {len(group.view)} of {member.size} bytes"

    def _sample(self, ordinal: int, group: _Group) -> Sample:
        image = group.image
        status, error = group.status, group.error
        if image is None and status == "ok":
            status, error = "missing_image", "no member with an image's extension"
        elif group.n_images > 1 and error is None:
            error = f"{group.n_images} images under one key; only the first was looked at"
        return Sample(
            ordinal,
            group.key,
            -1 if image is None else image.offset,
            0 if image is None else image.size,
            None if status == "unsafe_member" else group.view,
            self._sidecar(group),
            status,
            error,
        )

    def _sidecar(self, group: _Group) -> Sidecar:
        text = group.caption
        caption = None if text is None else str(text, "utf-8", "replace")
        if group.record is not None:
            return sidecar.from_json(group.record, caption)
        if self._table is None:
            self._table = SidecarTable.open(self._table_uri)
        row: dict[str, Any] | None = self._table.row(group.key)
        if row is not None:
            return sidecar.from_record(row, caption)
        return NO_SIDECAR if caption is None else Sidecar(caption=caption)

    def _absorb_headers(self) -> None:
        self._hash.update(b"".join(self._walker.headers))
        self._walker.headers.clear()

    def _unreadable(self, error: OSError) -> ShardError:
        window = self._walker.window
        return ShardError(f"cannot read {self._shard.name}: {error}", offset=window.start)

    def _refuse_compressed(self) -> None:
        try:
            start = bytes(self._walker.window.read(0, BLOCK))
        except OSError as error:
            raise self._unreadable(error) from error
        if len(start) == BLOCK and checksum_holds(start):
            return  # a member's name may begin as a compressed file does
        for magic, name in _COMPRESSED.items():
            if start.startswith(magic):
                raise ShardError(
                    f"cannot read {self._shard.name}: {name}-compressed; allowed: plain tar, "
                    f"since a compressed archive has no offsets; decompress it first",
                    offset=0,
                )


def _stretches(ordinal: int, group: _Group, size_bytes: int) -> Stretches:
    """What `OpenTar.stretches` says of one sample."""
    parts: list[tuple[int, int]] = []
    for start, end in group.parts:
        behind = (end + BLOCK - 1) // BLOCK * BLOCK
        if parts and parts[-1][1] == start:
            parts[-1] = (parts[-1][0], behind)
        else:
            parts.append((start, behind))
    refused = None
    if group.status == "unsafe_member":
        refused = group.error
    elif group.parts[-1][1] > size_bytes:
        refused = "the shard ends inside it"
    return Stretches(ordinal, group.key, tuple(parts), refused)
