"""Half-written files of a local store: how they are named, and clearing away those of the dead."""

from __future__ import annotations

import os
import platform

_ENDING = ".partial"
_HOST = platform.node().replace(".", "-") or "here"


def partial_path(target: str) -> str:
    """Where this process writes a file until it is whole: beside it, by host and process."""
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{name}.{_HOST}.{os.getpid()}{_ENDING}")


def sweep(folder: str) -> None:
    """Delete those of writers on this machine that are gone; another machine's are left alone."""
    for place, _, names in os.walk(folder):
        for name in names:
            if name.endswith(_ENDING) and _is_orphan(name):
                os.unlink(os.path.join(place, name))


def _is_orphan(name: str) -> bool:
    """Whether the writer of a half-written file ran here and runs no longer."""
    host, _, process = name.removesuffix(_ENDING).rpartition(".")
    if not host.endswith(f".{_HOST}") or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
