"""Text files of one sample a line, packed or not; no line is held that is longer than a limit."""

from __future__ import annotations

import hashlib
import io
from abc import abstractmethod
from collections.abc import Container, Iterator
from typing import BinaryIO, NamedTuple, cast

import pyarrow as pa

from madaudit.errors import ShardError
from madaudit.limits import MAX_LINE_BYTES
from madaudit.shards import files
from madaudit.shards.base import OpenShard, Problem
from madaudit.shards.cells import positional_key
from madaudit.shards.tables import in_words
from madaudit.types import Sample, Shard

_CODECS = {".gz": "gzip", ".zst": "zstd"}
_BUFFER_BYTES = 1 << 20


class Line(NamedTuple):
    """One line.

    Attributes:
        data: its bytes without the end of the line; only the beginning where it is too long.
        size: its length in bytes, held or not.
    """

    data: bytes
    size: int

    @property
    def is_too_long(self) -> bool:
        return self.size > MAX_LINE_BYTES


def read_lines(file: BinaryIO, uri: str) -> Iterator[Line]:
    """The lines of a file that are not blank.

    Args:
        file: opened for reading, and left open.
        uri: its name; the ending says how it is packed.

    Raises:
        OSError: the file cannot be read on, or its packing is broken or cut.
    """
    stream = _unpacked(file, uri)
    try:
        while data := stream.readline(MAX_LINE_BYTES + 1):
            size = len(data)
            if size > MAX_LINE_BYTES and not data.endswith(b"\n"):
                size += _skip_line(stream)
            line = data.rstrip(b"\r\n")
            if line and not line.isspace():
                yield Line(line, size if size > MAX_LINE_BYTES else len(line))
    finally:
        stream.detach()


def _skip_line(stream: io.BufferedReader) -> int:
    """Read to the end of a line without holding it; the number of bytes."""
    n_bytes = 0
    while part := stream.readline(_BUFFER_BYTES):
        n_bytes += len(part)
        if part.endswith(b"\n"):
            break
    return n_bytes


def _unpacked(file: BinaryIO, uri: str) -> io.BufferedReader:
    codec = next((codec for ending, codec in _CODECS.items() if uri.endswith(ending)), None)
    raw = file if codec is None else pa.CompressedInputStream(file, codec)
    return io.BufferedReader(cast(io.RawIOBase, raw), _BUFFER_BYTES)


class OpenLines(OpenShard):
    """One such file being read; its digest is that of all its lines."""

    def __init__(self, shard: Shard) -> None:
        super().__init__()
        self._shard = shard
        # Every pass opens the file anew, since a packed stream cannot be rewound.
        self._file = self._open()
        self._hash = hashlib.sha256()

    @abstractmethod
    def _sample(self, ordinal: int, line: bytes) -> Sample:
        """The sample of one line; where it cannot be read, with a status that says so."""

    def _is_header(self, line: bytes) -> bool:
        """Whether the file's first line names its columns instead of holding a sample."""
        return False

    def samples(self, wanted: Container[int] | None = None) -> Iterator[Sample]:
        self._hash = hashlib.sha256()
        n_lines = 0
        try:
            for ordinal, line in enumerate(self._lines()):
                self._hash.update(line.data)
                self._hash.update(b"\n")
                self.position_bytes = min(self._file.tell(), self._shard.size_bytes)
                n_lines += 1
                if wanted is not None and ordinal not in wanted:
                    continue
                if line.is_too_long:
                    yield _too_long(ordinal, line)
                else:
                    yield self._sample(ordinal, line.data)
        except OSError as error:
            self.problems.append(
                Problem(f"reading stopped behind line {n_lines}: {in_words(error)}")
            )
        if not n_lines and not self.problems:
            self.problems.append(Problem("the file is empty: not one line", 0))
        self.position_bytes = self._shard.size_bytes

    def count(self) -> int:
        n_lines = 0
        try:
            for _ in self._lines():
                n_lines += 1
        except OSError:
            return n_lines  # `samples` says what is wrong
        return n_lines

    def fetch(self, sample: Sample) -> bytes:
        return b""

    def header_digest(self) -> str:
        return self._hash.hexdigest()

    def close(self) -> None:
        self._file.close()

    def _open(self) -> BinaryIO:
        try:
            return files.open_binary(self._shard.uri)
        except OSError as error:
            raise ShardError(f"cannot open {self._shard.name}: {error}") from error

    def _lines(self) -> Iterator[Line]:
        """The lines that hold samples."""
        self._file.close()
        self._file = self._open()
        lines = read_lines(self._file, self._shard.uri)
        first = next(lines, None)
        if first is not None and (first.is_too_long or not self._is_header(first.data)):
            yield first
        yield from lines


def _too_long(ordinal: int, line: Line) -> Sample:
    error = f"a line of {line.size} bytes; at most {MAX_LINE_BYTES} are read"
    key = positional_key(ordinal)
    return Sample(ordinal, key, size=line.size, status="too_large", error=error)


def broken_line(ordinal: int, line: bytes, why: str) -> Sample:
    """A line that is not what its file should hold."""
    key = positional_key(ordinal)
    return Sample(ordinal, key, size=len(line), status="decode_error", error=why)
