"""Ray Data: a filter by look-up, and a map that looks at images now.

    dataset = ray.data.read_webdataset(paths, decoder=None, include_paths=True)
    dataset.filter(madaudit.hooks.ray.Keep(store))
    dataset.map_batches(madaudit.hooks.ray.Audit(plan), batch_format="numpy")

A worker on a machine without the store's index makes one there, so keep the store where all
machines see it. `report()` counts what this machine did.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from madaudit.hooks.base import AuditHook, LookupHook
from madaudit.hooks.live import as_sample
from madaudit.shards.grouping import is_image

#: Columns that `Audit` adds.
COLUMNS = ("madaudit_keep", "madaudit_label", "madaudit_says")


class Keep(LookupHook):
    """For `filter`: whether a row stays; for `map_batches`: the kept rows of a batch."""

    def __call__(self, row: dict[str, Any]) -> bool:
        """Whether a row stays.

        Args:
            row: with `__key__`, and `__url__` or `path` of its shard.
        """
        return self.keeps_record(_with_url(row))

    def batch(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The kept rows of a batch of columns."""
        columns = {name: np.asarray(values) for name, values in batch.items()}
        n = len(next(iter(columns.values()), ()))
        kept = [
            place
            for place in range(n)
            if self({name: values[place] for name, values in columns.items() if name in _NAMES})
        ]
        return {name: values[kept] for name, values in columns.items()}


_NAMES = ("__key__", "__url__", "path", "json", "url", "uid")


class Audit(AuditHook):
    """For `map_batches`: the batch with what was found; nothing is dropped."""

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        name = next(name for name in batch if is_image(name) or name == "bytes")
        findings = self.examiner.examine_all(
            [as_sample(place, image) for place, image in enumerate(batch[name])]
        )
        found = [[one.keeps, one.label or "", one.says or ""] for one in findings]
        added = zip(COLUMNS, zip(*found, strict=True), strict=True) if found else ()
        return {**batch, **{column: np.array(values) for column, values in added}}


def _with_url(row: dict[str, Any]) -> dict[str, Any]:
    return row if "__url__" in row else {**row, "__url__": row.get("path", "")}
