"""What a reader promises.

Invariants: samples come in the shard's own order, ordinals from 0 without gaps; every sample of
the shard is handed over, those that cannot be read with a status that says so; what is wrong with
the shard itself is a `Problem`, never an exception out of the loop.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator
from types import TracebackType
from typing import ClassVar, NamedTuple

from madaudit.types import Sample, Shard

#: Of an image of which the first and the last bytes are known, and its length: the first byte
#: beyond these that must be known as well, None where they suffice.
FirstUnknown = Callable[[memoryview, memoryview, int], int | None]


class Problem(NamedTuple):
    """Something wrong with a shard itself.

    Attributes:
        message: what is wrong and what it means for the rows.
        offset: byte at which it was seen, None where it has no place.
    """

    message: str
    offset: int | None = None


class OpenShard(ABC):
    """One shard being read; fields are complete once `samples` is exhausted.

    Attributes:
        problems: what is wrong with the shard itself.
        n_ignored: files that are no part of any sample (hidden, or without an extension).
        n_expected: samples that the pipeline says it wrote, None where it does not say.
        position_bytes: how far reading has come, for progress.
        first_unknown: set before `samples` by who needs no more of an image than this says; a
            reader of remote files may then hand over zeros in place of the rest.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.n_ignored = 0
        self.n_expected: int | None = None
        self.position_bytes = 0
        self.first_unknown: FirstUnknown | None = None

    @abstractmethod
    def samples(self, wanted: Container[int] | None = None) -> Iterator[Sample]:
        """The samples in order.

        Args:
            wanted: ordinals to hand over; None for all. The others are counted, not read.

        Raises:
            ShardError: nothing at all can be read.
        """

    @abstractmethod
    def count(self) -> int:
        """Number of samples, found without reading an image; `samples` still begins at 0."""

    @abstractmethod
    def fetch(self, sample: Sample) -> bytes:
        """The image bytes of a sample seen before.

        Raises:
            ShardError: the shard changed or is gone.
        """

    @abstractmethod
    def header_digest(self) -> str:
        """SHA-256 (hexadecimal) of the headers walked so far: the shard's identity."""

    @abstractmethod
    def close(self) -> None:
        """Release the file."""

    def __enter__(self) -> OpenShard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Reader(ABC):
    """Opens shards of one format."""

    name: ClassVar[str]
    version: ClassVar[int]

    @abstractmethod
    def open(self, shard: Shard, *, maps: bool = False) -> OpenShard:
        """Begin reading.

        Args:
            shard: which.
            maps: the process may die of a failing file, so a reader that is faster on a mapped
                file may map it; others do not care.

        Raises:
            ShardError: the file cannot be opened.
        """
