"""Decisions inside other people's pipelines: one file per host, its package loaded on use.

Each host's module has `Keep(store, *, policy=None, where=None)`, which looks up what a store
says, and, where the host hands over images, `Audit(plan, policy)`, which looks at them now. A
hook keeps what it does not know and never raises on a bad sample; what it dropped, and why, is in
its `report()`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from madaudit.hooks.monitor import Monitor as Monitor

#: Hosts to the modules that serve them; a new one is one file and one line here.
HOOKS: dict[str, str] = {
    "datatrove": "madaudit.hooks.datatrove",
    "huggingface": "madaudit.hooks.huggingface",
    "img2dataset": "madaudit.hooks.img2dataset",
    "ray": "madaudit.hooks.ray",
    "torch": "madaudit.hooks.torch",
    "webdataset": "madaudit.hooks.webdataset",
}
__all__ = ["HOOKS", "Monitor"]


def __getattr__(name: str) -> Any:
    """Loaded on use: a host's module, and the monitor, which needs scipy."""
    if name in HOOKS:
        return importlib.import_module(HOOKS[name])
    if name == "Monitor":
        return importlib.import_module("madaudit.hooks.monitor").Monitor
    raise AttributeError(f"module 'madaudit.hooks' has no attribute {name!r}")
