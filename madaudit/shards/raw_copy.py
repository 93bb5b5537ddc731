"""Samples copied from tar archives block by block: nothing is decoded, renamed or packed again.

The bytes of every member, its header included, are those of the source, so a digest of the image
or of the header holds in the copy.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from io import FileIO
from typing import BinaryIO

from madaudit.errors import ShardError
from madaudit.limits import WINDOW_BYTES
from madaudit.shards import files
from madaudit.shards.windows import BLOCK

#: Two empty blocks end an archive.
END_MARK = bytes(2 * BLOCK)


def copy_parts(uri: str, parts: Iterable[tuple[int, int]], target: BinaryIO) -> None:
    """Append stretches of a file to another.

    Args:
        uri: where to read.
        parts: first byte and the byte behind the last, ascending; those that touch are joined.
        target: open for writing; local files are copied inside the kernel.

    Raises:
        ShardError: the source is shorter than it was.
        OSError: it cannot be read, or the target cannot be written.
    """
    with files.open_binary(uri) as source:
        is_local = isinstance(source, FileIO) and hasattr(os, "copy_file_range")
        for start, end in _joined(parts):
            if is_local and _is_local(target) and _copy_in_kernel(source, start, end, target):
                continue
            _copy_through_memory(source, start, end, target)


def _joined(parts: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    begin = behind = -1
    for start, end in parts:
        if start != behind:
            if behind > begin:
                yield begin, behind
            begin = start
        behind = end
    if behind > begin:
        yield begin, behind


def _is_local(target: BinaryIO) -> bool:
    return isinstance(getattr(target, "raw", None), FileIO)


def _copy_in_kernel(source: BinaryIO, start: int, end: int, target: BinaryIO) -> bool:
    """Copy without a detour through this process; False where the file systems cannot."""
    target.flush()
    at = start
    while at < end:
        try:
            n_bytes = os.copy_file_range(source.fileno(), target.fileno(), end - at, at)
        except OSError:
            if at == start:
                return False
            raise
        if n_bytes == 0:
            _pad(end - at, target, at)
            return True
        at += n_bytes
    return True


def _copy_through_memory(source: BinaryIO, start: int, end: int, target: BinaryIO) -> None:
    source.seek(start)
    at = start
    while at < end:
        chunk = source.read(min(WINDOW_BYTES, end - at))
        if not chunk:
            _pad(end - at, target, at)
            return
        target.write(chunk)
        at += len(chunk)


def _pad(n_missing: int, target: BinaryIO, at: int) -> None:
    """The padding behind a file's last member may be missing, its content may not."""
    if n_missing >= BLOCK:
        raise ShardError(
            f"cannot copy: the file ends at byte {at}, {n_missing} bytes before the member does; "
            f"it changed since the scan, so scan again",
            offset=at,
        )
    target.write(bytes(n_missing))
