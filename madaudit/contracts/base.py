"""A contract: named checks, each run by itself."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from typing import Any


class BrokenPromise(Exception):  # noqa: N818 — a finding about a plug-in, not an error of ours
    """A plug-in does not do what its family promises; the text says what was seen."""


@dataclass(frozen=True)
class Checked:
    """What one check came to.

    Attributes:
        promise: the check's name as a sentence.
        problem: what was seen instead; None where the promise holds.
    """

    promise: str
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"promise": self.promise, "holds": self.problem is None, "problem": self.problem}


def require(holds: bool, problem: str) -> None:
    """Raise what was seen where a promise does not hold."""
    if not holds:
        raise BrokenPromise(problem)


def sent_to_a_worker(plugin: Any) -> Any:
    """The copy that a worker process would get."""
    return ForkingPickler.loads(ForkingPickler.dumps(plugin))


def run_checks(checks: Iterable[Callable[[], None]], names: Iterable[str]) -> list[Checked]:
    """Run each check; what a plug-in raises is its own broken promise."""
    return [_run(check, name.replace("_", " ")) for check, name in zip(checks, names, strict=True)]


def _run(check: Callable[[], None], promise: str) -> Checked:
    try:
        check()
    except BrokenPromise as problem:
        return Checked(promise, str(problem))
    except Exception as error:  # noqa: BLE001 — a stranger's code may raise anything
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{place.filename.rpartition('/')[2]}, line {place.lineno}"
        return Checked(promise, f"it raised {type(error).__name__}: {str(error)[:300]} ({where})")
    return Checked(promise)
