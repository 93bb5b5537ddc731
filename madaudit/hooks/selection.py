"""Which rows of a store are kept and why the others go: what `filter` and every hook ask.

Invariants: the same rule gives the same answer everywhere; a row without a score is kept by a
cut, since nothing is known of it; a row with a mark that says synthetic goes whatever its score.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from madaudit.assessment.policy import Policy
from madaudit.errors import StoreError
from madaudit.hooks.posteriors import Posteriors, Scores
from madaudit.hooks.where import DERIVED, Predicate
from madaudit.scanning.details import Mark, mark_columns, strongest_marks
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey
from madaudit.types import can_hit

KEPT = 0
_SCORE = "score at or above the cut"
_FALSE = "does not match --where"
_NULL = "--where says nothing of it (NULL)"
_UNCOPIED = "cut or unsafe in its shard, so not copied"
_OTHER = (_SCORE, _FALSE, _NULL, _UNCOPIED)


@dataclass(frozen=True)
class Rule:
    """What decides.

    Attributes:
        policy: its cut drops; None for no policy.
        where: SQL of the rows to keep; None for all.
    """

    policy: Policy | None = None
    where: str | None = None

    @property
    def drops_marked(self) -> bool:
        """Whether a mark that says synthetic is enough: by a cut, or where nothing is given."""
        if self.policy is not None:
            return self.policy.cut is not None
        return self.where is None

    @property
    def weighs(self) -> bool:
        """Whether samples get weights."""
        return self.policy is not None and self.policy.real_weight is not None

    def to_dict(self) -> dict[str, Any]:
        """What the answer depends on, for fingerprints."""
        cut = None if self.policy is None else self.policy.cut
        weight = None if self.policy is None else self.policy.real_weight
        return {
            "has_policy": self.policy is not None,
            "cut": cut,
            "calibration": None if self.policy is None else self.policy.calibration,
            "real_weight": weight,
            "where": self.where,
        }


class Decided(NamedTuple):
    """Some rows of one shard with what becomes of them.

    Attributes:
        rows: identity, join keys and what was asked for besides.
        codes: 0 for a kept row, else one more than its reason's place in `reasons`; uint8 (n,).
        marks: row to its strongest mark; empty where marks decide nothing.
        scores: None where the store has no posteriors.
    """

    rows: pa.RecordBatch
    codes: npt.NDArray[np.uint8]
    marks: dict[int, Mark]
    scores: Scores | None

    @property
    def kept(self) -> npt.NDArray[np.int64]:
        """Places of the kept rows."""
        return np.flatnonzero(self.codes == KEPT)


class Selection:
    """A rule applied to a store.

    Attributes:
        store: the rows'.
        survey: of it.
        rule: what decides.
        reasons: why rows go; a row's code is one more than the place.
    """

    def __init__(self, store: Store, rule: Rule) -> None:
        """Check that the store has what the rule asks for.

        Raises:
            StoreError: no store, or no posteriors for the policy's cut.
            OptionError: an expression that is no predicate.
        """
        self.store = store
        self.rule = rule
        self.survey: Survey = store.survey()
        self._detectors = [name for name in self.survey.detectors if can_hit(name)]
        self.reasons = (*(f"marked by {name}" for name in self._detectors), *_OTHER)
        if len(self.reasons) > np.iinfo(np.uint8).max:
            raise StoreError(
                f"store {store.url} has {len(self._detectors)} detectors; 251 at most"
            )
        self.posteriors = self._find_posteriors()
        self._predicate_of_schema: tuple[Predicate, pa.Schema] | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the rule, the store's plan and shards, and the estimate; 64 digits."""
        manifest = self.survey.manifest
        content = {
            "rule": self.rule.to_dict(),
            "plan": manifest["fingerprint"],
            "shards": [[m["shard"], m["n_rows"], m["input"]["sha256"]] for m in self.markers],
            "posteriors": None if self.posteriors is None else self.posteriors.name,
            "estimate": None if self.posteriors is None else self.posteriors.estimate,
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def markers(self) -> list[dict[str, Any]]:
        """Of the finished shards, in the manifest's order."""
        return self.survey.markers

    @cached_property
    def unfinished(self) -> list[str]:
        """Shards of which the store has no rows."""
        done = {marker["shard"] for marker in self.markers}
        return [shard for shard in self.survey.manifest["shards"] if shard not in done]

    def decide(self, shard: str, columns: Sequence[str] = ()) -> Iterator[Decided]:
        """Rows of a shard with what becomes of them, some thousand at a time.

        Args:
            shard: its name.
            columns: of the store, wanted besides `ordinal` and `key`.
        """
        stored = self.store.schema(shard)
        predicate = self._predicate(stored)
        wanted = ["ordinal", "key", *columns]
        needs_verdict = predicate is not None and "verdict" in predicate.columns
        reads_marks = self.rule.drops_marked or needs_verdict or self.rule.weighs
        if reads_marks:
            wanted += mark_columns(self._detectors)
        if predicate is not None:
            wanted += [name for name in predicate.columns if name in stored.names]
        shard_scores = None if self.posteriors is None else self.posteriors.shard(shard)
        for rows in self.store.row_batches(shard, list(dict.fromkeys(wanted))):
            marks: dict[int, Mark] = {}
            if reads_marks:
                marks = strongest_marks(rows, self._detectors)
            scores = None
            if shard_scores is not None:
                scores = shard_scores.at(rows.column("ordinal").to_numpy())
            yield Decided(rows, self._codes(rows, marks, scores, predicate), marks, scores)

    @property
    def uncopied(self) -> int:
        """The code of a row whose sample cannot be copied; only a writer of shards gives it."""
        return self._code(_UNCOPIED)

    def look(self, shard: str) -> Iterator[Decided]:
        """Rows of a shard with their marks and scores, whatever the rule asks for."""
        found = self.any_posteriors
        known = None if found is None else found.shard(shard)
        wanted = ["ordinal", "key", *mark_columns(self._detectors)]
        for rows in self.store.row_batches(shard, wanted):
            marks = strongest_marks(rows, self._detectors)
            scores = None if known is None else known.at(rows.column("ordinal").to_numpy())
            yield Decided(rows, np.zeros(rows.num_rows, dtype=np.uint8), marks, scores)

    @cached_property
    def any_posteriors(self) -> Posteriors | None:
        """The policy's posteriors, or the only ones that the store has; None without any."""
        policy = self.rule.policy
        calibration = None if policy is None else policy.calibration
        return Posteriors.find(self.store, calibration)

    def codes_of(self, shard: str) -> npt.NDArray[np.uint8]:
        """What becomes of each row of a shard (n,)."""
        parts = [decided.codes for decided in self.decide(shard)]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint8)

    def weights(self, decided: Decided) -> npt.NDArray[np.float32]:
        """The policy's weight of each row (n,), beside a synthetic sample of 1, in place of a cut.

        The weight of a row is what it is expected to be by its posterior; a row without one takes
        the data set's share; NaN where that is not known either. Without posteriors a row marked
        as synthetic counts as that and every other one as real.
        """
        policy = self.rule.policy
        real = 1.0 if policy is None or policy.real_weight is None else policy.real_weight
        p_synthetic = np.zeros(len(decided.codes), dtype=np.float32)
        if decided.scores is not None and self.posteriors is not None:
            p_synthetic = decided.scores.p_synthetic.copy()
            p_synthetic[np.isnan(p_synthetic)] = self.posteriors.prevalence
        for index, mark in decided.marks.items():
            if mark.label == "synthetic":
                p_synthetic[index] = 1.0
        weights: npt.NDArray[np.float32] = p_synthetic + (1.0 - p_synthetic) * np.float32(real)
        return weights

    def says(self, decided: Decided, index: int) -> str:
        """Why a row goes, in words."""
        reason = self.reasons[decided.codes[index] - 1]
        if reason == _SCORE and decided.scores is not None and self.rule.policy is not None:
            score = decided.scores.log_ratio[index]
            return f"its log ratio {score:.4g} is at or above the cut {self.rule.policy.cut:g}"
        if reason == _UNCOPIED:
            return _UNCOPIED
        if reason in (_FALSE, _NULL):
            return f"{reason}: {self.rule.where}"
        return str(decided.marks[index].detail.get("says") or reason)

    def _codes(
        self,
        rows: pa.RecordBatch,
        marks: dict[int, Mark],
        scores: Scores | None,
        predicate: Predicate | None,
    ) -> npt.NDArray[np.uint8]:
        """Why each row goes; a mark stands before a score, a score before the expression."""
        codes = np.zeros(rows.num_rows, dtype=np.uint8)
        if predicate is not None:
            table = _with_derived(rows, marks, scores, predicate.columns)
            holds, is_null = predicate.holds(table)
            codes[~holds] = self._code(_FALSE)
            codes[is_null] = self._code(_NULL)
        policy = self.rule.policy
        if policy is not None and policy.cut is not None and scores is not None:
            # A comparison with NaN is false: a row without a score stays.
            codes[scores.log_ratio >= np.float32(policy.cut)] = self._code(_SCORE)
        if self.rule.drops_marked:
            for index, mark in marks.items():
                if mark.label == "synthetic":
                    codes[index] = self._code(f"marked by {mark.detector}")
        return codes

    def _code(self, reason: str) -> int:
        return self.reasons.index(reason) + 1

    def _find_posteriors(self) -> Posteriors | None:
        policy = self.rule.policy
        calibration = None if policy is None else policy.calibration
        found = None
        if self._asks_for_scores:
            found = Posteriors.find(self.store, calibration)
        if found is None and policy is not None and policy.cut is not None:
            raise StoreError(
                f"cannot cut at a score: store {self.store.url} has no posteriors; "
                f"run: madaudit estimate {self.store.url} --calibration DIR"
            )
        return found

    @property
    def _asks_for_scores(self) -> bool:
        policy, where = self.rule.policy, (self.rule.where or "").lower()
        if policy is not None and (policy.cut is not None or self.rule.weighs):
            return True
        return "log_ratio" in where or "p_synthetic" in where

    def _predicate(self, stored: pa.Schema) -> Predicate | None:
        """The expression made ready for a shard's columns; made anew only where these change."""
        if self.rule.where is None:
            return None
        derived = ["verdict"] + ([] if self.posteriors is None else ["log_ratio", "p_synthetic"])
        schema = pa.schema([*stored, *((name, DERIVED[name]) for name in derived)])
        known = self._predicate_of_schema
        if known is None or known[1] != schema:
            known = self._predicate_of_schema = Predicate(self.rule.where, schema), schema
        return known[0]


def _with_derived(
    rows: pa.RecordBatch, marks: dict[int, Mark], scores: Scores | None, names: Sequence[str]
) -> pa.Table:
    """The columns that an expression needs, with those derived from marks and posteriors."""
    columns = {name: rows.column(name) for name in names if name in rows.schema.names}
    if "verdict" in names:
        labels = [
            None if mark is None else mark.label for mark in map(marks.get, range(len(rows)))
        ]
        columns["verdict"] = pa.array(labels, pa.string())
    for name in ("log_ratio", "p_synthetic"):
        if scores is not None and name in names:
            values = getattr(scores, name)
            columns[name] = pa.array(values, mask=np.isnan(values))
    return pa.table({name: columns[name] for name in names})
