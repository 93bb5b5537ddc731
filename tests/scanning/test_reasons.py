"""Reasons are counted by detector, and a stranger's many are not kept one by one."""

from __future__ import annotations

from madaudit.detectors import build_detector
from madaudit.limits import MAX_REASONS
from madaudit.scanning.reasons import ReasonCounts, summed
from madaudit.types import ABSENT, UNOBSERVABLE, Detail, Evidence


def _unobservable(says: str) -> Evidence:
    return UNOBSERVABLE._replace(detail=Detail(says))


def test_only_what_a_graded_detector_could_not_score_counts():
    counts = ReasonCounts([build_detector("constant"), build_detector("iptc")])
    said = [_unobservable("too small"), ABSENT, UNOBSERVABLE, _unobservable("too small")]
    counts.add({"constant": said, "iptc": said})
    assert counts.to_dict() == {"constant": {"too small": 2}}


def test_many_reasons_become_others_and_none_is_lost():
    counts = ReasonCounts([build_detector("constant")])
    counts.add({"constant": [_unobservable(f"reason {n}") for n in range(MAX_REASONS + 30)]})
    found = counts.to_dict()["constant"]
    assert len(found) == MAX_REASONS + 1
    assert sum(found.values()) == MAX_REASONS + 30
    assert found["other reasons"] == 30


def test_reasons_of_shards_add_up_the_most_frequent_first():
    parts = [{"a": {"x": 1, "y": 5}}, {}, {"a": {"x": 2}, "b": {"z": 1}}]
    assert summed(parts) == {"a": {"y": 5, "x": 3}, "b": {"z": 1}}
