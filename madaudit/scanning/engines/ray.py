"""Shards over a Ray cluster: one plain task each, lost ones scanned again.

The address is that of RAY_ADDRESS, or of `address`; without either a cluster on this machine is
started and ended with the scan. Tasks are small and carry no image; each writes its shard's files
itself, so the store and the inputs must be reachable from every node. At most twice as many tasks
as processors are handed to Ray at a time, so a scan of a million shards does not fill its queue.

A task whose worker or node dies begins anew, elsewhere where need be; its marker was not written,
so nothing counts twice. An image that hangs or kills its worker is found as the pool finds it:
tasks tell a small actor, the board, what they are at, the shard is scanned again one sample at a
time, and then without the one to blame, which is one that did it twice.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, NamedTuple

from madaudit.errors import MadauditError, MissingExtraError, OptionError, RequestError

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError as error:
    raise MissingExtraError("run on a cluster", package="ray", extra="ray") from error

from madaudit.limits import MAX_DOOMED, MAX_WORKER_DEATHS
from madaudit.scanning.engines.base import Engine, Event
from madaudit.scanning.plan import Plan
from madaudit.scanning.ray_board import Board, Said
from madaudit.scanning.shard_scan import Job, ShardSummary, give_up, scan_shard
from madaudit.scanning.store import Store
from madaudit.scanning.tasks import ShardTask
from madaudit.scanning.watch import N_SAMPLES, ORDINAL, SINCE, WIDTH, Watch, read_progress
from madaudit.types import Status

_POLL_S = 0.5
# How often a task says what it is at.
_TELL_S = 0.5
# Beyond the limit before a task is ended: its own timer gets to act first, and it must have said.
_GRACE_S = 5.0
# Without a word from a task beyond the limit before it is ended: something holds its interpreter.
_SILENT_S = 60.0
# Tasks handed to Ray for each processor: one that runs and one that waits.
_PER_PROCESSOR = 2


@dataclass(frozen=True)
class RayEngine(Engine):
    """A Ray cluster.

    Attributes:
        workers: processors of a cluster that is started here, ≥ 1; an existing one has its own.
        address: of an existing cluster; "" for RAY_ADDRESS or, without that, one of our own.
    """

    workers: int = 1
    address: str = ""

    name: ClassVar[str] = "ray"

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise OptionError(f"--workers is {self.workers}; at least 1 is needed")

    def run(
        self, plan: Plan, tasks: Sequence[ShardTask], store: Store
    ) -> Generator[Event, None, None]:
        with self._connected():
            yield from _Run(plan, store).run(tasks)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        """A session of Ray; one that is there already is used and left as it is."""
        if ray.is_initialized():
            yield
            return
        address = self.address or os.environ.get("RAY_ADDRESS") or None
        own = {} if address else {"num_cpus": self.workers, "include_dashboard": False}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
        if own:
            # By default Ray's workers run at nice 15 and starve beside anything else that runs
            # here, where the pool's would not: 1.5 times the wall time for the same work.
            os.environ.setdefault("RAY_worker_niceness", "0")
        try:
            ray.init(
                address=address or "local",
                configure_logging=False,
                log_to_driver=False,
                runtime_env={"env_vars": _environment()},
                **own,
            )
        except (ConnectionError, ValueError, RuntimeError, RayError) as error:
            raise RequestError(
                f"cannot reach a Ray cluster at {address or 'this machine'!r}: {error}; allowed: "
                f"RAY_ADDRESS=HOST:PORT of a running one, or none for one of its own"
            ) from error
        try:
            yield
        finally:
            ray.shutdown()


def _environment() -> dict[str, str]:
    """Settings that tasks need as this process has them: where modules lie."""
    path = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": path} if path else {}


class _Handed(NamedTuple):
    """A task in Ray's hands, and its number on the board."""

    task: ShardTask
    number: int


class _Run:
    """One scan, seen from the process that asks for it."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self._plan = plan
        self._recipe = _Recipe(plan, store)
        self._handed: dict[Any, _Handed] = {}
        self._deaths: dict[str, int] = {}
        # Samples at which a worker died once.
        self._blamed: set[tuple[str, int]] = set()
        self._n_handed = 0
        self._most = 1
        self._looked = float("-inf")
        self._said: dict[int, Said] = {}
        self._asked: Any = None
        # It only holds numbers, on the asking process's node, which must live anyway.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        self._board = ray.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote()
        self._scan = ray.remote(_scan_task).options(num_cpus=1, max_retries=0)

    def run(self, tasks: Sequence[ShardTask]) -> Generator[Event, None, None]:
        waiting = deque(tasks)
        n_open = len(tasks)
        try:
            while n_open:
                self._look()
                self._hand_out(waiting)
                finished = self._collect(waiting) + self._end_stuck(waiting)
                n_open -= len(finished)
                running = tuple(read_progress(said.slots, 0) for said in self._said.values())
                for summary in finished:
                    yield Event(summary, running)
                if not finished:
                    yield Event(None, running)
        finally:
            self._stop()

    def _look(self) -> None:
        """Ask twice a second what tasks are at, and how many processors there are now."""
        if time.monotonic() - self._looked < _POLL_S:
            return
        self._most = _PER_PROCESSOR * max(1, int(ray.cluster_resources().get("CPU", 1)))
        # Not waited for: the board's process comes up while the first shards are scanned.
        if self._asked is None:
            self._asked = self._board.read.remote()
        ready, _ = ray.wait([self._asked], timeout=0)
        if ready:
            numbers = {handed.number for handed in self._handed.values()}
            with contextlib.suppress(RayError):
                said = ray.get(self._asked)
                self._said = {number: said[number] for number in numbers & said.keys()}
            self._asked = None
        self._looked = time.monotonic()

    def _hand_out(self, waiting: deque[ShardTask]) -> None:
        while waiting and len(self._handed) < self._most:
            task = waiting.popleft()
            reference = self._scan.remote(self._recipe, task, self._board, self._n_handed)
            self._handed[reference] = _Handed(task, self._n_handed)
            self._n_handed += 1

    def _collect(self, waiting: deque[ShardTask]) -> list[ShardSummary]:
        """Summaries that came in; tasks whose worker or node died are put back."""
        held = list(self._handed)
        ray.wait(held, num_returns=1, timeout=_POLL_S)
        ready, _ = ray.wait(held, num_returns=len(held), timeout=0)
        finished: list[ShardSummary] = []
        for reference in ready:
            handed = self._handed.pop(reference)
            self._said.pop(handed.number, None)
            try:
                finished.append(ray.get(reference))
            except RayTaskError as error:
                # Its own words carry the traceback of the worker.
                raise (error.cause if isinstance(error.cause, MadauditError) else error) from None
            except RayError as error:
                finished += self._after_death(handed, waiting, error)
            self._board.forget.remote(handed.number)
        return finished

    def _end_stuck(self, waiting: deque[ShardTask]) -> list[ShardSummary]:
        """End tasks that are overdue, and put them back."""
        finished: list[ShardSummary] = []
        for reference, handed in list(self._handed.items()):
            said = self._said.get(handed.number)
            if said is None or not self._is_stuck(said):
                continue
            del self._handed[reference], self._said[handed.number]
            ray.cancel(reference, force=True)
            finished += self._put_back(handed.task, said.slots, waiting, is_stuck=True)
        return finished

    def _is_stuck(self, said: Said) -> bool:
        limit_s = self._plan.image_timeout_s * max(1.0, said.slots[N_SAMPLES])
        is_overdue = bool(said.slots[SINCE]) and said.busy_s > limit_s + _GRACE_S
        return is_overdue or said.silent_s > limit_s + _SILENT_S

    def _after_death(
        self, handed: _Handed, waiting: deque[ShardTask], error: RayError
    ) -> list[ShardSummary]:
        """Put back a task whose worker or node died, one sample at a time after three deaths."""
        task = replace(handed.task, is_unmappable=True)  # it may have died of a failing file
        name = task.shard.name
        self._deaths[name] = self._deaths.get(name, 0) + 1
        if self._deaths[name] < MAX_WORKER_DEATHS:
            waiting.append(task)
            return []
        if not task.one_by_one:
            waiting.append(replace(task, one_by_one=True))
            return []
        slots = self._last_words(handed.number)
        if slots is not None and slots[SINCE]:
            place = (name, int(slots[ORDINAL]))
            if place in self._blamed or not slots[N_SAMPLES]:
                return self._put_back(task, slots, waiting, is_stuck=False)
            self._blamed.add(place)
            waiting.append(task)
            return []
        if self._deaths[name] < 2 * MAX_WORKER_DEATHS:
            waiting.append(task)
            return []
        kind = type(error).__name__
        reason = f"the worker died {self._deaths[name]} times ({kind}; out of memory?)"
        return [self._give_up(task, reason)]

    def _last_words(self, number: int) -> list[float] | None:
        with contextlib.suppress(RayError):
            said: dict[int, Said] = ray.get(self._board.read.remote(), timeout=10)
            return said[number].slots if number in said else None
        return None

    def _put_back(
        self, task: ShardTask, slots: list[float], waiting: deque[ShardTask], *, is_stuck: bool
    ) -> list[ShardSummary]:
        """The task again, nearer to the sample that is to blame, or without it."""
        if slots[SINCE] and not slots[N_SAMPLES]:
            waiting.appendleft(replace(task, skips_thumbnails=True))
            return []
        if not task.one_by_one:
            waiting.appendleft(replace(task, one_by_one=True))
            return []
        status: Status = "timeout" if is_stuck else "decode_error"
        limit_s = self._plan.image_timeout_s
        reason = f"took more than {limit_s:g} s" if is_stuck else "brought the process down"
        if len(task.doomed) >= MAX_DOOMED:
            reason = f"{MAX_DOOMED} of its images hung or killed a worker; the last one {reason}"
            return [self._give_up(task, reason)]
        waiting.appendleft(task.without(int(slots[ORDINAL]), status, reason))
        return []

    def _give_up(self, task: ShardTask, reason: str) -> ShardSummary:
        return give_up(Job.prepare(self._plan, self._recipe.store), task, reason)

    def _stop(self) -> None:
        """End what still runs; half-written files count for nothing."""
        for reference in self._handed:
            with contextlib.suppress(RayError, ValueError):
                ray.cancel(reference, force=True)
        with contextlib.suppress(RayError):
            ray.kill(self._board)


@dataclass(frozen=True, eq=False)
class _Recipe:
    """What a job is made from; equal where it makes the same job."""

    plan: Plan
    store: Store

    def __eq__(self, other: object) -> bool:
        return repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


@cache
def _job(recipe: _Recipe) -> Job:
    """The job of a worker, made once: detectors and encoders are loaded for all its shards."""
    return Job.prepare(recipe.plan, recipe.store, maps=True)


class _Slots(list[float]):
    """Slots that tell the board at once, where every sample counts."""

    def __init__(self, board: Any, number: int) -> None:
        super().__init__([0.0] * WIDTH)
        self._board = board
        self._number = number

    def __setitem__(self, place: Any, value: Any) -> None:
        super().__setitem__(place, value)
        if place == SINCE and value:
            with contextlib.suppress(RayError):
                # Waited for, since the sample may take the process down.
                ray.get(self._board.tell.remote(self._number, list(self), 0.0), timeout=10)


def _scan_task(recipe: _Recipe, task: ShardTask, board: Any, number: int) -> ShardSummary:
    """One shard, in a worker of Ray."""
    slots = _Slots(board, number) if task.one_by_one else [0.0] * WIDTH
    done = threading.Event()
    teller = threading.Thread(target=_tell, args=(slots, board, number, done), daemon=True)
    teller.start()
    try:
        job = _job(recipe)
        return scan_shard(job, task, Watch(slots, recipe.plan.image_timeout_s))
    finally:
        done.set()


def _tell(slots: list[float], board: Any, number: int, done: threading.Event) -> None:
    """Say twice a second what the scanning thread is at."""
    while not done.wait(_TELL_S):
        values = list(slots)
        busy_s = time.monotonic() - values[SINCE] if values[SINCE] else 0.0
        with contextlib.suppress(RayError):
            board.tell.remote(number, values, busy_s)
