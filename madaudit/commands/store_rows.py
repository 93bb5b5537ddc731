"""Rows of a store as arrays of verdicts: what the strongest mark of each sample says."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from madaudit.errors import OptionError, StoreError
from madaudit.estimation.tally import COMPOSITE, NO_MARK, REAL, SYNTHETIC, MarkTally, RowMasks
from madaudit.scanning.details import read_detail
from madaudit.scanning.store import Store
from madaudit.types import LABELS, can_hit

# What a state says of whether a mark was seen.
_ABSENT, _PRESENT = 1, 2
_FLAGS = {"absent": _ABSENT, "present": _PRESENT}
_CODES = {"synthetic": SYNTHETIC, "composite": COMPOSITE, "real": REAL}
_HOST = re.compile(r"^[a-z][a-z0-9+.\-]*://(?:[^/?#@]*@)?([^/?#:]+)", re.IGNORECASE)
# A month after the year keeps sizes, prices and article numbers from being taken for years.
_YEAR = re.compile(r"^[^?#]*[/_-](199[0-9]|20[0-4][0-9])[/_-]?(?:0[1-9]|1[0-2])(?![0-9]{5})[^?#]")
# 65,536 rows: of a few columns each, which is little, and a shard of usual size is one batch.
_GROUPS_AT_ONCE = 8
#: What --by takes besides the store's own columns, and the column that it comes from; clusters are
#: those of `concepts`.
DERIVED = {"domain": "url", "year": "url", "cluster": "ordinal"}


@dataclass(frozen=True)
class MarkRows:
    """Some rows of one shard.

    Attributes:
        rows: the columns asked for.
        details: detector to {row: detail} for rows on which it found something; cues and opt-outs
            are left out, since they are no marks.
        verdicts: NO_MARK, SYNTHETIC, COMPOSITE or REAL per row (n,), int8.
        masks: what else is known of the rows.
    """

    rows: pa.RecordBatch
    details: dict[str, dict[int, dict[str, Any]]]
    verdicts: npt.NDArray[np.int8]
    masks: RowMasks

    def weights(self) -> npt.NDArray[np.float64]:
        weights: npt.NDArray[np.float64] = self.rows.column("weight").to_numpy()
        return weights

    def tally(self, chosen: npt.NDArray[Any] | None = None) -> MarkTally:
        """Counts of these rows, or of the chosen ones (a mask or row numbers)."""
        if chosen is None:
            return MarkTally.count(self.verdicts, self.weights(), self.masks)
        return MarkTally.count(
            self.verdicts[chosen], self.weights()[chosen], self.masks.chosen(chosen)
        )

    def tallies(self, strata: npt.NDArray[np.int64], n_strata: int) -> npt.NDArray[np.float64]:
        """Counts by stratum, a row of `MarkTally.count_by` each."""
        return MarkTally.count_by(strata, n_strata, self.verdicts, self.weights(), self.masks)


def mark_rows(
    store: Store,
    shard: str,
    detectors: Mapping[str, str],
    extra: Sequence[str] = (),
    *,
    silent: Collection[str] = (),
) -> Iterator[MarkRows]:
    """Rows of a shard with their verdicts, some row groups at a time.

    Args:
        store: to read.
        shard: its name.
        detectors: name of each that ran to where it looks ("metadata", "pixels" or "text"); cues
            and opt-outs among them are passed over.
        extra: further columns to keep.
        silent: detectors that found nothing in this shard, by its marker; their details are not
            read.

    Raises:
        StoreError: rows are missing or damaged, or say more than the marker.
    """
    columns = ["ordinal", "weight", "status", "reencoded", *extra]
    marks = {name: place for name, place in detectors.items() if can_hit(name)}
    if {"metadata", "text"} <= set(marks.values()):
        columns += ["size", "format"]  # which tell documents from images
    for name in marks:
        columns.append(f"{name}_state")
        if name not in silent:
            columns.append(f"{name}_detail")
    wanted = list(dict.fromkeys(columns))
    for rows in store.row_batches(shard, wanted, groups_at_once=_GROUPS_AT_ONCE):
        found = {name: _flags(rows.column(f"{name}_state")) for name in marks}
        for name in silent:
            if name in marks and (found[name] == _PRESENT).any():
                raise StoreError(
                    f"cannot use shards/{shard}.json of store {store.url}: it says that {name} "
                    f"found nothing, and rows say otherwise; delete the file and scan again"
                )
        yield _judge(rows, marks, found, silent)


def _judge(
    rows: pa.RecordBatch,
    detectors: Mapping[str, str],
    found: Mapping[str, npt.NDArray[np.int8]],
    silent: Collection[str],
) -> MarkRows:
    n = rows.num_rows
    verdicts = np.full(n, len(LABELS), dtype=np.int8)
    validated = np.zeros(n, dtype=bool)
    seen_by: dict[str, npt.NDArray[np.bool_]] = {}
    details: dict[str, dict[int, dict[str, Any]]] = {}
    for name in detectors:
        seen_by[name] = found[name] > 0
        details[name] = (
            {}
            if name in silent
            else _details(rows.column(f"{name}_detail"), found[name] == _PRESENT)
        )
        for index, detail in details[name].items():
            code = _CODES.get(str(detail.get("label")))
            if code is None:
                continue
            verdicts[index] = min(verdicts[index], code)
            if code == SYNTHETIC and detail.get("validation") in ("valid", "trusted"):
                validated[index] = True
    verdicts[verdicts == len(LABELS)] = NO_MARK
    is_ok = _is_any(rows.column("status"), ("ok",))
    seen, blind = _sight(rows, seen_by, detectors)
    observable = ~blind & seen
    is_reencoded = rows.column("reencoded")
    masks = RowMasks(
        validated=validated,
        observable=observable,
        partly=blind & seen,
        bare=observable & np.asarray(is_reencoded.is_null()) & is_ok,
        broken=~is_ok,
    )
    return MarkRows(rows, details, verdicts, masks)


class _Sight(NamedTuple):
    """Whether some mark, and whether not every mark, could have been seen by row (n,)."""

    seen: npt.NDArray[np.bool_]
    blind: npt.NDArray[np.bool_]


def _sight(
    rows: pa.RecordBatch,
    seen_by: Mapping[str, npt.NDArray[np.bool_]],
    looks_at: Mapping[str, str],
) -> _Sight:
    """What could have been seen: in an image by its file's metadata, in a document by its text.

    Pixels do not count: nearly every image has some, and hardly any has room for every watermark.
    """
    n = rows.num_rows
    places = {
        place: [seen_by[name] for name in looks_at if looks_at[name] == place]
        for place in ("metadata", "text")
    }
    if not any(places.values()):
        places["metadata"] = list(seen_by.values())
    if not all(places.values()):
        return _sight_of(places["metadata"] or places["text"], n)
    in_file, in_text = (_sight_of(found, n) for found in places.values())
    is_no_image = np.asarray(rows.column("format").is_null())
    is_document = is_no_image & (rows.column("size").to_numpy() > 0)
    return _Sight(
        np.where(is_document, in_text.seen, in_file.seen),
        np.where(is_document, in_text.blind, in_file.blind),
    )


def _sight_of(seen_by: Sequence[npt.NDArray[np.bool_]], n: int) -> _Sight:
    seen, blind = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    for is_seen in seen_by:
        seen |= is_seen
        blind |= ~is_seen
    return _Sight(seen, blind)


def _flags(states: pa.Array) -> npt.NDArray[np.int8]:
    """What a detector saw in each row: 0 nothing it could see, _ABSENT or _PRESENT (n,)."""
    if not pa.types.is_dictionary(states.type):
        states = states.dictionary_encode()
    names = states.dictionary.to_pylist()
    # One place more, for rows without a state, whose code is then −1.
    flags = np.array([*map(_FLAGS.get, names, [0] * len(names)), 0], dtype=np.int8)
    codes = states.indices if not states.null_count else states.indices.fill_null(-1)
    seen: npt.NDArray[np.int8] = flags[codes.to_numpy()]
    return seen


def _is_any(column: pa.Array, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Whether each value is one of some texts; by its code where there are codes."""
    if not pa.types.is_dictionary(column.type):
        return np.isin(np.asarray(column.to_pylist(), dtype=object), texts)
    codes = column.indices.to_numpy()
    found = np.zeros(len(column), dtype=bool)
    for code, name in enumerate(column.dictionary.to_pylist()):
        if name in texts:
            found |= codes == code
    return found


def _texts(column: pa.Array) -> npt.NDArray[np.object_]:
    if pa.types.is_dictionary(column.type):
        names = np.asarray(column.dictionary.to_pylist(), dtype=object)
        texts: npt.NDArray[np.object_] = names[column.indices.to_numpy()]
        return texts
    return np.asarray(column.to_pylist(), dtype=object)


def _details(column: pa.Array, is_present: npt.NDArray[np.bool_]) -> dict[int, dict[str, Any]]:
    """Details by row, of what was found; a store from strangers may hold any text.

    A statistical check has one on every row, and what it says of an unmarked one is no evidence.
    """
    if not is_present.any() or column.null_count == len(column):
        return {}
    places = np.flatnonzero(is_present & ~np.asarray(column.is_null()))
    texts = column.take(pa.array(places)).to_pylist()
    details = map(read_detail, texts)
    return {
        index: detail for index, detail in zip(places.tolist(), details, strict=True) if detail
    }


def group_labels(rows: MarkRows, column: str) -> npt.NDArray[np.object_]:
    """The stratum of each row for a column of the store, or for what is derived from its URL."""
    if DERIVED.get(column) == "url":
        find = domain if column == "domain" else year
        return np.asarray([find(url) for url in rows.rows.column("url").to_pylist()], object)
    labels = _texts(rows.rows.column(column))
    return np.asarray(["" if label is None else str(label) for label in labels], dtype=object)


def needed_columns(columns: Sequence[str], by: Sequence[str]) -> list[str]:
    """Columns that the strata need.

    Args:
        columns: those that the store's rows have.
        by: names of columns, or of what is derived from them.

    Raises:
        OptionError: a name that is neither a column nor derived from one.
    """
    known = [name for name in columns if not name.endswith(("_detail", "_score"))]
    known += list(DERIVED)
    for name in by:
        if name not in known:
            raise OptionError(
                f"cannot group by {name!r}: no such column; allowed: {', '.join(known)}"
            )
    return [DERIVED.get(name, name) for name in by]


def domain(url: str | None) -> str:
    """The host of a URL in lower case, without "www."; "" where there is none."""
    found = _HOST.match(url) if url else None
    return found[1].lower().removeprefix("www.") if found else ""


def year(url: str | None) -> str:
    """The year in a URL's path that a month follows, as blogs and shops file uploads; "" else.

    The year of the upload, not that of the photo: a scan keeps no other date.
    """
    found = _YEAR.match(url) if url else None
    return found[1] if found else ""
