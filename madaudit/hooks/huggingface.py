"""Hugging Face datasets: `dataset.filter(Keep(store), input_columns=[…])`, nothing decoded.

    keep = madaudit.hooks.huggingface.Keep(store)
    dataset.filter(keep, input_columns=["__key__", "__url__"])        # webdataset shards
    dataset.filter(keep, input_columns=["url"])                       # Keep(store, by="url")
    dataset.filter(keep, batched=True, with_indices=True, input_columns=[])   # of this split

With `num_proc` the object is pickled to the workers. The cache of `datasets` knows a call by its
fingerprint: pass `new_fingerprint=keep.fingerprint(dataset)` to have it found again.
"""

from __future__ import annotations

import hashlib
from typing import Any

from madaudit.hooks.base import AuditHook, LookupHook


class Keep(LookupHook):
    """A filter function over the columns that name a sample; batched or not."""

    def __call__(self, *values: Any) -> Any:
        """Whether a sample stays, or each of a batch.

        Args:
            values: key and URL of its shard; or what `by` names; the index, where it comes, is
                last and stands before both.
        """
        if values and isinstance(values[0], list):
            return [self._keeps(*one) for one in zip(*values, strict=True)]
        return self._keeps(*values)

    def fingerprint(self, dataset: Any) -> str:
        """What the result depends on, for `new_fingerprint`; the same in every process."""
        parts = [str(dataset._fingerprint), self.lookup.fingerprint, self._by]  # noqa: SLF001
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def _keeps(self, *values: Any) -> bool:
        try:
            if isinstance(values[-1], int):
                return self.lookup.keeps_row(values[-1])
            if self._by != "key":
                name = values[0].lower() if self._by == "uid" and values[0] else values[0]
                return self.lookup.keeps(self.lookup.namespaces[""], name)
            return self.lookup.keeps(self.lookup.namespaces[values[1]], values[0])
        except Exception:  # noqa: BLE001 — a hook must not end a run over one sample
            return self.keeps_failed()


class Audit(AuditHook):
    """A filter function over one undecoded image column: `Image(decode=False)`."""

    def __call__(self, image: Any) -> Any:
        """Whether a sample stays, or each of a batch; images are {"bytes": …, "path": …}."""
        if isinstance(image, list):
            return [self._keeps(one) for one in image]
        return self._keeps(image)

    def _keeps(self, image: Any) -> bool:
        data = image.get("bytes") if isinstance(image, dict) else image
        return self.examiner.examine(data).keeps
