"""Ways to run many shards: one file per engine; a new one is one file and one line in ENGINES."""

from __future__ import annotations

from typing import cast

from madaudit import registry
from madaudit.errors import MissingExtraError, RequestError
from madaudit.scanning.engines.base import Engine, Event

__all__ = ["ENGINES", "Engine", "Event", "build_engine"]

ENGINES: dict[str, str] = {
    "pool": "madaudit.scanning.engines.pool:PoolEngine",
    "ray": "madaudit.scanning.engines.ray:RayEngine",
    "serial": "madaudit.scanning.engines.serial:SerialEngine",
}


def build_engine(name: str, *, workers: int) -> Engine:
    """An engine by name.

    Args:
        name: "serial", "pool" or "ray".
        workers: processes, ≥ 1; ignored by "serial" and by a Ray cluster that runs already.

    Raises:
        OptionError: no such engine.
        RequestError: the package that it needs is not installed.
    """
    options = {} if name == "serial" else {"workers": workers}
    try:
        return cast(Engine, registry.build("engines", ENGINES, name, options))
    except MissingExtraError as error:
        raise RequestError(str(error)) from error
