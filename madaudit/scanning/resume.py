"""Which shards of a scan are already done, and what must not be mixed in one store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from madaudit.errors import StoreError
from madaudit.scanning.plan import SCHEMA_VERSION
from madaudit.scanning.store import Store, scores_path
from madaudit.scanning.store_faults import manifest_fault
from madaudit.scanning.tasks import ShardTask
from madaudit.types import Shard


class Pending(NamedTuple):
    """What is left of a scan.

    Attributes:
        tasks: to scan now.
        n_skipped: done before by the same plan, on the same input.
        stale: names of those among `tasks` that were done before, by another plan or on another
            input.
    """

    tasks: list[ShardTask]
    n_skipped: int
    stale: list[str]


def find_pending(
    tasks: Sequence[ShardTask], store: Store, fingerprint: str, *, retries_failed: bool
) -> Pending:
    """Split tasks into done and not done.

    A shard is done if its marker carries this plan's fingerprint, the same reader and the input's
    present length and version. One that could not be read at all is done too, as quarantined,
    until its file or its reader changes or `retries_failed`.
    """
    left: list[ShardTask] = []
    stale: list[str] = []
    # What is damaged is no reason to believe that the shard was finished.
    names = [task.shard.name for task in tasks]
    markers = store.markers(names, only_sound=True)
    quarantines = store.quarantines(names, only_sound=True)
    rows = store.listed("scores")
    for task, marker, quarantine in zip(tasks, markers, quarantines, strict=True):
        if retries_failed and quarantine is not None:
            left.append(task)
        elif not _is_over(marker, quarantine, task.shard, fingerprint) or (
            marker is not None and scores_path(task.shard.name) not in rows
        ):
            stale += [task.shard.name] if marker is not None else []
            left.append(task)
    return Pending(left, len(tasks) - len(left), stale)


def _is_over(
    marker: dict[str, Any] | None,
    quarantine: dict[str, Any] | None,
    shard: Shard,
    fingerprint: str,
) -> bool:
    """Whether a shard was finished, or given up, by this plan on this input."""
    if marker is not None:
        seen = marker.get("input", {})
        return (
            marker.get("fingerprint") == fingerprint
            and seen.get("reader") == shard.reader
            and seen.get("size_bytes") == shard.size_bytes
            and seen.get("version") == shard.version
        )
    # Of a shard that was not given up, the marker is lost, or was about to be written.
    return (
        quarantine is not None
        and quarantine.get("given_up") is not False
        and quarantine.get("fingerprint") == fingerprint
        and quarantine.get("version") == shard.version
        and quarantine.get("reader") == shard.reader
    )


def write_manifest(store: Store, content: dict[str, Any]) -> None:
    """Write what the store is made by, unless the same stands there already.

    Raises:
        StoreError: the store holds the scan of another data set.
    """
    before = store.read_json("manifest.json")
    is_sound = isinstance(before, dict) and manifest_fault(before) is None
    if is_sound and before["schema"] == SCHEMA_VERSION:
        if before.get("root") != content["root"]:
            raise StoreError(
                f"cannot scan {content['root']!r} into store {store.url}: it holds the scan of "
                f"{before.get('root')!r}; one store is one data set, so give another -o"
            )
        # As it would be read back: JSON has no tuples.
        as_read = json.loads(json.dumps(content))
        if {**before, "created": as_read["created"]} == as_read:
            return
    store.write_json("manifest.json", content)
