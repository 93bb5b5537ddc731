"""A shipped fake: samples from memory, for tests and for people who try a detector."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from madaudit.shards.base import OpenShard, Reader
from madaudit.types import Sample, Shard


@dataclass(frozen=True)
class MemoryReader(Reader):
    """Hands over the images it was given, whatever shard is asked for."""

    images: Sequence[bytes] = field(default=())

    name: ClassVar[str] = "memory"
    version: ClassVar[int] = 1

    def open(self, shard: Shard, *, maps: bool = False) -> OpenShard:
        return OpenMemory(self.images)


class OpenMemory(OpenShard):
    """Images in the order they were given; keys are their ordinals in nine digits."""

    def __init__(self, images: Sequence[bytes]) -> None:
        super().__init__()
        self._images = images

    def samples(self, wanted: Container[int] | None = None) -> Iterator[Sample]:
        for ordinal, image in enumerate(self._images):
            self.position_bytes += len(image)
            if wanted is None or ordinal in wanted:
                yield Sample(ordinal, f"{ordinal:09d}", 0, len(image), memoryview(image))

    def count(self) -> int:
        return len(self._images)

    def fetch(self, sample: Sample) -> bytes:
        return self._images[sample.ordinal]

    def header_digest(self) -> str:
        return hashlib.sha256(b"".join(self._images)).hexdigest()

    def close(self) -> None:
        """Nothing is held open."""
