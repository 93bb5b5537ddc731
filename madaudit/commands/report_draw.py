"""Unmarked samples for the report to show, by scores whose meaning is known only after the walk.

A posterior does not fall as the combined score rises and is one number for each cell of a sketch,
so a few samples drawn in every cell are enough to show, once the estimate stands, those it is sure
of, those it leaves open and some of the rest; the rows are walked once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from madaudit.commands.report_gallery import SHOWN, WHY_KEPT, chances, why_kept
from madaudit.commands.report_picks import Pick
from madaudit.commands.store_rows import MarkRows
from madaudit.estimation.cells import N_PLACES
from madaudit.estimation.sketch import N_CELLS, places_of
from madaudit.estimation.tally import NO_MARK

# Posterior from which a sample is among the most certain ones.
_SURE = 0.95
_SAYS_SO = "no mark, but its scores are those of known synthetic samples"
_SAYS_OPEN = "its scores leave open whether it is synthetic"
# Candidates that wait before those beyond SHOWN in a cell are dropped.
_WAITING = 50_000
_CANDIDATE = np.dtype(
    [
        ("place", np.int16),
        ("chance", np.float64),
        ("shard", np.int32),
        ("ordinal", np.int64),
        ("why", np.int8),
    ]
)

Floats = npt.NDArray[np.float64]


@dataclass
class ScoredDraw:
    """A few unmarked samples of every cell of the combined score."""

    _shards: list[str] = field(default_factory=list)
    _parts: list[npt.NDArray[Any]] = field(default_factory=list)
    _n_waiting: int = 0
    # The largest chance that still gets in, by cell.
    _limits: Floats = field(default_factory=lambda: np.full(N_PLACES, np.inf))

    def columns(self, looks_at: Mapping[str, str]) -> list[str]:
        """Columns that it needs besides the scores: none."""
        return []

    def offer(self, rows: MarkRows, shard: str, ratios: Floats) -> None:
        """Take in the rows of a batch; marked and broken ones are passed over."""
        if not self._shards or self._shards[-1] != shard:
            self._shards.append(shard)
        places, chance = places_of(ratios), chances(rows, shard)
        is_plain = (rows.verdicts == NO_MARK) & ~rows.masks.broken
        taken = np.flatnonzero(is_plain & (chance < self._limits[places]))
        found = np.empty(len(taken), _CANDIDATE)
        found["place"], found["chance"] = places[taken], chance[taken]
        found["shard"] = len(self._shards) - 1
        found["ordinal"] = rows.rows.column("ordinal").to_numpy()[taken]
        found["why"] = why_kept(rows)[taken]
        self._take(found)

    def merge(self, later: ScoredDraw) -> None:
        """Take in the candidates of later shards."""
        for part in later._parts:
            moved = part.copy()
            moved["shard"] += len(self._shards)
            self._take(moved)
        self._shards += later._shards

    def settle(self) -> None:
        """Drop what no longer gets in."""
        if not self._parts:
            return
        found = np.concatenate(self._parts)
        found = found[np.lexsort((found["chance"], found["place"]))]
        starts = np.searchsorted(found["place"], found["place"])
        rank = np.arange(len(found)) - starts
        is_last = rank == SHOWN - 1
        self._limits[found["place"][is_last]] = found["chance"][is_last]
        found = found[rank < SHOWN]
        self._parts, self._n_waiting = [found], 0

    def picks(self, p_synthetic: Floats | None = None) -> list[Pick]:
        """The most certain, the most doubtful, and a random draw of the rest.

        Args:
            p_synthetic: posterior by cell (N_CELLS,); None where no model could be fitted.
        """
        self.settle()
        found = np.concatenate(self._parts) if self._parts else np.empty(0, _CANDIDATE)
        table = np.full(N_PLACES, np.nan)
        if p_synthetic is not None:
            table[:N_CELLS] = p_synthetic
        known, chance = table[found["place"]], found["chance"]
        openness = _openness(known)
        is_sure, is_open = known > _SURE, openness > 0
        # Posteriors come in steps; within one, which sample is shown is drawn.
        chosen = (
            ("certain", is_sure, 1e-3 * chance - known),
            ("doubtful", is_open, 1e-3 * chance - openness),
            ("kept", ~is_sure & ~is_open, chance),
        )
        return [
            self._pick(found[index], kind, known[index])
            for kind, is_wanted, ranks in chosen
            for index in _smallest(ranks, is_wanted)
        ]

    def _take(self, found: npt.NDArray[Any]) -> None:
        self._parts.append(found)
        self._n_waiting += len(found)
        if self._n_waiting > _WAITING:
            self.settle()

    def _pick(self, one: Any, kind: str, known: float) -> Pick:
        says = {"certain": _SAYS_SO, "doubtful": _SAYS_OPEN}.get(kind)
        return Pick(
            self._shards[one["shard"]],
            int(one["ordinal"]),
            (says or WHY_KEPT[one["why"]],),
            "",
            kind,
            None if np.isnan(known) else float(known),
        )


def _openness(known: Floats) -> Floats:
    """How little a posterior decides, from 1 at one half to 0 outside .05 to .95."""
    openness = 1.0 - np.abs(2.0 * known - 1.0)
    return np.where(openness > 0.1, openness, 0.0)


def _smallest(ranks: Floats, is_wanted: npt.NDArray[np.bool_]) -> Iterable[int]:
    places = np.flatnonzero(is_wanted)
    chosen: list[int] = places[np.argsort(ranks[places], kind="stable")][:SHOWN].tolist()
    return chosen
