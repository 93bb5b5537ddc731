"""Tasks over several processes, their results in the order of the tasks."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from madaudit.errors import StoreError

Task = TypeVar("Task")
Result = TypeVar("Result")

# Tasks handed out for each process, so that none waits and few results lie about.
_AHEAD = 3


def in_order(
    function: Callable[[Task], Result], tasks: Iterable[Task], *, workers: int
) -> Iterator[Result]:
    """Results of all tasks, in their order, whatever the number of processes.

    Args:
        function: of one task; it, its tasks and results are pickled where there is more than
            one process.
        tasks: taken from it as they are handed out.
        workers: processes, ≥ 1.

    Raises:
        StoreError: a process was killed, most likely for want of memory.
    """
    if workers <= 1:
        yield from map(function, tasks)
        return
    context = multiprocessing.get_context("spawn")
    coming = iter(tasks)
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        open_ones: deque[Future[Result]] = deque()
        try:
            for task in islice(coming, workers * _AHEAD):
                open_ones.append(pool.submit(function, task))
            while open_ones:
                yield open_ones.popleft().result()
                for task in islice(coming, 1):
                    open_ones.append(pool.submit(function, task))
        except BrokenProcessPool as error:
            raise StoreError(
                "a process that read the store was killed, most likely for want of memory; give "
                "--workers 1"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
