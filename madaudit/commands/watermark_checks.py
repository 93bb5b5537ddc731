"""What the checks with p-values say of a whole data set, from a store's sketches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from madaudit.errors import StoreError
from madaudit.estimation.false_discovery import Discoveries, discover
from madaudit.reports.audit_report import WatermarkCount
from madaudit.reports.wording import count, percent, plural
from madaudit.scanning.sketches import P_VALUE_EDGES, Counts, p_value_counts, read_sketch
from madaudit.scanning.store import Store, sketch_path
from madaudit.scanning.survey import Survey
from madaudit.types import STATES, can_hit

#: A shard's counts by score and by state, by the name of the detector and what they are.
Sketch = dict[str, Counts]
_PRESENT = STATES.index("present")
_FLAGGED_SHOWN = 50


@dataclass(frozen=True)
class WatermarkCheck:
    """One check over all finished shards.

    Attributes:
        check: the detector.
        present: samples that it calls present, each by its own threshold.
        discoveries: what holds for the data set as a whole.
    """

    check: str
    present: int
    discoveries: Discoveries

    def to_dict(self) -> dict[str, Any]:
        content = self.discoveries.to_dict()
        content["n_flagged_shards"] = len(content["flagged_shards"])
        content["flagged_shards"] = content["flagged_shards"][:_FLAGGED_SHOWN]
        return {"check": self.check, "present": self.present, **content}

    def in_words(self) -> str:
        """One line for a person."""
        found = self.discoveries
        largest = (
            "" if found.largest_score is None else f", largest −log10 p {found.largest_score:g}"
        )
        return (
            f"{self.check}: {count(self.present)} of {count(found.tested)} tested present, "
            f"{count(found.found)} at a false discovery rate of {found.rate:g} "
            f"(at least {percent(found.share.low)} marked){largest}; "
            f"{plural(len(found.flagged), 'shard')} apart"
        )


def scored_detectors(looks_at: Mapping[str, str]) -> list[str]:
    """Detectors whose scores a store's sketches may hold; marks in metadata have none."""
    return [name for name, place in looks_at.items() if place != "metadata"]


def read_shard_sketch(store: Store, shard: str, names: Sequence[str]) -> Sketch:
    """What a finished shard's sketch holds of some detectors.

    Raises:
        StoreError: it is missing or damaged.
    """
    path = sketch_path(shard)
    data = store.read_file(path)
    if data is None:
        raise StoreError(
            f"cannot read {path} of store {store.url}: it is missing; delete the shard's "
            f"marker and scan again"
        )
    arrays = read_sketch(data, f"{path} of store {store.url}")
    wanted = [f"{name}_{part}" for name in names for part in ("scores", "states")]
    return {name: arrays[name] for name in wanted if name in arrays}


def watermark_checks(
    store: Store, survey: Survey, *, level: float, sketches: Mapping[str, Sketch] | None = None
) -> tuple[WatermarkCheck, ...]:
    """Every check that gave p-values.

    Args:
        store: to read.
        survey: of it.
        level: of the marked share's lower bound.
        sketches: by shard, where they have been read before.

    Raises:
        StoreError: a finished shard's sketch is missing or damaged.
    """
    checks = [name for name in scored_detectors(survey.looks_at) if can_hit(name)]
    histograms: dict[str, dict[str, Counts]] = {}
    present: dict[str, int] = {}
    for marker in survey.markers if checks else ():
        shard = marker["shard"]
        arrays = sketches[shard] if sketches else read_shard_sketch(store, shard, checks)
        for name in checks:
            counts = p_value_counts(arrays, name)
            if counts is not None:
                histograms.setdefault(name, {})[shard] = counts
                states = arrays.get(f"{name}_states")
                present[name] = present.get(name, 0) + int(
                    0 if states is None or len(states) <= _PRESENT else states[_PRESENT]
                )
    return tuple(
        WatermarkCheck(name, present[name], discover(shards, P_VALUE_EDGES, level=level))
        for name, shards in histograms.items()
    )


def watermark_counts(checks: Iterable[WatermarkCheck]) -> tuple[WatermarkCount, ...]:
    """The same as the report shows it."""
    return tuple(
        WatermarkCount(
            check=item.check,
            tested=item.discoveries.tested,
            present=item.present,
            found=item.discoveries.found,
            rate=item.discoveries.rate,
            share=item.discoveries.share,
            largest_score=item.discoveries.largest_score,
            flagged=tuple(shard.shard for shard in item.discoveries.flagged[:_FLAGGED_SHOWN]),
            n_flagged=len(item.discoveries.flagged),
        )
        for item in checks
    )
