"""Everything a report shows, as numbers and text; assembled by `commands/report.py`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from madaudit.types import Interval

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Count:
    """A number of samples, as a share of all, with what it means."""

    name: str
    n: float
    share: float
    meaning: str


@dataclass(frozen=True)
class ToolCount:
    """Samples marked by one tool.

    Attributes:
        tool, label, detector: who made the mark, what it claims, who read it.
        n, share: samples, and their share of all.
        n_validated: those whose signature validates.
        models: names of models, most frequent first.
    """

    tool: str
    label: str
    detector: str
    n: float
    share: float
    n_validated: float
    models: tuple[str, ...]


@dataclass(frozen=True)
class GroupCount:
    """One shard or one domain: samples, and shares of them."""

    name: str
    n: float
    synthetic: float
    composite: float
    hidden: float
    broken: float


@dataclass(frozen=True)
class Hit:
    """One marked sample.

    Attributes:
        shard, ordinal, key: which.
        says: its evidence in words, one sentence a detector.
        label: what its strongest mark claims.
        caption, url: cut; None where there is none.
        size: "512 × 512" or "".
        thumbnail: JPEG bytes, or None.
    """

    shard: str
    ordinal: int
    key: str
    says: tuple[str, ...]
    label: str
    caption: str | None
    url: str | None
    size: str
    thumbnail: bytes | None


@dataclass(frozen=True)
class WatermarkCount:
    """What one check with p-values says of the data set.

    Attributes:
        check: the detector.
        tested, present: samples with a p-value, and those it calls present.
        found, rate: samples found with the false discovery rate held, and that rate.
        share: of tested samples that are marked; its upper end is 1.
        largest_score: the largest −log10 p, a lower bound.
        flagged: shards that stand apart, strongest first; `n_flagged` says how many there are.
    """

    check: str
    tested: int
    present: int
    found: int
    rate: float
    share: Interval
    largest_score: float | None
    flagged: tuple[str, ...]
    n_flagged: int


@dataclass(frozen=True)
class Fault:
    """A kind of broken sample with an example, or something wrong with a shard."""

    what: str
    n: float
    example: str
    where: str


@dataclass(frozen=True)
class Method:
    """How the numbers came about.

    Attributes:
        assumptions, flags: what they rest on, and what a reader must know.
        detectors: (name, version, what it was verified on).
        versions: of madaudit, Python and the store's schema.
        fingerprint: of the plan.
        command: that repeats the scan.
    """

    assumptions: tuple[str, ...]
    flags: tuple[str, ...]
    detectors: tuple[tuple[str, int, str], ...]
    versions: dict[str, str]
    fingerprint: str
    command: str


@dataclass(frozen=True)
class AuditReport:
    """One data set's audit.

    Attributes:
        title: the data set.
        answer: one sentence with p and the tier it rests on.
        in_words: what follows from it, a few sentences.
        p, floor, validated_floor: intervals.
        tier: of the headline.
        n_samples, n_rows: samples in the finished shards, rows scanned of them.
        observability, funnel: counts.
        tools: most frequent first.
        shards, domains: most contaminated first; `n_shards`, `n_domains` say how many there are.
        hits: examples.
        faults: broken samples by kind, and quarantined shards.
        thumbnails: "none", "blurred" or "clear".
        method: how the numbers came about.
        watermarks: one per check with p-values.
    """

    title: str
    answer: str
    in_words: tuple[str, ...]
    p: Interval
    floor: Interval
    validated_floor: Interval
    tier: str
    n_samples: int
    n_rows: int
    is_sampled: bool
    observability: tuple[Count, ...]
    funnel: tuple[Count, ...]
    tools: tuple[ToolCount, ...]
    shards: tuple[GroupCount, ...]
    n_shards: int
    domains: tuple[GroupCount, ...]
    n_domains: int
    hits: tuple[Hit, ...]
    faults: tuple[Fault, ...]
    thumbnails: str
    method: Method
    watermarks: tuple[WatermarkCount, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON twin: all of it but the pictures."""
        return {"schema": SCHEMA_VERSION, **_plain(self)}


def _plain(value: Any) -> Any:
    """Dataclasses, tuples and intervals as JSON has them; pictures left out."""
    if isinstance(value, Interval):
        return value.to_dict()
    if isinstance(value, Hit):
        names = [field.name for field in fields(value) if field.name != "thumbnail"]
        return {name: _plain(getattr(value, name)) for name in names}
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
