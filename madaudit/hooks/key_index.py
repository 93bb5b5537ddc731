"""A compact, memory-mapped map from keys to rows: 64-bit hashes in buckets.

Three files. `buckets`: where each bucket begins, by the leading bits of the hash. `hashes`: the
last bytes of each entry's hash, which hold all other bits, ascending in a bucket. `rows`: the row
of each entry. At 1e8 keys that is
0.67 + 5 + 4 bytes a key. A lookup reads one bucket of about six entries.

Two keys with one hash share their rows, so that no lookup of a known key misses a row; a key that
is not there is taken for one that is with probability n / 2**64 (5e-12 at 1e8). The hash is
BLAKE2b: nobody can cheaply make a key that meets another's.
"""

from __future__ import annotations

import mmap
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from types import TracebackType
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from madaudit.limits import MAX_COLUMN_CHARS

_HASH_BITS = 64
_HASH_BYTES = 8
_AS_NUMBER = Struct(">Q").unpack
_N_PARTS = 256
_ENTRY = np.dtype([("hash", "<u8"), ("row", "<u8")])
Create = Callable[[str], AbstractContextManager[BinaryIO]]
Hashes = npt.NDArray[np.uint64]
#: The hash of what keys have in common, to go on from: half the cost of hashing both at once.
Namespace = blake2b


def namespace_of(name: str) -> Namespace:
    """Where keys of one name mean one thing: a shard's, for its keys."""
    return blake2b(name.encode() + b"\0", digest_size=_HASH_BYTES)


def key_bytes(key: str) -> bytes:
    """A key as a store has it: cut, and what is no UTF-8 in an archive as question marks."""
    try:
        return key[:MAX_COLUMN_CHARS].encode()
    except UnicodeEncodeError:
        return key.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode()


def hash_keys(namespace: Namespace, keys: Sequence[str]) -> Hashes:
    """The hash of each key (n,), in a namespace."""
    digests = b"".join([_digest(namespace, key) for key in keys])
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def _digest(namespace: Namespace, key: str) -> bytes:
    hasher = namespace.copy()
    hasher.update(key_bytes(key))
    return hasher.digest()


@dataclass(frozen=True)
class Layout:
    """How an index lies in its files.

    Attributes:
        n_entries: keys with their rows.
        n_repeated: entries whose hash another entry has too: keys that repeat, or that collide.
        bucket_bits: leading bits of a hash that number its bucket.
        hash_bytes: last bytes of each entry's hash, enough for all other bits.
        row_bytes: length of a row's number.
    """

    n_entries: int
    n_repeated: int
    bucket_bits: int
    hash_bytes: int
    row_bytes: int

    @classmethod
    def of(cls, n_entries: int, n_rows: int, n_repeated: int = 0) -> Layout:
        bucket_bits = max(0, n_entries.bit_length() - 3)
        hash_bytes = -(-(_HASH_BITS - bucket_bits) // 8)
        return cls(n_entries, n_repeated, bucket_bits, hash_bytes, 4 if n_rows < 1 << 32 else 8)

    @property
    def size_bytes(self) -> int:
        """Length of the three files."""
        return sum(self.file_sizes().values())

    def file_sizes(self) -> dict[str, int]:
        """Length of each file in bytes, by its ending."""
        n_buckets = (1 << self.bucket_bits) + 1
        return {
            "buckets": self._bucket_bytes * n_buckets,
            "hashes": self.n_entries * self.hash_bytes,
            "rows": self.n_entries * self.row_bytes,
        }

    @property
    def bucket_type(self) -> Literal["I", "Q"]:
        """Of the numbers in `buckets`, as numpy and memoryview write it."""
        return "I" if self.n_entries < 1 << 32 else "Q"

    @property
    def _bucket_bytes(self) -> int:
        return 4 if self.bucket_type == "I" else 8

    def to_dict(self) -> dict[str, int]:
        return asdict(self)


class KeyIndexBuilder:
    """Gathers keys on disk, so that memory does not grow with their number."""

    def __init__(self, folder: str | None = None) -> None:
        """Begin.

        Args:
            folder: for temporary files, 16 bytes a key; the system's by default.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="madaudit-index-", dir=folder)
        paths = [Path(self._folder.name, f"{part:03d}") for part in range(_N_PARTS)]
        self._parts = [path.open("w+b") for path in paths]
        self._n_entries = 0

    def add(self, hashes: Hashes, rows: npt.NDArray[np.integer[Any]]) -> None:
        """Take in the hashes of some keys with their rows, both (n,); rows come ascending."""
        entries = np.empty(len(hashes), dtype=_ENTRY)
        entries["hash"], entries["row"] = hashes, rows
        parts = (hashes >> np.uint64(_HASH_BITS - 8)).astype(np.uint8)
        order = np.argsort(parts, kind="stable")
        bounds = np.searchsorted(parts[order], np.arange(_N_PARTS + 1))
        grouped = entries[order]
        for part in np.flatnonzero(np.diff(bounds)).tolist():
            self._parts[part].write(grouped[bounds[part] : bounds[part + 1]].tobytes())
        self._n_entries += len(hashes)

    def write(self, create: Create, name: str, n_rows: int) -> Layout:
        """Write the three files and drop the temporary ones.

        Args:
            create: opens a file by its name.
            name: beginning of the files' names.
            n_rows: in the store, whether they have a key or not.
        """
        layout = Layout.of(self._n_entries, n_rows)
        sizes = np.zeros((1 << layout.bucket_bits) + 1, dtype="<u8")
        shift = np.uint64(_HASH_BITS - layout.bucket_bits)
        n_repeated = 0
        with create(f"{name}.hashes") as hash_file, create(f"{name}.rows") as row_file:
            for part in self._parts:
                part.seek(0)
                entries = np.frombuffer(part.read(), dtype=_ENTRY)
                entries = entries[np.argsort(entries["hash"], kind="stable")]
                hashes = entries["hash"]
                n_repeated += _n_repeated(hashes)
                tails = hashes.astype(">u8").view(np.uint8).reshape(-1, 8)
                hash_file.write(tails[:, _HASH_BYTES - layout.hash_bytes :].tobytes())
                row_file.write(entries["row"].astype(f"<u{layout.row_bytes}").tobytes())
                if layout.bucket_bits:
                    buckets, counts = np.unique(hashes >> shift, return_counts=True)
                    sizes[buckets + np.uint64(1)] += counts.astype("<u8")
        if not layout.bucket_bits:
            sizes[1] = self._n_entries
        with create(f"{name}.buckets") as file:
            file.write(np.cumsum(sizes).astype(f"<{layout.bucket_type}").tobytes())
        self.close()
        return Layout.of(self._n_entries, n_rows, n_repeated)

    def close(self) -> None:
        """Delete the temporary files."""
        for part in self._parts:
            part.close()
        self._folder.cleanup()

    def __enter__(self) -> KeyIndexBuilder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _n_repeated(hashes: Hashes) -> int:
    """Entries of a sorted array that another one equals."""
    same = hashes[1:] == hashes[:-1]
    either = np.zeros(len(hashes), dtype=bool)
    either[1:] |= same
    either[:-1] |= same
    return int(either.sum())


class KeyIndex:
    """An index being read; processes that map the same files share their memory.

    Attributes:
        has_repeated: whether any key has several rows.
        row_of: entry to its row.
    """

    def __init__(self, folder: str, name: str, layout: Layout) -> None:
        self.has_repeated = layout.n_repeated > 0
        self._width = layout.hash_bytes
        self._tail = slice(_HASH_BYTES - layout.hash_bytes, _HASH_BYTES)
        self._shift = _HASH_BITS - layout.bucket_bits
        self._hashes = map_file(f"{folder}/{name}.hashes")
        buckets = map_file(f"{folder}/{name}.buckets")
        rows = map_file(f"{folder}/{name}.rows")
        self._buckets = memoryview(buckets).cast(layout.bucket_type)
        self.row_of = memoryview(rows).cast("I" if layout.row_bytes == 4 else "Q")

    def entry(self, namespace: Namespace, key: str) -> int:
        """The first entry of a key; −1 where it is not there."""
        # A look-up stands in a training loop, whose images have emptied the caches: each call
        # and each object that it makes is dear there.
        hasher = namespace.copy()
        try:
            hasher.update(key[:MAX_COLUMN_CHARS].encode())
        except UnicodeEncodeError:
            hasher.update(key_bytes(key))
        digest = hasher.digest()
        bucket = _AS_NUMBER(digest)[0] >> self._shift
        width, hashes, tail = self._width, self._hashes, digest[self._tail]
        stop = self._buckets[bucket + 1] * width
        at = hashes.find(tail, self._buckets[bucket] * width, stop)
        while at % width and at >= 0:  # found across the border of two entries
            at = hashes.find(tail, at + 1, stop)
        return at // width  # −1 // width is −1

    def rows(self, namespace: Namespace, key: str) -> Sequence[int]:
        """Rows of a key, ascending; empty where it is not there."""
        entry = self.entry(namespace, key)
        return () if entry < 0 else self.rows_from(entry)

    def rows_from(self, entry: int) -> Sequence[int]:
        """Rows of the key whose first entry that is."""
        width, last = self._width, entry
        tail = self._hashes[entry * width : (entry + 1) * width]
        while self._hashes[(last + 1) * width : (last + 2) * width] == tail:
            last += 1
        if last > entry:  # the next bucket may begin with the same bytes
            last = min(last, self._buckets[bisect_right(self._buckets, entry)] - 1)
        return self.row_of[entry : last + 1]


def map_file(path: str) -> mmap.mmap | bytes:
    """A file mapped for reading; an empty one cannot be."""
    with open(path, "rb") as file:
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            return b""
