"""What the report takes from a store's rows, in one walk: counts, tools, faults, samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.commands.combined import (
    Clusters,
    ShardCounter,
    Wanted,
    add_up,
    find_counts,
    joined,
    keep_counts,
    scored_rows,
)
from madaudit.commands.counted import Counted, marks_alone
from madaudit.commands.domain_counts import DomainCounts
from madaudit.commands.processes import in_order
from madaudit.commands.report_draw import ScoredDraw
from madaudit.commands.report_gallery import Draw, with_pictures
from madaudit.commands.report_picks import Pick, hit_of, rows_of
from madaudit.commands.store_clusters import OwnClusters
from madaudit.commands.store_rows import MarkRows
from madaudit.commands.watermark_checks import Sketch, read_shard_sketch, scored_detectors
from madaudit.estimation import MarkTally
from madaudit.estimation.tally import NO_MARK, REAL
from madaudit.limits import MAX_DOMAIN_ROWS
from madaudit.reports.audit_report import Fault, Hit
from madaudit.scanning.engines.pool import default_workers
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey
from madaudit.types import LABELS

HITS = 24
_HITS_PER_SHARD = 8
# Candidates among which those with a picture are preferred.
_HITS_LOOKED_AT = 10 * HITS
# Rows that one process walks over before it hands in what it found: about a quarter of a second.
_STRETCH_ROWS = 200_000
# Rows from which further processes pay; below, starting them takes longer than the walk.
_ROWS_FOR_PROCESSES = 4_000_000

Floats = npt.NDArray[np.float64]


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
        sketches: by shard, of the detectors whose scores they may hold.
        parts: what an estimate counts, by shard; empty where it needs no more than `shards`.
    """

    tools: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    validated: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    models: dict[tuple[str, str, str], Counter[str]] = field(default_factory=dict)
    shards: dict[str, MarkTally] = field(default_factory=dict)
    domains: DomainCounts = field(default_factory=DomainCounts)
    picks: list[Pick] = field(default_factory=list)
    draw: Draw | ScoredDraw = field(default_factory=Draw)
    broken: dict[str, _Broken] = field(default_factory=dict)
    sketches: dict[str, Sketch] = field(default_factory=dict)
    parts: list[Counted] = field(default_factory=list)

    def merge(self, later: Gathered) -> None:
        """Take in what was collected of later shards."""
        self.tools.update(later.tools)
        self.validated.update(later.validated)
        for name, models in later.models.items():
            self.models.setdefault(name, Counter()).update(models)
        self.shards |= later.shards
        self.domains.merge(later.domains)
        self.picks += later.picks
        self.draw.merge(later.draw)  # type: ignore[arg-type]
        for status, one in later.broken.items():
            known = self.broken.setdefault(status, _Broken(0.0, one.shard, one.ordinal))
            known.n += one.n
        self.sketches |= later.sketches
        self.parts += later.parts


class _Stretch(NamedTuple):
    """Consecutive shards, which one process walks over.

    Attributes:
        markers: shard to states by detector.
        with_domains, with_hits: shards whose addresses are taken apart, and in which marked
            samples to show are looked for.
        clusters: of these shards.
    """

    markers: dict[str, dict[str, dict[str, int]]]
    with_domains: frozenset[str]
    with_hits: frozenset[str]
    clusters: Clusters | None


@dataclass(frozen=True)
class Walk:
    """One walk over the rows of a store.

    Attributes:
        store: to read.
        looks_at: detector to where its evidence stands.
        wanted: calibration and strata of the estimate.
        counts: whether what an estimate counts is to be counted, too.
    """

    store: Store
    looks_at: Mapping[str, str]
    wanted: Wanted = field(default_factory=Wanted)
    counts: bool = False

    def begin(self) -> Gathered:
        """Nothing collected yet."""
        return Gathered(draw=ScoredDraw() if self.wanted.calibration else Draw())

    def over(self, stretch: _Stretch) -> Gathered:
        """Collect from consecutive shards.

        Raises:
            StoreError: rows are missing or damaged.
        """
        wanted = replace(self.wanted, clusters=stretch.clusters)
        gathered, parts = self.begin(), []
        for shard, states in stretch.markers.items():
            counter = ShardCounter(shard, wanted) if self.counts else None
            self._over_shard(shard, states, stretch, gathered, counter)
            if counter is not None:
                parts.append(counter.counted())
        if parts:
            gathered.parts = [joined(parts)]
        if isinstance(gathered.draw, ScoredDraw):
            gathered.draw.settle()
        return gathered

    def _over_shard(
        self,
        shard: str,
        states: Mapping[str, Mapping[str, int]],
        stretch: _Stretch,
        gathered: Gathered,
        counter: ShardCounter | None,
    ) -> None:
        silent = [name for name in self.looks_at if not states.get(name, {}).get("present")]
        takes_domains, finds_hits = shard in stretch.with_domains, shard in stretch.with_hits
        pictures = self.store.thumbnails(shard) if finds_hits else {}
        tally, picks = MarkTally(), list[Pick]()
        extra = [*gathered.draw.columns(self.looks_at), *(["url"] if takes_domains else [])]
        for rows, ratios in scored_rows(
            self.store, shard, self.looks_at, self.wanted, extra, silent=silent
        ):
            tally += rows.tally()
            _gather_tools(rows, gathered)
            if takes_domains:
                gathered.domains.add(rows)
            _gather_broken(rows, shard, gathered.broken)
            gathered.draw.offer(rows, shard, ratios)
            if finds_hits:
                picks += _marked(rows, shard, pictures, _HITS_PER_SHARD - len(picks))
            if counter is not None:
                counter.add(rows, ratios)
        gathered.shards[shard] = tally
        gathered.picks += picks
        scored = scored_detectors(self.looks_at)
        if scored:
            gathered.sketches[shard] = read_shard_sketch(self.store, shard, scored)


def walk_store(
    store: Store,
    survey: Survey,
    wanted: Wanted,
    *,
    needs_cells: bool = False,
    workers: int | None = None,
) -> tuple[Gathered, Counted]:
    """One walk over the rows for the report and, unless that is kept already, for the estimate.

    Args:
        store: to read.
        survey: of it.
        wanted: calibration, strata and clusters of the estimate.
        needs_cells: whether samples are counted by score though nothing scored them, as labels
            need it.
        workers: as in `gather`.

    Raises:
        StoreError: rows are missing or damaged, or what was counted cannot be kept.
    """
    if not (wanted.calibration or wanted.by or wanted.clusters or needs_cells):
        gathered = gather(store, survey, wanted, workers=workers)
        return gathered, marks_alone(gathered.shards.values())
    is_kept = wanted.calibration is not None or wanted.clusters is not None
    counted = find_counts(store, survey, wanted) if is_kept else None
    gathered = gather(store, survey, wanted, counts=counted is None, workers=workers)
    if counted is None:
        counted = replace(add_up(gathered.parts), combiner=wanted.combiner)
        if is_kept:
            keep_counts(store, survey, wanted, counted)
    return gathered, counted


def gather(
    store: Store,
    survey: Survey,
    wanted: Wanted | None = None,
    *,
    counts: bool = False,
    workers: int | None = None,
) -> Gathered:
    """Walk over all finished shards.

    Args:
        store: to read.
        survey: of it.
        wanted: calibration, strata and clusters of the estimate; None for marks alone.
        counts: whether what an estimate counts is to be counted, too.
        workers: processes; None for one per processor where the store is large.

    Raises:
        StoreError: rows are missing or damaged.
    """
    walked = Wanted(wanted.calibration, wanted.by if counts else ()) if wanted else Wanted()
    walk = Walk(store, survey.looks_at, walked, counts)
    n_rows = sum(marker["n_rows"] for marker in survey.markers)
    if workers is None:
        workers = default_workers() if n_rows >= _ROWS_FOR_PROCESSES else 1
    gathered = walk.begin()
    clusters = wanted.clusters if wanted and counts else None
    for part in in_order(walk.over, _stretches(survey, clusters), workers=workers):
        gathered.merge(part)
    gathered.picks.sort(key=lambda pick: pick.thumbnail is None)
    del gathered.picks[HITS:]
    return gathered


def _stretches(survey: Survey, clusters: Clusters | None) -> Iterator[_Stretch]:
    """The store's shards in order, cut without regard to the number of processes."""
    every = max(1, -(-sum(m["n_rows"] for m in survey.markers) // MAX_DOMAIN_ROWS))
    with_domains = frozenset(m["shard"] for m in survey.markers[::every])
    with_hits = _with_hits(survey.markers)
    markers: dict[str, Any] = {}
    n_rows = 0
    for place, marker in enumerate(survey.markers):
        markers[marker["shard"]] = marker["states"]
        n_rows += marker["n_rows"]
        if n_rows >= _STRETCH_ROWS or place == len(survey.markers) - 1:
            names = frozenset(markers)
            own = None if clusters is None else OwnClusters.of(clusters, names)
            yield _Stretch(markers, names & with_domains, names & with_hits, own)
            markers, n_rows = {}, 0


def _with_hits(markers: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The first shards that hold as many hits as are looked at."""
    found, names = 0, set()
    for marker in markers:
        if marker["n_hits"] and found < _HITS_LOOKED_AT:
            found += min(marker["n_hits"], _HITS_PER_SHARD)
            names.add(marker["shard"])
    return frozenset(names)


def shown_samples(
    store: Store,
    survey: Survey,
    gathered: Gathered,
    p_synthetic: Floats | None = None,
    *,
    reads_inputs: bool,
) -> tuple[Hit, ...]:
    """The samples to show, with what the store says of them.

    Args:
        store: to read.
        survey: of it.
        gathered: by the walk.
        p_synthetic: posterior by cell of a sketch; None where there is none.
        reads_inputs: also make pictures of unmarked samples, from the inputs that the store names.
    """
    drawn = gathered.draw.picks(p_synthetic)
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
