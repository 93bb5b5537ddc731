"""Whether an image's first and last bytes say all that its structure says.

For JPEG, PNG and WebP this walks as the parsers do and stops at the first byte that it would need
and does not have. The other formats, and every file with a C2PA manifest (whose signature is over
all bytes), are wanted whole. Invariant: where nothing more is needed, `parse` gives for the file
with zeros in the place of the rest what it gives for the whole file.
"""

from __future__ import annotations

from collections.abc import Callable

from madaudit.detectors.provenance.containers.png import SIGNATURE as PNG_SIGNATURE
from madaudit.limits import MAX_PARTS

_END_OF_JPEG = b"\xff\xd9"


class _UnknownError(Exception):
    """A byte is needed that is not there."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


class _Known:
    """The bytes at hand of a file of `size` bytes."""

    def __init__(self, head: memoryview, tail: memoryview, size: int) -> None:
        self._head = head
        self._tail = tail
        self._tail_start = size - len(tail)
        self.size = size

    def read(self, position: int, n_bytes: int) -> bytes:
        if position < 0 or position + n_bytes > self.size:
            raise _UnknownError(0)  # a cut or damaged file, which is wanted whole
        if position + n_bytes <= len(self._head):
            return bytes(self._head[position : position + n_bytes])
        if position < self._tail_start:
            raise _UnknownError(position)
        begin = position - self._tail_start
        return bytes(self._tail[begin : begin + n_bytes])


def first_unknown(head: memoryview, tail: memoryview, size: int) -> int | None:
    """The first byte that must be known besides these, None where they suffice.

    Args:
        head: the file's first bytes.
        tail: its last ones; may be empty.
        size: its length in bytes.
    """
    walk = _walk_of(bytes(head[:16]))
    if walk is None:
        return len(head)
    try:
        walk(_Known(head, tail, size))
    except _UnknownError as unknown:
        return unknown.position
    return None


def _walk_of(start: bytes) -> Callable[[_Known], None] | None:
    if start[:3] == b"\xff\xd8\xff":
        return _walk_jpeg
    if start[:8] == PNG_SIGNATURE:
        return _walk_png
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return _walk_webp
    return None


def _walk_jpeg(known: _Known) -> None:
    """Segments up to the first scan, and the end marker as the last two bytes."""
    position = 2
    for _ in range(MAX_PARTS):
        prefix, marker, high, low = known.read(position, 4)
        length = high << 8 | low
        if prefix != 0xFF or marker in (0xFF, 0x00, 0x01, 0xD9, 0xEB) or 0xD0 <= marker < 0xD8:
            raise _UnknownError(0)  # odd, or perhaps a manifest
        if marker == 0xDA:
            break
        if length < 2:
            raise _UnknownError(0)
        known.read(position, 2 + length)
        position += 2 + length
    else:
        raise _UnknownError(0)
    if known.read(known.size - 2, 2) != _END_OF_JPEG:
        raise _UnknownError(0)


def _walk_png(known: _Known) -> None:
    """Chunks up to IEND; pixel data alone may be left out."""
    position = 8
    for _ in range(MAX_PARTS):
        header = known.read(position, 8)
        length, kind = int.from_bytes(header[:4], "big"), header[4:]
        if kind == b"caBX":
            raise _UnknownError(0)
        if kind != b"IDAT":
            known.read(position, 12 + length)
        if kind == b"IEND":
            return
        position += 12 + length
    raise _UnknownError(0)


def _walk_webp(known: _Known) -> None:
    """Chunks of the RIFF file, which must end where its header says."""
    end = 8 + int.from_bytes(known.read(4, 4), "little")
    if end > known.size:
        raise _UnknownError(0)
    position = 12
    for _ in range(MAX_PARTS):
        if position + 8 > end:
            return
        header = known.read(position, 8)
        kind, length = header[:4], int.from_bytes(header[4:], "little")
        is_short = kind.startswith(b"VP8") and length < 10
        if kind == b"C2PA" or is_short or position + 8 + length > end:
            raise _UnknownError(0)
        if kind in (b"VP8 ", b"VP8L", b"ALPH", b"ANMF"):
            known.read(position, 8 + min(length, 10))
        else:
            known.read(position, 8 + length)
        position += 8 + length + (length & 1)
    raise _UnknownError(0)
