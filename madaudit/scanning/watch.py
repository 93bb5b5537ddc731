"""The clock over one image: what a worker is at, and when it has been at it too long.

A worker writes into a `Slots` array what it works on and since when. Inside the process a timer
raises `ImageTimeout` out of Python code; from outside, the pool reads the same array and kills a
worker that a library holds in C.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

_TICK_S = 0.5
# Places in a worker's part of the shared array.
SINCE, ORDINAL, N_SAMPLES, BYTES, ROWS, HITS, ERRORS = range(7)
WIDTH = 7


class ImageTimeout(Exception):  # noqa: N818 — an event, like KeyboardInterrupt
    """An image took longer than it may."""


class Progress(NamedTuple):
    """How far one worker has come in its present shard."""

    bytes_read: int
    rows: int
    hits: int
    errors: int


class Watch:
    """One worker's clock.

    Attributes:
        limit_s: seconds that one image may take.
    """

    def __init__(self, slots: MutableSequence[float], limit_s: float, *, base: int = 0) -> None:
        self._slots = slots
        self._base = base
        self.limit_s = limit_s

    def enter(self, ordinal: int, n_samples: int = 1) -> None:
        """Work on a sample, or on a batch that begins with it, begins.

        Args:
            ordinal: of the sample.
            n_samples: of the batch; 0 for work that no row depends on (a thumbnail).
        """
        slots, base = self._slots, self._base
        slots[base + ORDINAL] = ordinal
        slots[base + N_SAMPLES] = n_samples
        slots[base + SINCE] = time.monotonic()

    def leave(self) -> None:
        """Work on it is over."""
        self._slots[self._base] = 0.0

    def report(self, progress: Progress) -> None:
        base = self._base + BYTES
        for place, value in enumerate(progress):
            self._slots[base + place] = value

    def overdue_s(self) -> float:
        """Seconds beyond the limit of the present work; negative while there is time."""
        since = self._slots[self._base + SINCE]
        if not since:
            return -self.limit_s
        allowed = self.limit_s * max(1.0, self._slots[self._base + N_SAMPLES])
        return time.monotonic() - since - allowed

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Raise ImageTimeout out of Python code that is overdue, while the block runs.

        Only the main thread of a Unix process has such a timer; elsewhere the block runs
        without one, and only the pool engine can stop a stuck image.
        """
        if threading.current_thread() is not threading.main_thread() or not hasattr(
            signal, "setitimer"
        ):
            yield
            return
        previous = signal.signal(signal.SIGALRM, self._on_tick)
        signal.setitimer(signal.ITIMER_REAL, _TICK_S, _TICK_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)

    def _on_tick(self, number: int, frame: FrameType | None) -> None:
        if self.overdue_s() > 0:
            self.leave()
            raise ImageTimeout


def read_progress(slots: MutableSequence[float], base: int) -> Progress:
    return Progress(*(int(slots[base + place]) for place in (BYTES, ROWS, HITS, ERRORS)))
