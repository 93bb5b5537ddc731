"""What every engine promises: the rows of `serial`, bit for bit, at any number of workers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from madaudit.contracts.base import BrokenPromise
from madaudit.contracts.engines import (
    CHECKS,
    EngineCase,
    every_task_ends_in_one_summary,
    rows_equal_those_of_serial,
)
from madaudit.scanning.engines import ENGINES, Event, build_engine
from madaudit.scanning.engines.serial import SerialEngine
from madaudit.scanning.plan import Plan
from madaudit.scanning.store import Store
from madaudit.scanning.tasks import ShardTask
from tests.contracts.promises import promise_of

Events = Generator[Event, None, None]
# Those that run on a package of their own are tested where that is installed; the pool's processes
# take a second each to start.
_MARKS = {"ray": (pytest.mark.ray,), "pool": (pytest.mark.slow,)}
_ENGINES = [pytest.param(name, marks=_MARKS.get(name, ())) for name in ENGINES]


@pytest.fixture(autouse=True)
def package(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an engine needs besides ourselves."""
    if request.node.get_closest_marker("ray"):
        pytest.importorskip("ray", reason="ray (extra ray) is not installed")
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.mark.parametrize("check", CHECKS, ids=promise_of)
@pytest.mark.parametrize("engine", _ENGINES)
def test_it_keeps_the_contract(
    check: Callable[[EngineCase], None], engine: str, tmp_path: Path
) -> None:
    check(EngineCase(engine, lambda workers: build_engine(engine, workers=workers), tmp_path))


def test_an_engine_that_loses_a_shard_breaks_the_contract(tmp_path: Path) -> None:
    class Loses(SerialEngine):
        def run(self, plan: Plan, tasks: Sequence[ShardTask], store: Store) -> Events:
            return super().run(plan, tasks[1:], store)

    case = EngineCase("serial", lambda workers: Loses(), tmp_path)
    for check in (rows_equal_those_of_serial, every_task_ends_in_one_summary):
        with pytest.raises(BrokenPromise):
            check(case)
