"""What the report takes from a store's rows, in one walk: counts, tools, faults, samples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from madaudit.commands.domain_counts import DomainCounts
from madaudit.commands.report_gallery import Draw, Posteriors, with_pictures
from madaudit.commands.report_picks import Pick, hit_of, rows_of
from madaudit.commands.store_rows import MarkRows, mark_rows
from madaudit.estimation import MarkTally
from madaudit.estimation.tally import NO_MARK, REAL
from madaudit.limits import MAX_DOMAIN_ROWS
from madaudit.reports.audit_report import Fault, Hit
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey
from madaudit.types import LABELS

HITS = 24
_HITS_PER_SHARD = 8
# Candidates among which those with a picture are preferred.
_HITS_LOOKED_AT = 10 * HITS


@dataclass
class _Broken:
    """Samples of one status: how many, and the first of them."""

    n: float
    shard: str
    ordinal: int


@dataclass
class Gathered:
    """What one walk over the rows collects.

    Attributes:
        tools: (tool, label, detector) to samples; `validated` and `models` likewise.
        shards: name to counts.
        domains: counts by domain.
        picks: marked samples, those with a picture first.
        draw: of unmarked samples, doubtful and random ones.
        broken: status to how many, with the first.
    """

    tools: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    validated: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    models: dict[tuple[str, str, str], Counter[str]] = field(default_factory=dict)
    shards: dict[str, MarkTally] = field(default_factory=dict)
    domains: DomainCounts = field(default_factory=DomainCounts)
    picks: list[Pick] = field(default_factory=list)
    draw: Draw = field(default_factory=Draw)
    broken: dict[str, _Broken] = field(default_factory=dict)


def gather(store: Store, survey: Survey, posteriors: Posteriors | None = None) -> Gathered:
    """Walk over all finished shards.

    Args:
        store: to read.
        survey: of it.
        posteriors: of an estimate; None where there is none.

    Raises:
        StoreError: rows are missing or damaged.
    """
    gathered = Gathered(draw=Draw(posteriors=posteriors))
    n_rows = sum(marker["n_rows"] for marker in survey.markers)
    every = max(1, -(-n_rows // MAX_DOMAIN_ROWS))
    for place, marker in enumerate(survey.markers):
        _gather_shard(store, marker, survey, gathered, takes_domains=place % every == 0)
    gathered.picks = gathered.picks[:HITS]
    return gathered


def shown_samples(
    store: Store, survey: Survey, gathered: Gathered, *, reads_inputs: bool
) -> tuple[Hit, ...]:
    """The samples to show, with what the store says of them.

    Args:
        store: to read.
        survey: of it.
        gathered: by the walk.
        reads_inputs: also make pictures of unmarked samples, from the inputs that the store names.
    """
    drawn = gathered.draw.picks()
    rows = rows_of(store, ((p.shard, p.ordinal) for p in (*gathered.picks, *drawn)))
    if reads_inputs and survey.manifest["plan"]["thumbnails"] != "none":
        drawn = with_pictures(drawn, rows, survey)
    return tuple(hit_of(pick, rows) for pick in (*gathered.picks, *drawn))


def broken_samples(store: Store, gathered: Gathered) -> tuple[Fault, ...]:
    """Broken samples by kind with an example, most frequent first."""
    rows = rows_of(store, ((one.shard, one.ordinal) for one in gathered.broken.values()))
    found = []
    for status, one in gathered.broken.items():
        row = rows[one.shard, one.ordinal]
        found.append(Fault(status, one.n, row["error"] or "", f"{one.shard} {row['key']}"))
    return tuple(sorted(found, key=lambda fault: -fault.n))


def _gather_shard(
    store: Store,
    marker: dict[str, Any],
    survey: Survey,
    gathered: Gathered,
    *,
    takes_domains: bool,
) -> None:
    shard, states = marker["shard"], marker["states"]
    silent = [name for name in survey.looks_at if not states.get(name, {}).get("present")]
    looks_for_hits = len(gathered.picks) < _HITS_LOOKED_AT
    pictures = store.thumbnails(shard) if looks_for_hits else {}
    tally, picks = MarkTally(), list[Pick]()
    columns = [*gathered.draw.columns(survey.looks_at), *(["url"] if takes_domains else [])]
    for rows in mark_rows(store, shard, survey.looks_at, columns, silent=silent):
        tally += rows.tally()
        _gather_tools(rows, gathered)
        if takes_domains:
            gathered.domains.add(rows)
        _gather_broken(rows, shard, gathered.broken)
        gathered.draw.offer(rows, shard)
        if looks_for_hits:
            picks += _marked(rows, shard, pictures, _HITS_PER_SHARD - len(picks))
    gathered.shards[shard] = tally
    gathered.picks += picks
    if picks:
        gathered.picks.sort(key=lambda pick: pick.thumbnail is None)


def _gather_tools(rows: MarkRows, gathered: Gathered) -> None:
    weights = rows.weights()
    for detector, details in rows.details.items():
        for index, detail in details.items():
            if detail.get("label") not in LABELS:
                continue
            name = (str(detail.get("tool") or "unnamed"), detail["label"], detector)
            gathered.tools[name] += weights[index]
            if detail.get("validation") in ("valid", "trusted"):
                gathered.validated[name] += weights[index]
            if detail.get("model"):
                gathered.models.setdefault(name, Counter())[str(detail["model"])] += 1


def _gather_broken(rows: MarkRows, shard: str, broken: dict[str, _Broken]) -> None:
    places = np.flatnonzero(rows.masks.broken)
    if not len(places):
        return
    weights = rows.weights()[places]
    status = rows.rows.column("status").take(places).dictionary_encode()
    codes = status.indices.to_numpy()
    sums = np.bincount(codes, weights, len(status.dictionary))
    for code, name in enumerate(status.dictionary.to_pylist()):
        of_it = places[codes == code]
        if not len(of_it):
            continue
        if name not in broken:
            ordinal = rows.rows.column("ordinal")[int(of_it[0])].as_py()
            broken[name] = _Broken(0.0, shard, ordinal)
        broken[name].n += float(sums[code])


def _marked(rows: MarkRows, shard: str, pictures: dict[int, bytes], most: int) -> list[Pick]:
    """The first hits of these rows, those with a picture before the others."""
    ordinals = rows.rows.column("ordinal").to_numpy()
    marked = np.flatnonzero((rows.verdicts != NO_MARK) & (rows.verdicts != REAL)).tolist()
    marked.sort(key=lambda index: (ordinals[index] not in pictures, index))
    picks = []
    for index in marked[: max(most, 0)]:
        details = [found[index] for found in rows.details.values() if index in found]
        says = tuple(str(detail.get("says") or "marked") for detail in details)
        ordinal, label = int(ordinals[index]), LABELS[rows.verdicts[index]]
        picks.append(Pick(shard, ordinal, says, label, "certain", thumbnail=pictures.get(ordinal)))
    return picks
