"""Why samples could not be scored, counted a shard at a time and told with the scan's outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from madaudit.detectors import Detector
from madaudit.limits import MAX_REASONS
from madaudit.types import Evidence

_OTHERS = "other reasons"

#: Detector to reason to number of samples.
Reasons = dict[str, dict[str, int]]


class ReasonCounts:
    """What graded detectors say of the samples that they cannot score."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._counts: dict[str, Counter[str]] = {
            detector.name: Counter() for detector in detectors if detector.kind == "graded"
        }

    def add(self, evidence: Mapping[str, Sequence[Evidence]]) -> None:
        """Count those of one batch."""
        for name, counts in self._counts.items():
            for item in evidence[name]:
                if item.state == "unobservable" and item.detail is not None:
                    says = item.detail.says
                    known = says in counts or len(counts) < MAX_REASONS
                    counts[says if known else _OTHERS] += 1

    def to_dict(self) -> Reasons:
        """Detectors that could not score something, with their reasons."""
        return {name: dict(counts) for name, counts in self._counts.items() if counts}


def summed(parts: Iterable[Reasons]) -> Reasons:
    """Reasons of several shards together, the most frequent first."""
    total: dict[str, Counter[str]] = {}
    for part in parts:
        for name, counts in part.items():
            total.setdefault(name, Counter()).update(counts)
    return {name: dict(counts.most_common()) for name, counts in sorted(total.items())}
