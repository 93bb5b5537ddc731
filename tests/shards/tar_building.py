"""Archives for tests, written and read back by the standard library's tarfile."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Container
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from madaudit.shards.base import OpenShard, Problem
from madaudit.shards.tar import OpenTar, TarReader
from madaudit.shards.walker import Member, Walker
from madaudit.shards.windows import BLOCK, ReadWindow
from madaudit.types import Sample, Shard

END_MARK = bytes(2 * BLOCK)
FORMATS: dict[str, Literal[0, 1, 2]] = {
    "ustar": tarfile.USTAR_FORMAT,
    "gnu": tarfile.GNU_FORMAT,
    "pax": tarfile.PAX_FORMAT,
}


def pack(*entries: tuple[str, bytes] | tarfile.TarInfo, form: str = "ustar") -> bytes:
    """An archive of (name, content) files and of bare headers, ended by two empty blocks."""
    packed = b"".join(_entry(entry, form) for entry in entries)
    return packed + END_MARK


def _entry(entry: tuple[str, bytes] | tarfile.TarInfo, form: str) -> bytes:
    if isinstance(entry, tarfile.TarInfo):
        return entry.tobuf(FORMATS[form], "utf-8", "strict")
    name, content = entry
    return header(name, len(content), form=form) + padded(content)


def header(name: str, size: int, *, kind: bytes = tarfile.REGTYPE, form: str = "ustar") -> bytes:
    """The header blocks of one entry, without content."""
    return special(name, kind, size=size).tobuf(FORMATS[form], "utf-8", "strict")


def special(name: str, kind: bytes, *, size: int = 0, linkname: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, linkname
    return info


def with_pax(name: str, size: int, records: dict[str, str]) -> bytes:
    """The header blocks of a pax entry that carries these records too."""
    info = special(name, tarfile.REGTYPE, size=size)
    info.pax_headers = records
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % BLOCK)


def patched(block: bytes, at: int, field: bytes, *, signed: bool = False) -> bytes:
    """A header block with one field overwritten and its checksum made right again."""
    changed = bytearray(block)
    changed[at : at + len(field)] = field
    changed[148:156] = b" " * 8
    total = sum(byte - 256 if signed and byte > 127 else byte for byte in changed)
    changed[148:156] = b"%06o\0 " % total
    return bytes(changed)


# Samples "a", "b" and "c"; the image of "b" has its content in bytes 2048 to 2748.
THREE = pack(("a.jpg", b"a" * 600), ("b.jpg", b"b" * 700), ("c.jpg", b"c"))


class Walked(NamedTuple):
    """What a walk gave."""

    members: list[Member]
    contents: list[bytes]
    problems: list[Problem]
    headers: list[bytes]
    end: int

    @property
    def files(self) -> list[tuple[str, int, bytes]]:
        return [
            (member.name, member.size, content)
            for member, content in zip(self.members, self.contents, strict=True)
        ]


def walk(data: bytes) -> Walked:
    """Walk an archive held in memory."""
    return walk_file(io.BytesIO(data), len(data))


def walk_file(file: BinaryIO, size_bytes: int) -> Walked:
    """Walk an open archive, reading every member's content on the way."""
    walker = Walker(ReadWindow(file), size_bytes=size_bytes)
    members, contents = [], []
    for member in walker.members():
        members.append(member)
        held = max(min(member.size, size_bytes - member.offset), 0)
        contents.append(bytes(walker.window.read(member.offset, held)))
    return Walked(members, contents, walker.problems, walker.headers, walker.end)


def by_tarfile(data: bytes) -> list[tuple[str, int, bytes]]:
    """Name, size and content of the regular files, as the standard library reads them."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:", encoding="utf-8") as archive:
        return [(m.name, m.size, _content(archive, m)) for m in archive if m.isreg()]


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def shard_of(folder: Path, data: bytes, name: str = "00000.tar") -> Shard:
    """A shard whose bytes are `data`, written below `folder`."""
    path = folder / name
    path.write_bytes(data)
    return Shard(name, str(path), "tar", len(data), "1")


class Read(NamedTuple):
    """One pass over a shard."""

    samples: list[Sample]
    images: list[bytes | None]
    problems: list[Problem]
    n_ignored: int
    n_expected: int | None
    digest: str

    @property
    def keys(self) -> list[str]:
        return [sample.key for sample in self.samples]

    @property
    def statuses(self) -> list[str]:
        return [sample.status for sample in self.samples]


def read(folder: Path, data: bytes, *, wanted: Container[int] | None = None) -> Read:
    """Write `data` as a shard and read it once."""
    with TarReader().open(shard_of(folder, data)) as source:
        return read_open(source, wanted=wanted)


def read_open(source: OpenShard, *, wanted: Container[int] | None = None) -> Read:
    samples = list(source.samples(wanted))
    return Read(
        samples,
        [None if sample.image is None else bytes(sample.image) for sample in samples],
        source.problems,
        source.n_ignored,
        source.n_expected,
        source.header_digest(),
    )


def numbered(n_samples: int, *, seed: int = 0) -> bytes:
    """An archive of images with captions, in img2dataset's order."""
    rng = random.Random(seed)
    entries = []
    for n in range(n_samples):
        entries.append((f"{n:09d}.jpg", rng.randbytes(rng.randrange(1, 1500))))
        entries.append((f"{n:09d}.txt", b"caption %d" % n))
    return pack(*entries)


def open_over(file: BinaryIO) -> OpenTar:
    return OpenTar(Shard("x.tar", "memory://nowhere/x.tar", "tar", 0, "1"), file)
