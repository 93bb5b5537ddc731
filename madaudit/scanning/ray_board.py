"""What the tasks of a Ray scan are at: an actor that holds numbers.

Apart from the engine, and importing next to nothing, so that its process is up in the time that
Python and Ray take.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from madaudit.scanning.watch import SINCE


class Said(NamedTuple):
    """What the board knows of a running task.

    Attributes:
        slots: as `Watch` fills them.
        busy_s: seconds since it began with what it is at; 0 where it is at nothing.
        silent_s: seconds since it said so.
    """

    slots: list[float]
    busy_s: float
    silent_s: float


class Board:
    """Holds what every running task said last."""

    def __init__(self) -> None:
        self._said: dict[int, tuple[list[float], float, float]] = {}

    def tell(self, number: int, slots: list[float], busy_s: float) -> None:
        """Take in what a task says; in seconds, not in moments, since nodes' clocks differ."""
        now = time.monotonic()
        self._said[number] = (slots, now - busy_s, now)

    def read(self) -> dict[int, Said]:
        now = time.monotonic()
        return {
            number: Said(slots, now - began if slots[SINCE] else 0.0, now - told)
            for number, (slots, began, told) in self._said.items()
        }

    def forget(self, number: int) -> None:
        self._said.pop(number, None)
