"""Unmarked samples for the report to show: the most doubtful, and a random draw of the rest."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.commands.report_picks import Pick, Rows
from madaudit.commands.store_rows import MarkRows
from madaudit.errors import MadauditError
from madaudit.estimation.tally import NO_MARK
from madaudit.scanning.details import read_detail
from madaudit.scanning.survey import Survey
from madaudit.types import Sample, Shard, can_hit

SHOWN = 12
# −log10 p from which a check that calls nothing present makes a sample doubtful.
_NOTABLE = 2.0
# A cue is worth a p-value of about a thousandth when samples are ordered by doubt.
_CUE = 3.0
WHY_KEPT = (
    "no mark found, where none or not every one could have been seen",
    "no mark found, where one would have been seen",
    "no mark found, in a file without any metadata: it may have been stripped",
)

Floats = npt.NDArray[np.float64]


class _Chosen(NamedTuple):
    """A sample that may be shown; the smallest rank first."""

    rank: float
    pick: Pick


@dataclass
class Draw:
    """The best candidates so far, where nothing but marks and cues tells samples apart.

    Attributes:
        doubtful, kept: unmarked samples for which something speaks, and a random draw of the
            rest; in order of rank.
    """

    doubtful: list[_Chosen] = field(default_factory=list)
    kept: list[_Chosen] = field(default_factory=list)
    _looks_at: Mapping[str, str] = field(default_factory=dict)

    def columns(self, looks_at: Mapping[str, str]) -> list[str]:
        """Columns that tell doubtful samples.

        Args:
            looks_at: detector to where it looks.
        """
        self._looks_at = looks_at
        cues = [f"{name}_{part}" for name in self._cues() for part in ("state", "detail")]
        return cues + [f"{name}_score" for name in self._scored()]

    def offer(self, rows: MarkRows, shard: str, ratios: Floats) -> None:
        """Take in the rows of a batch; marked and broken ones are passed over."""
        is_plain = (rows.verdicts == NO_MARK) & ~rows.masks.broken
        doubt = np.where(is_plain, self._doubt(rows), 0.0)
        chance = chances(rows, shard)
        # Within one and the same doubt, which sample is shown is drawn.
        ranks = 1e-3 * chance - doubt
        _add(self.doubtful, ranks, doubt > 0, lambda i: self._doubtful(rows, shard, i))
        _add(
            self.kept,
            chance,
            is_plain & (doubt == 0),
            lambda i: _chosen(rows, shard, i, says=(WHY_KEPT[why_kept(rows)[i]],), kind="kept"),
        )

    def merge(self, later: Draw) -> None:
        """Take in the candidates of later shards."""
        self.doubtful = sorted([*self.doubtful, *later.doubtful], key=_rank)[:SHOWN]
        self.kept = sorted([*self.kept, *later.kept], key=_rank)[:SHOWN]

    def picks(self, p_synthetic: Floats | None = None) -> list[Pick]:
        """All kinds, in order."""
        return [item.pick for item in (*self.doubtful, *self.kept)]

    def _cues(self) -> list[str]:
        return [name for name in self._looks_at if name.startswith("cue_")]

    def _scored(self) -> list[str]:
        return [
            name for name, place in self._looks_at.items() if place != "metadata" and can_hit(name)
        ]

    def _doubt(self, rows: MarkRows) -> npt.NDArray[np.float64]:
        """How much speaks for a generator, 0 for nothing: cues, and scores short of a mark."""
        doubt = np.zeros(rows.rows.num_rows)
        for name in self._cues():
            doubt += _CUE * (np.asarray(rows.rows.column(f"{name}_state")) == "present")
        for name in self._scored():
            scores = np.nan_to_num(
                rows.rows.column(f"{name}_score").to_numpy(zero_copy_only=False), nan=0.0
            )
            doubt = np.maximum(doubt, np.where(scores >= _NOTABLE, scores, 0.0))
        return doubt

    def _doubtful(self, rows: MarkRows, shard: str, index: int) -> _Chosen:
        says = []
        for name in self._cues():
            if rows.rows.column(f"{name}_state")[index].as_py() == "present":
                detail = read_detail(rows.rows.column(f"{name}_detail")[index].as_py())
                says.append(str(detail.get("says") or f"{name} found a cue"))
        for name in self._scored():
            score = rows.rows.column(f"{name}_score")[index].as_py()
            if score is not None and score >= _NOTABLE:
                says.append(f"{name} scores {score:.3g}, not enough to call it marked")
        return _chosen(rows, shard, index, says=tuple(says), kind="doubtful")


def _rank(one: _Chosen) -> float:
    return one.rank


def chances(rows: MarkRows, shard: str) -> Floats:
    """A number of [0, 1) for each row, by which samples are drawn; the same in every run."""
    ordinals = rows.rows.column("ordinal")
    first = int(ordinals[0].as_py()) if len(ordinals) else 0
    generator = np.random.default_rng([zlib.crc32(shard.encode("utf-8", "replace")), first])
    return generator.random(len(ordinals))


def why_kept(rows: MarkRows) -> npt.NDArray[np.int8]:
    """Which of WHY_KEPT holds of each row (n,)."""
    return rows.masks.observable.astype(np.int8) + rows.masks.bare


def _chosen(rows: MarkRows, shard: str, index: int, **about: Any) -> _Chosen:
    ordinal = int(rows.rows.column("ordinal")[index].as_py())
    return _Chosen(0.0, Pick(shard, ordinal, label="", **about))


def _add(
    best: list[_Chosen],
    ranks: Floats,
    is_wanted: npt.NDArray[np.bool_],
    make: Callable[[int], _Chosen],
) -> None:
    """Keep the SHOWN smallest ranks; only rows that get in are made."""
    limit = best[-1].rank if len(best) == SHOWN else np.inf
    places = np.flatnonzero(is_wanted & (ranks < limit))
    if not len(places):
        return
    places = places[np.argsort(ranks[places], kind="stable")][:SHOWN]
    best += [make(int(index))._replace(rank=float(ranks[index])) for index in places]
    best.sort(key=_rank)
    del best[SHOWN:]


def with_pictures(picks: Sequence[Pick], rows: Rows, survey: Survey) -> list[Pick]:
    """Pictures made from the inputs, where they are there and unchanged.

    The store says where they are, so only for a store that one trusts.
    """
    from madaudit.scanning.plan import Plan
    from madaudit.scanning.thumbnails import thumbnail_of
    from madaudit.shards import load_reader
    from madaudit.shards.locate import revisit

    markers = {marker["shard"]: marker["input"] for marker in survey.markers}
    plan = Plan(tuple(survey.detectors), thumbnails=survey.manifest["plan"]["thumbnails"])
    found = []
    for pick in picks:
        seen, row = markers[pick.shard], rows[pick.shard, pick.ordinal]
        shard = Shard(
            pick.shard, seen["uri"], seen["reader"], seen["size_bytes"], seen["version"],
            tuple(seen.get("paths", ())),
        )  # fmt: skip
        sample = Sample(pick.ordinal, row["key"], row["offset"], row["size"])
        picture = None
        try:
            if revisit(shard) == shard:
                with load_reader(shard.reader).open(shard) as source:
                    picture = thumbnail_of(source, sample, plan)
        except (MadauditError, OSError, ValueError):
            picture = None
        found.append(pick._replace(thumbnail=picture))
    return found
