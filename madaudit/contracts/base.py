"""A contract: named checks, each run by itself."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from typing import Any, TypeVar

import numpy.typing as npt

#: What a family's checks are given: the plug-in, its name and what to try it on.
Case = TypeVar("Case")


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


def run_checks(checks: Iterable[Callable[[Case], None]], case: Case) -> list[Checked]:
    """Run each check on a plug-in; what that raises is its own broken promise."""
    return [_run(check, case) for check in checks]


def require_same(first: npt.NDArray[Any], second: npt.NDArray[Any], how: str) -> None:
    """Refuse two arrays that differ in any bit of a number."""
    require(first.shape == second.shape, f"shapes {first.shape} and {second.shape}, {how}")
    n_differ = int((first != second).sum())
    require(not n_differ, f"{n_differ} of {first.size} numbers differ, {how}")


def require_frozen(plugin: Any) -> None:
    """Refuse a plug-in whose options are no fields of a frozen dataclass."""
    kind: Any = type(plugin)
    is_frozen = dataclasses.is_dataclass(kind) and getattr(
        getattr(kind, "__dataclass_params__", None), "frozen", False
    )
    require(is_frozen, "give its class @dataclass(frozen=True); its fields are its options")


def require_named(plugin: Any, name: str, *, has_version: bool = True) -> None:
    """Refuse a plug-in that names itself otherwise than the registry, or has no version."""
    require(plugin.name == name, f"name is {plugin.name!r}, it is registered as {name!r}")
    version = getattr(plugin, "version", None)
    is_version = isinstance(version, int) and version >= 1
    require(is_version or not has_version, f"version is {version!r}; it must be a number from 1")


def _run(check: Callable[[Case], None], case: Case) -> Checked:
    promise = check.__name__.replace("_", " ")
    try:
        check(case)
    except BrokenPromise as problem:
        return Checked(promise, str(problem))
    except Exception as error:  # noqa: BLE001 — a stranger's code may raise anything
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{place.filename.rpartition('/')[2]}, line {place.lineno}"
        return Checked(promise, f"it raised {type(error).__name__}: {str(error)[:300]} ({where})")
    return Checked(promise)
