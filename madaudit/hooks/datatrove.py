"""datatrove: a filter over documents, and a reader of webdataset shards.

    LocalPipelineExecutor([WebdatasetReader("shards/"), Keep("store"), JsonlWriter("out/")])

Dropped documents are counted by datatrove as `dropped_<reason>`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from madaudit.assessment.policy import Policy
from madaudit.errors import RequestError
from madaudit.estimation.combination import Combiner
from madaudit.hooks.base import AuditHook, LookupHook
from madaudit.hooks.lookup import Unknown
from madaudit.hooks.store_index import By
from madaudit.scanning.plan import Plan
from madaudit.shards.tar import TarReader
from madaudit.types import Sample, Shard

try:
    from datatrove.data import Document, Media, MediaType
    from datatrove.pipeline.filters.base_filter import BaseFilter
    from datatrove.pipeline.readers.base import BaseDiskReader
except ImportError as error:
    raise RequestError(
        f"cannot use the hook: datatrove cannot be loaded ({error}); "
        f"run: pip install datatrove regex"
    ) from error


class Keep(BaseFilter):
    """Keeps the documents that a store lets stay.

    A document is known by `shard` and `ordinal` in its metadata, as WebdatasetReader leaves them;
    else by its id in its `file_path`, or by `by`'s entry of its metadata.
    """

    name = "madaudit: keep what the store lets stay"

    def __init__(
        self,
        store: str,
        *,
        policy: Policy | str | None = None,
        where: str | None = None,
        by: By = "key",
        unknown: Unknown = "keep",
        exclusion_writer: Any = None,
    ) -> None:
        super().__init__(exclusion_writer)
        self.hook = LookupHook(store, policy=policy, where=where, by=by, unknown=unknown)
        self._by = by

    def filter(self, doc: Any) -> bool | tuple[bool, str]:
        """True to keep, else False with the reason."""
        about, lookup = doc.metadata, self.hook.lookup
        try:
            if self._by != "key":
                is_kept = self.hook.keeps_record(about)
            elif "ordinal" in about:
                is_kept = lookup.keeps_ordinal(about["shard"], about["ordinal"])
            else:
                is_kept = lookup.keeps(lookup.namespaces[about.get("file_path", "")], doc.id)
        except Exception:  # noqa: BLE001 — a hook must not end a run over one sample
            is_kept = self.hook.keeps_failed()
        return is_kept or (False, self.hook.ledger.last_reason)

    def report(self) -> dict[str, Any]:
        return self.hook.report()


class Audit(BaseFilter):
    """Looks at each document's first medium, or at its text, now."""

    name = "madaudit: look for marks"

    def __init__(
        self,
        plan: Plan,
        policy: Policy | str | None = None,
        *,
        combiner: Combiner | None = None,
        exclusion_writer: Any = None,
    ) -> None:
        super().__init__(exclusion_writer)
        self.hook = AuditHook(plan, policy, combiner=combiner)

    def filter(self, doc: Any) -> bool | tuple[bool, str]:
        """True to keep, else False with the detector that found a mark."""
        image = doc.media[0].media_bytes if doc.media else None
        found = self.hook.examiner.examine(image, key=doc.id, text=doc.text or None)
        return found.keeps or (False, found.detector or "score")

    def report(self) -> dict[str, Any]:
        return self.hook.report()


class WebdatasetReader(BaseDiskReader):
    """Samples of tar shards as documents: caption as text, image as medium.

    Metadata: `shard`, `ordinal`, and `url`, `uid`, `status`, `error` where they are known.
    Broken samples come too, with the status that says so.
    """

    name = "madaudit: webdataset"

    def read_file(self, filepath: str) -> Iterator[Any]:
        """The samples of one shard, in order."""
        uri = self.data_folder.resolve_paths(filepath)
        with TarReader().open(Shard(filepath, str(uri), "tar", 0, "")) as source:
            for sample in source.samples():
                yield _document(filepath, sample)


def _document(shard: str, sample: Sample) -> Any:
    side = sample.sidecar
    about = {"url": side.url, "uid": side.uid, "status": sample.status, "error": sample.error}
    media = []
    if sample.image is not None:
        media.append(
            Media(
                id=sample.key,
                type=MediaType.IMAGE,
                url=side.url or "",
                path=shard,
                offset=sample.offset,
                length=sample.size,
                media_bytes=bytes(sample.image),
            )
        )
    return Document(
        text=side.caption or "",
        id=sample.key,
        media=media,
        metadata={
            "shard": shard,
            "ordinal": sample.ordinal,
            **{name: value for name, value in about.items() if value is not None},
        },
    )
