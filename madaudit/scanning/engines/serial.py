"""All shards in this process, one after the other: the reference for the other engines."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from madaudit.scanning.engines.base import Engine, Event
from madaudit.scanning.plan import Plan
from madaudit.scanning.shard_scan import Job, scan_shard
from madaudit.scanning.store import Store
from madaudit.scanning.tasks import ShardTask
from madaudit.scanning.watch import WIDTH, Watch


@dataclass(frozen=True)
class SerialEngine(Engine):
    """One process. A library stuck in C cannot be stopped here; `pool` kills its worker."""

    name: ClassVar[str] = "serial"

    def run(
        self, plan: Plan, tasks: Sequence[ShardTask], store: Store
    ) -> Generator[Event, None, None]:
        job = Job.prepare(plan, store)
        watch = Watch([0.0] * WIDTH, plan.image_timeout_s)
        for task in tasks:
            yield Event(scan_shard(job, task, watch), ())
