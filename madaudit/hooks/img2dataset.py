"""img2dataset: look at what is downloaded, the only moment at which original metadata exists.

    madaudit.hooks.img2dataset.download(plan, policy, url_list="urls.parquet", output_folder="out")

img2dataset has no hook: its `download` builds a resizer, which sees the downloaded bytes, and
hands records to a writer. Both are wrapped while `download` runs, in its workers as well; each
record gets a column `provenance` (JSON). A sample that goes is recorded as failed_to_resize, with
the reason as its error message, and is in no shard.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from madaudit.assessment.policy import Policy
from madaudit.errors import RequestError
from madaudit.estimation.combination import Combiner
from madaudit.hooks.base import AuditHook
from madaudit.hooks.live import Finding
from madaudit.scanning.plan import Plan

try:
    import pyarrow as pa

    # The package hides this module behind a function of its name.
    _main: Any = importlib.import_module("img2dataset.main")
except ImportError as error:
    raise RequestError(
        "cannot use the hook: the package 'img2dataset' is not installed; run: pip install "
        "img2dataset, best in an environment of its own, since it pins an old webdataset"
    ) from error

#: The column that is added.
COLUMN = "provenance"
_WRITERS = ("WebDatasetSampleWriter", "ParquetSampleWriter", "FilesSampleWriter")


class Audit(AuditHook):
    """Wraps a resizer: looks at the bytes, then delegates."""

    def __init__(
        self,
        plan: Plan,
        policy: Policy | str | None = None,
        *,
        combiner: Combiner | None = None,
        resizer: Any = None,
    ) -> None:
        super().__init__(plan, policy, combiner=combiner)
        self._resizer = resizer
        #: Of the image that the resizer was given last; the writer takes it.
        self.last: Finding | None = None

    def __call__(self, img_stream: Any, blurring_bbox_list: Any = None) -> tuple[Any, ...]:
        """What the resizer returns, or an error in words for a sample that goes."""
        img_stream.seek(0)
        self.last = self.examiner.examine(img_stream.read())
        if not self.last.keeps:
            return None, None, None, None, None, f"madaudit: {self.last.says}"
        img_stream.seek(0)
        result: tuple[Any, ...] = self._resizer(img_stream, blurring_bbox_list)
        return result


@dataclass(frozen=True)
class _ResizerMaker:
    """Stands for img2dataset's class Resizer."""

    audit: Audit
    original: Any

    def __call__(self, *arguments: Any, **options: Any) -> Audit:
        self.audit._resizer = self.original(*arguments, **options)  # noqa: SLF001 — its own part
        return self.audit


@dataclass(frozen=True)
class _WriterMaker:
    """Stands for a writer class of img2dataset; its writers add the column."""

    audit: Audit
    original: Any

    def __call__(self, *arguments: Any) -> _Writer:
        # Shard number, folder, caption, width of numbers, schema, encoding.
        taken = list(arguments)
        taken[4] = taken[4].append(pa.field(COLUMN, pa.string()))
        return _Writer(self.original(*taken), self.audit)


class _Writer:
    def __init__(self, original: Any, audit: Audit) -> None:
        self._original = original
        self._audit = audit

    def write(self, img_str: Any, key: str, caption: Any, meta: Mapping[str, Any]) -> None:
        """Write a record with what was found in its image."""
        found, self._audit.last = self._audit.last, None
        provenance = None if found is None else json.dumps(found.to_dict())
        self._original.write(img_str, key, caption, {**meta, COLUMN: provenance})

    def close(self) -> None:
        self._original.close()


def download(
    plan: Plan,
    policy: Policy | str | None = None,
    *,
    combiner: Combiner | None = None,
    **options: Any,
) -> Audit:
    """`img2dataset.download` with an audit of every image.

    Args:
        plan: detectors, their options and the tier.
        policy: or the file of one.
        combiner: a calibration's, for a cut of graded scores.
        options: of `img2dataset.download`.

    Returns:
        The audit, whose `report()` says what was dropped and why.
    """
    audit = Audit(plan, policy, combiner=combiner)
    replaced = {name: getattr(_main, name) for name in ("Resizer", *_WRITERS)}
    try:
        _main.Resizer = _ResizerMaker(audit, replaced["Resizer"])
        for name in _WRITERS:
            setattr(_main, name, _WriterMaker(audit, replaced[name]))
        _main.download(**options)
    finally:
        for name, original in replaced.items():
            setattr(_main, name, original)
    return audit
