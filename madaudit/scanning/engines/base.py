"""What an engine promises.

Invariants: every task ends in exactly one finished Event; the rows in the store are the same bit
for bit whatever engine and number of workers; an engine sees tasks, never image bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from typing import ClassVar, NamedTuple

from madaudit.scanning.plan import Plan
from madaudit.scanning.shard_scan import ShardSummary
from madaudit.scanning.store import Store
from madaudit.scanning.tasks import ShardTask
from madaudit.scanning.watch import Progress


class Event(NamedTuple):
    """News of a scan.

    Attributes:
        finished: a shard that has come to its end, or None for news of progress.
        running: how far the workers are in their present shards.
    """

    finished: ShardSummary | None
    running: tuple[Progress, ...]


class Engine(ABC):
    """Runs tasks."""

    name: ClassVar[str]

    @abstractmethod
    def run(
        self, plan: Plan, tasks: Sequence[ShardTask], store: Store
    ) -> Generator[Event, None, None]:
        """Scan all tasks, yielding news; closing the iterator stops the scan.

        Raises:
            StoreError: the store cannot be written.
        """
