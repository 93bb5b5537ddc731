"""Stretches of a file held in memory: read, or mapped.

Slices stay valid after a window moves on. A mapped file costs only the pages that are looked at,
which for a metadata scan is a few of each image's; but a file that shrinks under the mapping, or
a medium that fails, ends the process by SIGBUS. So only a process that may die maps files: a
worker of the pool engine, which reads the shard instead the next time.
"""

from __future__ import annotations

import mmap
from io import FileIO
from typing import BinaryIO, Protocol

from madaudit.limits import HEAD_BYTES, KEPT_BYTES, TAIL_BYTES, WINDOW_BYTES
from madaudit.shards.base import FirstUnknown
from madaudit.shards.remote import RemoteFile

BLOCK = 512


class Window(Protocol):
    """What a walker needs of a file.

    Attributes:
        start: byte of the file from which it was read last, for progress.
    """

    start: int

    def read(self, offset: int, size: int) -> memoryview:
        """The bytes from `offset` on: `size` of them, or fewer at the end of the file."""

    def block(self, offset: int) -> bytes:
        """The 512 bytes from `offset` on, or fewer at the end of the file."""


def open_window(file: BinaryIO, *, maps: bool) -> Window:
    """A window on a file; mapped only where that is asked for and the file is a local one."""
    if isinstance(file, RemoteFile):
        return RemoteWindow(file)
    if maps and isinstance(file, FileIO):
        try:
            return MappedWindow(file)
        except (OSError, ValueError):
            # An empty file, or a file system that cannot map.
            return ReadWindow(file)
    return ReadWindow(file)


class ReadWindow:
    """A stretch of a file, read into memory."""

    __slots__ = ("data", "file", "start", "view")

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.start = 0
        self.data = b""
        self.view = memoryview(b"")

    def read(self, offset: int, size: int) -> memoryview:
        """The bytes from `offset` on: `size` of them, or fewer at the end of the file."""
        begin = offset - self.start
        if begin < 0 or begin + size > len(self.data):
            self._move(offset, size)
            begin = 0
        return self.view[begin : begin + size]

    def block(self, offset: int) -> bytes:
        """The 512 bytes from `offset` on, or fewer at the end of the file."""
        begin = offset - self.start
        if begin < 0 or begin + BLOCK > len(self.data):
            self._move(offset, BLOCK)
            begin = 0
        return self.data[begin : begin + BLOCK]

    def _move(self, offset: int, size: int) -> None:
        # A local file is read again from `offset`: joining the held tail with new bytes would
        # copy the whole window. A remote file never goes back, since its cache would refetch.
        begin = offset - self.start
        held = b""
        if 0 <= begin < len(self.data) and not isinstance(self.file, FileIO):
            held = self.data[begin:]
        else:
            self.file.seek(offset)
        data = self.file.read(max(WINDOW_BYTES, size) - len(held))
        self.data = held + data if held else data
        while len(self.data) < size and (more := self.file.read(size - len(self.data))):
            self.data += more
        self.view = memoryview(self.data)
        self.start = offset


class MappedWindow:
    """A whole file, mapped."""

    __slots__ = ("_given_back", "data", "start", "view")

    def __init__(self, file: FileIO) -> None:
        self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.view = memoryview(self.data)
        self.start = 0
        self._given_back = 0

    def read(self, offset: int, size: int) -> memoryview:
        self.start = offset
        if offset - self._given_back > 2 * KEPT_BYTES:
            self._give_back(offset)
        return self.view[offset : offset + size]

    def block(self, offset: int) -> bytes:
        return self.data[offset : offset + BLOCK]

    def _give_back(self, offset: int) -> None:
        """Let the system have the pages far behind; they are read again if they are touched."""
        end = (offset - KEPT_BYTES) // mmap.PAGESIZE * mmap.PAGESIZE
        if hasattr(mmap, "MADV_DONTNEED"):
            self.data.madvise(mmap.MADV_DONTNEED, self._given_back, end - self._given_back)
        self._given_back = end


class RemoteWindow:
    """A file behind a URL, of which stretches that nobody needs are left out."""

    __slots__ = ("file", "start")

    def __init__(self, file: RemoteFile) -> None:
        self.file = file
        self.start = 0

    def read(self, offset: int, size: int) -> memoryview:
        self.start = offset
        return memoryview(self.file.stretch(offset, size))

    def block(self, offset: int) -> bytes:
        self.start = offset
        return self.file.stretch(offset, BLOCK)

    def read_parts(self, offset: int, size: int, first_unknown: FirstUnknown) -> memoryview:
        """A member of which only what is needed was fetched; the rest is zeros.

        Args:
            offset: where it begins.
            size: its length.
            first_unknown: tells from the first and the last bytes whether the rest is needed.
        """
        left_out = size - HEAD_BYTES - TAIL_BYTES
        is_cut = offset + size > self.file.size_bytes
        if is_cut or left_out < self.file.skip_pays_from():
            return self.read(offset, size)
        head = self.read(offset, HEAD_BYTES)
        tail_start = size - TAIL_BYTES
        tail = memoryview(b"")
        unknown = first_unknown(head, tail, size)
        if unknown is not None and unknown >= tail_start:
            tail = self.read(offset + tail_start, TAIL_BYTES)
            unknown = first_unknown(head, tail, size)
        if unknown is not None:
            return self.read(offset, size)
        image = bytearray(size)
        image[: len(head)] = head
        if tail:
            image[tail_start:] = tail
        return memoryview(image).toreadonly()
