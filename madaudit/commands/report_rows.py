"""What the report takes from a store's rows, in one walk: counts, tools, faults, samples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from madaudit.commands.report_gallery import Draw, Posteriors, hit_of
from madaudit.commands.store_rows import MarkRows, domain, mark_rows
from madaudit.estimation import MarkTally
from madaudit.estimation.tally import NO_MARK, REAL
from madaudit.limits import MAX_DOMAINS
from madaudit.reports.audit_report import Fault, Hit
from madaudit.scanning.store import Store, Survey
from madaudit.types import LABELS

HITS = 24
_HITS_PER_SHARD = 8
_COLUMNS = ("key", "url", "caption", "error", "width", "height", "offset")


@dataclass
class Gathered:
    """What one walk over the rows collects.

    Attributes:
        tools: (tool, label, detector) to samples; `validated` and `models` likewise.
        shards, domains: name to counts.
        hits: marked samples, those with a picture first.
        faults: status to how many, with an example.
        draw: of unmarked samples, doubtful and random ones.
    """

    tools: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    validated: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    models: dict[tuple[str, str, str], Counter[str]] = field(default_factory=dict)
    shards: dict[str, MarkTally] = field(default_factory=dict)
    domains: dict[str, MarkTally] = field(default_factory=dict)
    hits: list[Hit] = field(default_factory=list)
    faults: dict[str, Fault] = field(default_factory=dict)
    draw: Draw = field(default_factory=Draw)


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
    for marker in survey.markers:
        _gather_shard(store, marker["shard"], survey, gathered)
    gathered.hits = gathered.hits[:HITS]
    return gathered


def _gather_shard(store: Store, shard: str, survey: Survey, gathered: Gathered) -> None:
    pictures = store.thumbnails(shard)
    tally = MarkTally()
    n_hits = 0
    columns = (*_COLUMNS, *gathered.draw.columns(survey.looks_at))
    for rows in mark_rows(store, shard, survey.looks_at, columns):
        tally += rows.tally()
        _gather_tools(rows, gathered)
        _gather_domains(rows, gathered.domains)
        _gather_faults(rows, shard, gathered.faults)
        gathered.draw.offer(rows, shard)
        hits = _hits(rows, shard, pictures, _HITS_PER_SHARD - n_hits)
        n_hits += len(hits)
        if len(gathered.hits) < 10 * HITS:
            gathered.hits += hits
    gathered.shards[shard] = tally
    gathered.hits.sort(key=lambda hit: hit.thumbnail is None)


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


def _gather_domains(rows: MarkRows, domains: dict[str, MarkTally]) -> None:
    column = rows.rows.column("url")
    if column.null_count == len(column):
        return
    hosts = [domain(url) for url in column.to_pylist()]
    places = {host: number for number, host in enumerate(dict.fromkeys(hosts))}
    codes = np.fromiter((places[host] for host in hosts), dtype=np.int64, count=len(hosts))
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(places) + 1))
    for host, number in places.items():
        members = order[starts[number] : starts[number + 1]]
        name = host if host in domains or len(domains) < MAX_DOMAINS else "(further domains)"
        domains[name] = domains.get(name, MarkTally()) + rows.tally(members)


def _gather_faults(rows: MarkRows, shard: str, faults: dict[str, Fault]) -> None:
    weights = rows.weights()
    for index in np.flatnonzero(rows.masks.broken).tolist():
        status = rows.rows.column("status")[index].as_py()
        known = faults.get(status)
        if known is None:
            error = rows.rows.column("error")[index].as_py() or ""
            key = rows.rows.column("key")[index].as_py()
            faults[status] = Fault(status, float(weights[index]), error, f"{shard} {key}")
        else:
            n = known.n + float(weights[index])
            faults[status] = Fault(status, n, known.example, known.where)


def _hits(rows: MarkRows, shard: str, pictures: dict[int, bytes], most: int) -> list[Hit]:
    """The first hits of these rows, those with a picture before the others."""
    ordinals = rows.rows.column("ordinal").to_numpy()
    marked = np.flatnonzero((rows.verdicts != NO_MARK) & (rows.verdicts != REAL)).tolist()
    marked.sort(key=lambda index: (ordinals[index] not in pictures, index))
    return [_marked(rows, shard, index, pictures) for index in marked[: max(most, 0)]]


def _marked(rows: MarkRows, shard: str, index: int, pictures: dict[int, bytes]) -> Hit:
    details = [found[index] for found in rows.details.values() if index in found]
    says = tuple(str(detail.get("says") or "marked") for detail in details)
    ordinal = rows.rows.column("ordinal")[index].as_py()
    return hit_of(
        rows,
        shard,
        index,
        says=says,
        label=LABELS[rows.verdicts[index]],
        kind="certain",
        thumbnail=pictures.get(ordinal),
    )
