"""What a store's rows say of marks: the `<detector>_detail` columns read back.

A store may come from strangers and hold any text, so what is no JSON object counts as nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from madaudit.types import LABELS, can_hit


class Mark(NamedTuple):
    """The strongest mark of one row.

    Attributes:
        label: "synthetic", "composite" or "real".
        detector: that found it.
        detail: what it says.
    """

    label: str
    detector: str
    detail: dict[str, Any]


def read_detail(text: str | None) -> dict[str, Any]:
    """A detail from a store's text; empty where there is none or it is no JSON object."""
    try:
        detail = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return detail if isinstance(detail, dict) else {}


def mark_columns(detectors: Sequence[str]) -> list[str]:
    """Columns that `strongest_marks` needs."""
    marks = [name for name in detectors if can_hit(name)]
    return [f"{name}_{part}" for name in marks for part in ("state", "detail")]


def strongest_marks(rows: pa.RecordBatch, detectors: Sequence[str]) -> dict[int, Mark]:
    """The strongest mark by row; rows without one are left out.

    Synthetic outranks composite, composite real; of equal ones the first detector's stands. Cues
    and opt-outs are no marks.
    """
    found: dict[int, Mark] = {}
    for name in detectors:
        if not can_hit(name):
            continue
        for index, detail in _present(rows, name):
            label = detail.get("label")
            if label not in LABELS:
                continue
            known = found.get(index)
            if known is None or LABELS.index(label) < LABELS.index(known.label):
                found[index] = Mark(label, name, detail)
    return found


def _present(rows: pa.RecordBatch, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Details of the rows on which a detector found something."""
    details = rows.column(f"{name}_detail")
    if details.null_count == len(details):
        return
    states = rows.column(f"{name}_state")
    if pa.types.is_dictionary(states.type):
        states = states.dictionary_decode()
    is_present = pc.fill_null(pc.equal(states, "present"), False)
    for index in np.flatnonzero(np.asarray(is_present)).tolist():
        yield index, read_detail(details[index].as_py())
