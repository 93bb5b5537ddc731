"""One row per sample: columns gathered in lists, turned into Arrow a row group at a time."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from madaudit.detectors import Detector
from madaudit.limits import MAX_COLUMN_CHARS
from madaudit.scanning.batches import Prepared
from madaudit.types import STATES, STATUSES, Evidence, Sidecar, can_hit

ROW_GROUP = 8192
_CATEGORY = pa.dictionary(pa.int8(), pa.string())
_COLUMNS: tuple[tuple[str, pa.DataType], ...] = (
    ("shard", pa.dictionary(pa.int32(), pa.string())),
    ("ordinal", pa.int64()),
    ("key", pa.string()),
    ("offset", pa.int64()),
    ("size", pa.int64()),
    ("uid", pa.string()),
    ("url", pa.string()),
    ("caption", pa.string()),
    ("sha256", pa.string()),
    ("status", _CATEGORY),
    ("error", pa.string()),
    ("width", pa.int64()),
    ("height", pa.int64()),
    ("format", pa.string()),
    ("reencoded", pa.bool_()),
    ("weight", pa.float64()),
    ("content_digest", pa.string()),
    ("perceptual_hash", pa.uint64()),
)
_NO_KEYS = (None, None)
_STATE_CODES = {state: code for code, state in enumerate(STATES)}
_STATUS_CODES = {status: code for code, status in enumerate(STATUSES)}


def schema(detectors: Sequence[Detector]) -> pa.Schema:
    """Columns of a store's rows."""
    fields = list(_COLUMNS)
    for detector in detectors:
        fields += [
            (f"{detector.name}_state", _CATEGORY),
            (f"{detector.name}_score", pa.float32()),
            (f"{detector.name}_detail", pa.string()),
        ]
    return pa.schema(fields)


def column_types(names: Sequence[str] | None) -> dict[str, pa.DataType]:
    """Types of a store's columns by name; of all that every store has where none are named."""
    known = dict(_COLUMNS)
    parts = {"state": _CATEGORY, "score": pa.float32(), "detail": pa.string()}
    return {
        name: known[name] if name in known else parts.get(name.rpartition("_")[2], pa.string())
        for name in (known if names is None else names)
    }


class RowBuffer:
    """Rows of one shard on their way to a Parquet file.

    Attributes:
        status: rows by status.
        states: detector to rows by state.
        n_rows, n_hits: so far.
    """

    def __init__(self, shard: str, detectors: Sequence[Detector]) -> None:
        self._shard = shard
        self._names = [detector.name for detector in detectors]
        self.schema = schema(detectors)
        self.status: Counter[str] = Counter()
        self.states: dict[str, Counter[str]] = {name: Counter() for name in self._names}
        self.n_rows = 0
        self.n_hits = 0
        self._clear()

    def __len__(self) -> int:
        return len(self._rows)

    def categories(self) -> list[str]:
        """Columns of few values."""
        kinds = {column.name: column.type for column in self.schema}
        return ["format", *(n for n, kind in kinds.items() if pa.types.is_dictionary(kind))]

    def add(self, prepared: Prepared, evidence: dict[str, list[Evidence]], weight: float) -> None:
        """Append a batch with its evidence."""
        for look, verdict in zip(prepared.batch.looks, prepared.verdicts, strict=True):
            sample, container = look.sample, verdict.container
            side, key, error = sample.sidecar, sample.key, verdict.error
            reencoded = side.reencoded
            width, height, name = side.width, side.height, None
            if container is not None:
                width, height, name = container.width, container.height, container.format
                if container.blocks:
                    reencoded = False
            if _n_chars(key, side, error) > MAX_COLUMN_CHARS:
                # At once: rows wait in thousands, and each may bring megabytes.
                uid, url, caption, sha256 = (_cut(text) for text in side[:4])
                side = Sidecar(uid, url, caption, sha256)
                key, error = key[:MAX_COLUMN_CHARS], _cut(error)
            self._rows.append(
                (
                    sample.ordinal,
                    key,
                    sample.offset,
                    sample.size,
                    side.uid,
                    side.url,
                    side.caption,
                    side.sha256,
                    verdict.status,
                    error,
                    width,
                    height,
                    name,
                    reencoded,
                    weight,
                    *(verdict.keys or _NO_KEYS),
                )
            )
        for name in self._names:
            self._evidence[name] += evidence[name]

    def take(self) -> pa.RecordBatch:
        """The gathered rows as Arrow, counted; the buffer is empty afterwards."""
        n = len(self._rows)
        columns = list(zip(*self._rows, strict=True)) if n else [()] * (len(_COLUMNS) - 1)
        arrays: list[pa.Array] = [
            pa.DictionaryArray.from_arrays(np.zeros(n, dtype=np.int32), [self._shard])
        ]
        for (name, kind), values in zip(_COLUMNS[1:], columns, strict=True):
            if name == "status":
                self.status.update(values)
                arrays.append(_category(values, _STATUS_CODES, STATUSES))
            elif kind == pa.string():
                arrays.append(_strings(values))
            else:
                arrays.append(pa.array(values, kind))
        hit_rows: set[int] = set()
        for name in self._names:
            arrays += self._evidence_columns(name, hit_rows)
        self.n_rows += n
        self.n_hits += len(hit_rows)
        self._clear()
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _evidence_columns(self, name: str, hit_rows: set[int]) -> list[pa.Array]:
        """State, score and detail of one detector."""
        evidence = self._evidence[name]
        n = len(evidence)
        if n and evidence.count(evidence[0]) == n and evidence[0].detail is None:
            return self._same_evidence(name, evidence[0], n)
        states = [item.state for item in evidence]
        self.states[name].update(states)
        said = [index for index, item in enumerate(evidence) if item.detail is not None]
        details: pa.Array = pa.nulls(n, pa.string())
        if said:
            texts: list[str | None] = [None] * n
            for index in said:
                texts[index] = detail_json(evidence[index])
            details = _strings(texts)
            if can_hit(name):
                hit_rows.update(index for index in said if evidence[index].is_hit)
        scores = np.fromiter((item.score for item in evidence), dtype=np.float32, count=n)
        missing = np.isnan(scores)
        column = pa.nulls(n, pa.float32()) if missing.all() else pa.array(scores, mask=missing)
        return [_category(states, _STATE_CODES, STATES), column, details]

    def _same_evidence(self, name: str, item: Evidence, n: int) -> list[pa.Array]:
        """The columns of a detector that says one thing of all rows, as marks do of metadata."""
        self.states[name][item.state] += n
        codes = np.full(n, _STATE_CODES[item.state], dtype=np.int8)
        score = None if math.isnan(item.score) else item.score
        return [
            pa.DictionaryArray.from_arrays(codes, list(STATES)),
            pa.repeat(pa.scalar(score, pa.float32()), n),
            pa.nulls(n, pa.string()),
        ]

    def _clear(self) -> None:
        self._rows: list[tuple[Any, ...]] = []
        self._evidence: dict[str, list[Evidence]] = {name: [] for name in self._names}


def detail_json(evidence: Evidence) -> str:
    """A detail as the JSON text that the store keeps."""
    content = {} if evidence.detail is None else evidence.detail.to_dict()
    try:
        return orjson.dumps(content).decode()
    except TypeError:
        # Half a surrogate pair, or a number beyond 64 bits, in the detail of a stranger's plug-in.
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _category(
    values: Sequence[str], codes: dict[Any, int], names: Sequence[str]
) -> pa.DictionaryArray:
    indices = np.fromiter((codes[value] for value in values), dtype=np.int8, count=len(values))
    return pa.DictionaryArray.from_arrays(indices, list(names))


def _n_chars(key: str, side: Sidecar, error: str | None) -> int:
    n_chars = len(key) + len(side.url or "") + len(side.caption or "")
    return n_chars + len(side.uid or "") + len(side.sha256 or "") + len(error or "")


def _cut(text: str | None) -> str | None:
    return text if text is None else text[:MAX_COLUMN_CHARS]


def _strings(values: Sequence[str | None]) -> pa.Array:
    """Text as Arrow; half characters that JSON can smuggle in become question marks."""
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        clean = [value and value.encode("utf-8", "replace").decode() for value in values]
        return pa.array(clean, pa.string())
