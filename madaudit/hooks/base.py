"""What all hooks share: the look-up or the examiner behind them, and their report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from madaudit.assessment.policy import Policy
from madaudit.detectors.provenance.json_text import read_object
from madaudit.estimation.combination import Combiner
from madaudit.hooks.ledger import Ledger
from madaudit.hooks.live import Examiner, Finding
from madaudit.hooks.lookup import Lookup, Question, Unknown
from madaudit.hooks.policy_file import as_policy
from madaudit.hooks.store_index import By
from madaudit.scanning.plan import Plan
from madaudit.shards.grouping import is_image


class Reporting:
    """Says at the end what was dropped and why."""

    ledger: Ledger

    def report(self) -> dict[str, Any]:
        """What was decided so far: kept, dropped, reasons, unknown, ambiguous, failed."""
        return self.ledger.report()

    def __str__(self) -> str:
        return self.ledger.in_words()


class LookupHook(Reporting):
    """A hook that looks samples up in a store; safe to pickle, to fork and to share."""

    def __init__(
        self,
        store: str,
        *,
        policy: Policy | str | None = None,
        where: str | None = None,
        by: By = "key",
        unknown: Unknown = "keep",
    ) -> None:
        """Open the store's index, or make one; see `Question`.

        Args:
            store: folder or URL.
            policy: or the file of one; its cut drops.
            where: SQL of the rows to keep. With neither, marked samples go.
            by: what samples are known by: "key" (with its shard), "uid" or "url".
            unknown: "keep" or "drop" samples that the store does not know.
        """
        self.lookup = Lookup(store, Question(as_policy(policy), where, by, unknown))
        self.ledger = self.lookup.ledger
        self._by = by

    def keeps_record(self, sample: Mapping[str, Any]) -> bool:
        """Whether a webdataset-shaped sample stays; it never raises.

        Args:
            sample: with `__key__` and `__url__`, or `by`'s column, also inside `json`.
        """
        try:
            if self._by == "key":
                lookup = self.lookup
                return lookup.keeps(lookup.namespaces[sample["__url__"]], sample["__key__"])
            return self.lookup.keeps(self.lookup.namespaces[""], self._name(sample))
        except Exception:  # noqa: BLE001 — a hook must not end a training run over one sample
            return self.keeps_failed()

    def keeps_failed(self) -> bool:
        """A sample on which the hook failed stays, and is counted."""
        self.ledger.note_failed()
        self.ledger.keep()
        return True

    def _name(self, sample: Mapping[str, Any]) -> str | None:
        record = sample.get("json", sample)
        if isinstance(record, (bytes, str)):
            text = record if isinstance(record, str) else record.decode("utf-8", "replace")
            record = read_object(text) or {}
        name: str | None = record.get(self._by)
        return name.lower() if self._by == "uid" and name else name


class AuditHook(Reporting):
    """A hook that looks at images as they come."""

    def __init__(
        self, plan: Plan, policy: Policy | str | None = None, *, combiner: Combiner | None = None
    ) -> None:
        """Make the plan's detectors ready; see `Examiner`."""
        self.examiner = Examiner(plan, policy, combiner=combiner)
        self.ledger = self.examiner.ledger

    def finding(self, sample: Mapping[str, Any]) -> Finding:
        """What is found in a webdataset-shaped sample, counted; it never raises.

        Args:
            sample: with one image's bytes under its extension, before anything decodes it.
        """
        image = next((data for name, data in sample.items() if is_image(name)), None)
        return self.examiner.examine(image, key=str(sample.get("__key__", "")))
