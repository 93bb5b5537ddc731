"""Clean shards written by several processes: the bytes are those that one process writes.

Each process has a pipe of its own and ends when that closes, however its parent came to its end.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import sys
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait

from madaudit.commands.clean_shard import CleanShard, Inputs, Written, write_clean_shard
from madaudit.errors import MadauditError, StoreError
from madaudit.scanning.store import Store

# Time for a process to clear away its half-written file before it is killed.
_STOP_S = 2.0


def write_all(
    shards: Iterable[CleanShard], out: Store, inputs: Inputs, n_workers: int
) -> Iterator[Written]:
    """Write clean shards, at most one at a time in each process, and tell of each as it ends.

    Raises:
        StoreError: the folder cannot be written.
    """
    if n_workers == 1:
        for shard in shards:
            yield write_clean_shard(out, shard, inputs)
        return
    workers = [_Worker(out, inputs) for _ in range(n_workers)]
    try:
        for shard in shards:
            idle = next((worker for worker in workers if worker.writes is None), None)
            if idle is None:
                idle, written = _next_done(workers)
                yield written
            idle.give(shard)
        while any(worker.writes is not None for worker in workers):
            yield _next_done(workers)[1]
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """A process and what it is at; begun anew where it died."""

    def __init__(self, out: Store, inputs: Inputs) -> None:
        self._job = out, inputs
        self.writes: str | None = None
        self._start()

    def give(self, shard: CleanShard) -> None:
        """Hand over a shard."""
        self.writes = shard.name
        with contextlib.suppress(BrokenPipeError):  # its end shows when it is waited for
            self.connection.send(shard)

    def take(self) -> Written:
        """What became of the shard that it is at.

        Raises:
            StoreError: the folder cannot be written.
        """
        name, self.writes = self.writes or "", None
        try:
            said = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            code = self._process.exitcode
            self.connection.close()
            self._start()
            return Written(name, f"the process that wrote it ended with code {code}")
        if isinstance(said, MadauditError):
            raise said
        return Written(*said)

    def stop(self) -> None:
        """End it, gently where it lets us."""
        self.connection.close()
        if self.writes is not None:
            self._process.terminate()
        self._process.join(_STOP_S)
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, *self._job), daemon=True)
        self._process.start()
        theirs.close()


def _next_done(workers: list[_Worker]) -> tuple[_Worker, Written]:
    ready = wait([worker.connection for worker in workers if worker.writes is not None])
    worker = next(one for one in workers if one.connection in ready)
    return worker, worker.take()


def _work(connection: Connection, out: Store, inputs: Inputs) -> None:
    """Write what comes through the pipe until that closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leaves no half-written file
    while True:
        try:
            shard: CleanShard = connection.recv()
        except (EOFError, ConnectionResetError):
            return
        try:
            said: Written | MadauditError = write_clean_shard(out, shard, inputs)
        except StoreError as error:
            said = error
        try:
            connection.send(said)
        except (BrokenPipeError, ConnectionResetError):
            return
