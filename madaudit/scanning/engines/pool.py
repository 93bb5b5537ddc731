"""Shards over spawned processes, with a watchdog.

Each worker takes one shard at a time and writes its files itself; only summaries come back. The
parent reads what every worker is at from a shared array. A worker that is stuck or dies is
replaced: the sample it was at is recorded as `timeout` (or `decode_error` where it brought the
process down) and the shard begins anew. Where a whole batch was at work, the shard is first
scanned again one sample at a time, which names the culprit. A worker that dies of a bus error
had mapped a file that shrank or failed; that shard is read the next time.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import RawArray
from types import FrameType
from typing import Any, ClassVar

from madaudit.errors import OptionError, StoreError
from madaudit.limits import MAX_DOOMED, MAX_WORKER_DEATHS
from madaudit.scanning.engines.base import Engine, Event
from madaudit.scanning.plan import Plan
from madaudit.scanning.shard_scan import Job, ShardSummary, give_up, scan_shard
from madaudit.scanning.store import Store
from madaudit.scanning.tasks import ShardTask
from madaudit.scanning.watch import (
    N_SAMPLES,
    ORDINAL,
    SINCE,
    WIDTH,
    Watch,
    read_progress,
)
from madaudit.types import Status

#: Below this a spawned process costs more time than it saves; above it one pays even for a single
#: shard, since only a worker can be stopped at a stuck image, and tells how far it has come.
POOL_PAYS_BYTES = 1 << 28
_POLL_S = 0.2
# Time for workers to clear away before they are killed.
_STOP_S = 2.0
# Beyond the limit before a worker is killed: its own timer gets to act first.
_GRACE_S = 3.0
# Exit code of a worker whose mapped file shrank or failed; Windows has no such signal.
_BUS_ERROR = -signal.SIGBUS if hasattr(signal, "SIGBUS") else None


@dataclass(frozen=True)
class PoolEngine(Engine):
    """Spawned processes.

    Attributes:
        workers: how many, ≥ 1.
    """

    workers: int = 1

    name: ClassVar[str] = "pool"

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise OptionError(f"--workers is {self.workers}; at least 1 is needed")

    def run(
        self, plan: Plan, tasks: Sequence[ShardTask], store: Store
    ) -> Generator[Event, None, None]:
        pool = _Pool(plan, store, min(self.workers, max(len(tasks), 1)))
        try:
            yield from pool.run(tasks)
        finally:
            pool.stop()


class _Worker:
    """One process, its end of the pipe, and its part of the shared array."""

    def __init__(self, plan: Plan, store: Store, slots: Any, index: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.base = index * WIDTH
        slots[self.base + SINCE] = 0.0
        self.watch = Watch(slots, plan.image_timeout_s, base=self.base)
        self.task: ShardTask | None = None
        self.process: BaseProcess = context.Process(
            target=_work, args=(plan, store, theirs, slots, self.base), daemon=True
        )
        self.process.start()
        theirs.close()

    def give(self, task: ShardTask) -> None:
        """Hand over a task; if the process is gone already, its end shows at the next wait."""
        self.task = task
        with contextlib.suppress(BrokenPipeError):
            self.connection.send(task)

    def stop(self) -> None:
        """End it and let it clear away its half-written files; kill it where it does not."""
        self.process.terminate()
        self.process.join(_STOP_S)
        self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class _Pool:
    """The parent's side."""

    def __init__(self, plan: Plan, store: Store, n_workers: int) -> None:
        self._plan = plan
        self._store = store
        self._slots: Any = RawArray("d", n_workers * WIDTH)
        self._workers = [_Worker(plan, store, self._slots, i) for i in range(n_workers)]
        self._deaths: dict[str, int] = {}

    def run(self, tasks: Sequence[ShardTask]) -> Generator[Event, None, None]:
        waiting = deque(tasks)
        n_open = len(tasks)
        while n_open:
            for worker in self._workers:
                if worker.task is None and waiting:
                    worker.give(waiting.popleft())
            finished = self._collect(waiting)
            n_open -= len(finished)
            running = self._running()
            for summary in finished:
                yield Event(summary, running)
            if not finished:
                yield Event(None, running)

    def stop(self) -> None:
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.stop()

    def _running(self) -> tuple[Any, ...]:
        return tuple(
            read_progress(self._slots, worker.base)
            for worker in self._workers
            if worker.task is not None
        )

    def _collect(self, waiting: deque[ShardTask]) -> list[ShardSummary]:
        """Summaries that came in; dead and stuck workers are replaced, their tasks put back."""
        finished: list[ShardSummary] = []
        busy: dict[Any, int] = {
            worker.connection: index
            for index, worker in enumerate(self._workers)
            if worker.task is not None
        }
        for connection in wait(list(busy), timeout=_POLL_S):
            index = busy.pop(connection)
            worker = self._workers[index]
            try:
                message = worker.connection.recv()
            except (EOFError, ConnectionResetError):
                finished += self._replace(index, waiting, is_stuck=False)
                continue
            if isinstance(message, Exception):
                raise message
            worker.task = None
            finished.append(message)
        for index in busy.values():
            if self._workers[index].watch.overdue_s() > _GRACE_S:
                finished += self._replace(index, waiting, is_stuck=True)
        return finished

    def _replace(
        self, index: int, waiting: deque[ShardTask], *, is_stuck: bool
    ) -> list[ShardSummary]:
        """A new worker for one that is stuck or dead; its task is put back, or given up."""
        worker = self._workers[index]
        task = worker.task
        worker.kill()
        exit_code = worker.process.exitcode
        since, ordinal, n_samples = (
            self._slots[worker.base + place] for place in (SINCE, ORDINAL, N_SAMPLES)
        )
        self._workers[index] = _Worker(self._plan, self._store, self._slots, index)
        if task is None:
            return []
        if exit_code == _BUS_ERROR and not task.is_unmappable:
            waiting.appendleft(replace(task, is_unmappable=True))
            return []
        if not since:
            return self._after_death(task, waiting, exit_code)
        if not n_samples:
            waiting.appendleft(replace(task, skips_thumbnails=True))
            return []
        if n_samples > 1:
            waiting.appendleft(replace(task, one_by_one=True))
            return []
        status: Status = "timeout" if is_stuck else "decode_error"
        reason = (
            f"took more than {self._plan.image_timeout_s:g} s"
            if is_stuck
            else f"brought the process down (exit code {exit_code})"
        )
        if len(task.doomed) >= MAX_DOOMED:
            reason = f"{MAX_DOOMED} of its images hung or killed a worker; the last one {reason}"
            return [give_up(Job.prepare(self._plan, self._store), task, reason)]
        waiting.appendleft(task.without(int(ordinal), status, reason))
        return []

    def _after_death(
        self, task: ShardTask, waiting: deque[ShardTask], exit_code: int | None
    ) -> list[ShardSummary]:
        """Put back the task of a worker that died outside any image, at most three times."""
        name = task.shard.name
        self._deaths[name] = self._deaths.get(name, 0) + 1
        if self._deaths[name] < MAX_WORKER_DEATHS:
            waiting.append(task)
            return []
        reason = (
            f"the worker died {MAX_WORKER_DEATHS} times (exit code {exit_code}; out of memory?)"
        )
        return [give_up(Job.prepare(self._plan, self._store), task, reason)]


def _work(plan: Plan, store: Store, connection: Connection, slots: Any, base: int) -> None:
    """A worker's life: prepare once, then one shard at a time until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    parent = os.getppid()
    job = Job.prepare(plan, store, maps=True)
    watch = Watch(slots, plan.image_timeout_s, base=base)
    try:
        while os.getppid() == parent:
            _scan_next(job, watch, connection)
    except (EOFError, OSError):
        return
    finally:
        # Nothing is half written any more, and an exception on the way out would be printed.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _scan_next(job: Job, watch: Watch, connection: Connection) -> None:
    """One shard from the parent's hand; EOFError or OSError once nobody is there."""
    task = connection.recv()
    try:
        connection.send(scan_shard(job, task, watch))
    except StoreError as error:
        connection.send(error)


def _leave(number: int, frame: FrameType | None) -> None:
    """End by an exception, so that files being written are cleared away."""
    raise SystemExit(128 + number)


def default_workers() -> int:
    """Processors this process may use."""
    return (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
