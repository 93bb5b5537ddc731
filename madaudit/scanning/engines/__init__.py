"""Ways to run many shards: one file per engine; a new one is one file and one line in ENGINES."""

from __future__ import annotations

from typing import cast

from madaudit import registry
from madaudit.scanning.engines.base import Engine, Event

__all__ = ["ENGINES", "Engine", "Event", "build_engine"]

ENGINES: dict[str, str] = {
    "pool": "madaudit.scanning.engines.pool:PoolEngine",
    "serial": "madaudit.scanning.engines.serial:SerialEngine",
}


def build_engine(name: str, *, workers: int) -> Engine:
    """An engine by name.

    Args:
        name: "serial" or "pool".
        workers: processes, ≥ 1; ignored by "serial".

    Raises:
        OptionError: no such engine.
    """
    options = {"workers": workers} if name == "pool" else {}
    return cast(Engine, registry.build("engines", ENGINES, name, options))
