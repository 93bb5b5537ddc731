"""Everything a report shows, as numbers and text; assembled by `commands/report.py`."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from madaudit.reports.pictures import (
    CutPicture,
    LoopPicture,
    Multiples,
    PhasePicture,
    ScorePicture,
    TrendPoint,
)
from madaudit.types import Interval

SCHEMA_VERSION = 3


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
        kind: "certain" (marked), "doubtful" (evidence that decides nothing) or "kept" (a random
            draw of what no mark and no score speaks against).
        p_synthetic: of an estimate; None where there is none.
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
    kind: str = "certain"
    p_synthetic: float | None = None


@dataclass(frozen=True)
class StratumRow:
    """One stratum of the estimate.

    Attributes:
        name: its values by column.
        n: samples.
        floor: share with a mark.
        share: interval of π; `point` None where data fix no single value.
    """

    name: str
    n: float
    floor: float
    share: Interval


@dataclass(frozen=True)
class TailRow:
    """A stratum whose own loop exceeds the tolerance, with its harm at the upper end."""

    name: str
    harm: float


@dataclass(frozen=True)
class RiskSummary:
    """What the synthetic share does to models trained on the data set.

    Attributes:
        level, level_at_low: at the upper and the lower end of harm.
        says: the same in plain words, a few sentences.
        generations: after how many harm is told.
        harm, harm_in_the_limit: in real standard deviations; ∞ possible.
        n_effective_ratio: n_e / n_r.
        by_bias: λ and the level at it.
        generations_to_tolerance, half_life, fresh_real_needed: None where there is none.
        tail_certain, tail_possible: share of samples in strata that exceed the tolerance at the
            lower and the upper end of harm; None without strata.
        tail: those strata, worst first; `n_tail` says how many there are.
        rule: how the level comes about.
        assumptions: what it rests on.
    """

    level: str
    level_at_low: str
    says: tuple[str, ...]
    generations: int
    harm: Interval
    harm_in_the_limit: Interval
    n_effective_ratio: Interval
    by_bias: tuple[tuple[float, str], ...]
    generations_to_tolerance: int | None
    half_life: int | None
    fresh_real_needed: int | None
    tail_certain: float | None
    tail_possible: float | None
    tail: tuple[TailRow, ...]
    n_tail: int
    rule: str
    assumptions: tuple[str, ...]


@dataclass(frozen=True)
class CutAdvice:
    """Where to cut and what it costs.

    Attributes:
        action: "do not filter", "cut", "no cut suffices", or "unknown" where nothing graded
            samples.
        says: the same in one or two sentences.
        cut: score from which samples are dropped; None without one.
        real_lost, synthetic_kept, harm: of the action; None where unknown.
    """

    action: str
    says: str
    cut: float | None = None
    real_lost: Interval | None = None
    synthetic_kept: Interval | None = None
    harm: Interval | None = None


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
class CopyCluster:
    """Samples that are copies of one another, with the first of them."""

    size: int
    n_shards: int
    shard: str
    ordinal: int
    key: str


@dataclass(frozen=True)
class Copies:
    """Near-duplicate clusters, and what p is where each of them counts once.

    Attributes:
        p: `p_distinct`.
        n_clusters: samples that are left when each cluster counts once.
        n_effective: independent samples that all of them are worth, (Σw)² / ΣW_c² over clusters.
        how: of what kind of likeness the clusters are, in words.
        largest: clusters, largest first.
    """

    p: Interval
    n_clusters: int
    n_effective: float
    how: str
    largest: tuple[CopyCluster, ...]


@dataclass(frozen=True)
class LabelCount:
    """What people saw in a random draw.

    Attributes:
        n: samples labelled.
        answers: label to how many.
        share: the adjudicated interval of π; None where the labels settle none.
        undecided: the same where undecided ones may be anything; None without any.
        n_checks, n_wrong: images of known origin among them, and those mistaken or undecided.
    """

    n: int
    answers: dict[str, int]
    share: Interval | None
    undecided: Interval | None
    n_checks: int
    n_wrong: int


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
        tiers: of the estimate, name to interval of π; None where a tier says nothing.
        risk, cut: what follows; None where a data set is too small to say.
        scores, multiples: distributions; the latter by shard or stratum.
        loop, phase, cuts: what the risk's charts show.
        trend: consecutive shards, at least two or none.
        n_domain_rows: rows in which domains were counted; fewer than all in a large data set.
        strata: by `strata_by`, largest first; `n_strata` says how many there are.
        copies: near-duplicates; None where nobody has looked for any.
        labels: what people saw; None where none were given.
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
    tiers: tuple[tuple[str, Interval | None], ...] = ()
    risk: RiskSummary | None = None
    cut: CutAdvice | None = None
    scores: tuple[ScorePicture, ...] = ()
    multiples: Multiples | None = None
    loop: LoopPicture | None = None
    phase: PhasePicture | None = None
    cuts: CutPicture | None = None
    trend: tuple[TrendPoint, ...] = ()
    strata: tuple[StratumRow, ...] = ()
    n_strata: int = 0
    strata_by: str = ""
    n_domain_rows: int = 0
    copies: Copies | None = None
    labels: LabelCount | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON twin: all of it but the pictures."""
        return {"schema": SCHEMA_VERSION, **_plain(self)}


def _plain(value: Any) -> Any:
    """Dataclasses, tuples and intervals as JSON has them; pictures left out, ∞ as null."""
    if isinstance(value, float):
        return value if value not in (math.inf, -math.inf) else None
    if isinstance(value, Interval):
        return {name: _plain(item) for name, item in value.to_dict().items()}
    if hasattr(value, "__dataclass_fields__"):
        names = [field.name for field in fields(value) if field.name != "thumbnail"]
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value
