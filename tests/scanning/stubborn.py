"""Detectors that misbehave, registered by the tests that use them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import ClassVar

from madaudit.detectors.base import Batch, Detector, Kind, Tier
from madaudit.scanning import thumbnails
from madaudit.types import ABSENT, Evidence


@dataclass(frozen=True)
class Stubborn(Detector):
    """Does something bad on the sample with key `at`.

    Attributes:
        how: "raise", "sleep" (Python code that can be interrupted), "hang" (a C call that cannot),
            "die" (the process ends), "shrink" (the shard is cut while it is scanned) or
            "thumbnail" (the next thumbnail hangs in C).
        at: key of the sample.
        shard: path of the shard to cut.
        left_bytes: what is left of it.
    """

    how: str = "raise"
    at: str = "000003"
    shard: str = ""
    left_bytes: int = 0

    name: ClassVar[str] = "stubborn"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "one-sided"
    tier: ClassVar[Tier] = "headers"
    verified: ClassVar[str] = "a test's"

    def detect(self, batch: Batch) -> list[Evidence]:
        for look in batch.looks:
            if look.sample.key == self.at:
                self._misbehave()
        return [ABSENT] * len(batch)

    def _misbehave(self) -> None:
        if self.how == "raise":
            raise RuntimeError("the detector's own bug")
        if self.how == "sleep":
            until = time.monotonic() + 60
            while time.monotonic() < until:
                time.sleep(0.01)
        if self.how == "hang":
            _block_signals_and_wait()
        if self.how == "shrink" and os.path.getsize(self.shard) > self.left_bytes:
            os.truncate(self.shard, self.left_bytes)
        if self.how == "thumbnail":
            thumbnails.thumbnail_of = _block_signals_and_wait
        if self.how == "die":
            os._exit(139)


def _block_signals_and_wait(*_: object) -> None:
    """What a decoder stuck in C looks like from outside: no Python code runs, no signal helps."""
    import signal

    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(60)
