"""img2dataset: what a store drops is not fetched, and what is fetched is looked at.

    madaudit.hooks.img2dataset.Keep(store).download(url_list="urls.parquet", output_folder="out")
    madaudit.hooks.img2dataset.download(plan, policy, url_list="urls.parquet", output_folder="out")

A download is the only moment at which an image's original metadata exists. img2dataset has no
hook: its `download` builds a downloader, which is handed URLs; a resizer, which sees the bytes;
and a writer of records. They are wrapped while `download` runs, in its workers as well. A sample
that goes is in no shard, and its record says why: as failed_to_download where its URL was looked
up, as failed_to_resize where the image was looked at. Then each record has a column `provenance`
(JSON).
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

from madaudit.assessment.policy import Policy
from madaudit.errors import RequestError
from madaudit.estimation.combination import Combiner
from madaudit.hooks.base import AuditHook, LookupHook
from madaudit.hooks.live import Finding
from madaudit.hooks.lookup import Unknown
from madaudit.scanning.plan import Plan

try:
    import pyarrow as pa

    # The package hides this module behind a function of its name.
    _main: Any = importlib.import_module("img2dataset.main")
    _downloader: Any = importlib.import_module("img2dataset.downloader")
except ImportError as error:
    raise RequestError(
        "cannot use the hook: the package 'img2dataset' is not installed; run: pip install "
        "img2dataset, best in an environment of its own, since it pins an old webdataset"
    ) from error

#: The column that is added.
COLUMN = "provenance"
_WRITERS = ("WebDatasetSampleWriter", "ParquetSampleWriter", "FilesSampleWriter")


class Keep(LookupHook):
    """Lets no URL be fetched that a store says goes."""

    def __init__(
        self,
        store: str,
        *,
        policy: Policy | str | None = None,
        where: str | None = None,
        unknown: Unknown = "keep",
    ) -> None:
        """Open the store's index by URL, or make one; see `Lookup`."""
        super().__init__(store, policy=policy, where=where, by="url", unknown=unknown)

    def __call__(self, url: str) -> str | None:
        """Why a URL is not fetched, counted; None for one that is."""
        is_kept = self.keeps_record({"url": url})
        return None if is_kept else f"madaudit: {self.ledger.last_reason}"

    def download(self, **options: Any) -> None:
        """`img2dataset.download`, with its options, of the URLs that stay."""
        _download({"Downloader": partial(_DownloaderMaker, self)}, options)


@dataclass(frozen=True)
class _DownloaderMaker:
    """Stands for img2dataset's class Downloader."""

    keep: Keep
    original: Any

    def __call__(self, *arguments: Any, **options: Any) -> _Downloader:
        return _Downloader(self.original(*arguments, **options), self.keep)


@dataclass(frozen=True)
class _Downloader:
    """Downloads shards, each in whichever process it is given to."""

    original: Any
    keep: Keep

    def __call__(self, shard: Any) -> Any:
        fetch, lock = _downloader.download_image_with_retry, Lock()

        def fetch_kept(row: tuple[int, str], **options: Any) -> tuple[Any, ...]:
            number, url = row
            with lock:  # the pool's threads share the counts
                reason = self.keep(url)
            return fetch(row, **options) if reason is None else (number, None, reason)

        _downloader.download_image_with_retry = fetch_kept
        try:
            return self.original(shard)
        finally:
            _downloader.download_image_with_retry = fetch


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
    keep: Keep | None = None,
    **options: Any,
) -> Audit:
    """`img2dataset.download` with an audit of every image.

    Args:
        plan: detectors, their options and the tier.
        policy: or the file of one.
        combiner: a calibration's, for a cut of graded scores.
        keep: what it drops is not fetched; only the rest is looked at.
        options: of `img2dataset.download`.

    Returns:
        The audit, whose `report()` says what was dropped and why.
    """
    audit = Audit(plan, policy, combiner=combiner)
    makers: dict[str, Callable[[Any], Any]] = {
        "Resizer": partial(_ResizerMaker, audit),
        **dict.fromkeys(_WRITERS, partial(_WriterMaker, audit)),
    }
    if keep is not None:
        makers["Downloader"] = partial(_DownloaderMaker, keep)
    _download(makers, options)
    return audit


def _download(makers: Mapping[str, Callable[[Any], Any]], options: dict[str, Any]) -> None:
    """img2dataset's download with some of its classes replaced while it runs."""
    originals = {name: getattr(_main, name) for name in makers}
    try:
        for name, maker in makers.items():
            setattr(_main, name, maker(originals[name]))
        _main.download(**options)
    finally:
        for name, original in originals.items():
            setattr(_main, name, original)
