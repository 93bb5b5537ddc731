"""Columns of evidence: what was found, what was not, and how often."""

from __future__ import annotations

import pytest

from madaudit.detectors import build_detector
from madaudit.detectors.base import Batch
from madaudit.scanning.batches import Prepared, Verdict
from madaudit.scanning.rows import RowBuffer
from madaudit.types import ABSENT, MISSING, UNOBSERVABLE, Detail, Evidence
from tests.detectors.image_building import jpeg, look_at

_HIT = Evidence("present", detail=Detail("found", label="synthetic"))
_FAILED = MISSING._replace(detail=Detail("the check failed"))


def _taken(evidence: list[Evidence]) -> tuple[RowBuffer, dict[str, list]]:
    look = look_at(jpeg())
    prepared = Prepared(Batch([look] * len(evidence)), [Verdict("ok", None, None)] * len(evidence))
    rows = RowBuffer("a.tar", [build_detector("a1111")])
    rows.add(prepared, {"a1111": evidence}, 1.0)
    return rows, rows.take().to_pydict()


@pytest.mark.parametrize(
    "evidence",
    [
        [ABSENT] * 3,
        [UNOBSERVABLE] * 3,
        [MISSING] * 3,
        [ABSENT, UNOBSERVABLE, ABSENT],
        [Evidence("absent")] * 2 + [ABSENT],
        [_HIT, ABSENT, MISSING],
        [ABSENT, ABSENT, _HIT],
        [_HIT] * 3,
        [_FAILED] * 3,
        [_FAILED, MISSING, MISSING],
        [Evidence("absent", score=0.5)] * 3,
        [ABSENT, Evidence("absent", score=0.5), ABSENT],
    ],
)
def test_every_row_keeps_its_own_evidence(evidence):
    rows, columns = _taken(evidence)
    states = [item.state for item in evidence]
    assert columns["a1111_state"] == states
    assert rows.states["a1111"] == {state: states.count(state) for state in set(states)}
    scores = [None if item.score != item.score else item.score for item in evidence]
    assert columns["a1111_score"] == scores
    assert [text is not None for text in columns["a1111_detail"]] == [
        item.detail is not None for item in evidence
    ]
    assert rows.n_hits == sum(item.is_hit for item in evidence)


def test_an_empty_buffer_gives_no_rows():
    rows, columns = _taken([])
    assert columns["a1111_state"] == []
    assert rows.n_rows == 0
