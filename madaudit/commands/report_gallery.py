"""Unmarked samples for the report to show: the most doubtful, and a random draw of the rest."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from madaudit.commands.report_picks import Pick, Rows
from madaudit.commands.store_rows import MarkRows
from madaudit.errors import MadauditError, StoreError
from madaudit.estimation.tally import NO_MARK
from madaudit.scanning.details import read_detail
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey
from madaudit.shards import files
from madaudit.types import Sample, Shard, can_hit

SHOWN = 12
# −log10 p from which a check that calls nothing present makes a sample doubtful.
_NOTABLE = 2.0
# A cue is worth a p-value of about a thousandth when samples are ordered by doubt.
_CUE = 3.0
# Posterior from which a sample is among the most certain ones.
_SURE = 0.95
_SAYS_SO = "no mark, but its scores are those of known synthetic samples"


class _Chosen(NamedTuple):
    """A sample that may be shown; the smallest rank first."""

    rank: float
    pick: Pick


@dataclass(frozen=True)
class Posteriors:
    """Posteriors of a store, which an estimate with a calibration has written.

    Attributes:
        store: to read.
        folder: of the calibration.
    """

    store: Store
    folder: str

    def of(self, rows: MarkRows, shard: str) -> npt.NDArray[np.float64]:
        """Probability of being synthetic of each row (n,), NaN where there is none."""
        ordinals = rows.rows.column("ordinal").to_numpy()
        found = np.full(len(ordinals), np.nan)
        theirs, values = self._read(shard)
        if len(theirs):
            places = np.minimum(np.searchsorted(theirs, ordinals), len(theirs) - 1)
            is_here = theirs[places] == ordinals
            found[is_here] = values[places[is_here]]
        return found

    def _read(self, shard: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        path = f"{self.folder}/{shard}.parquet"
        try:
            with files.open_binary(files.join(self.store.url, path)) as file:
                table = pq.read_table(file, columns=["ordinal", "p_synthetic"])
            ordinals = table.column("ordinal").to_numpy().astype(np.int64, casting="safe")
            values = table.column("p_synthetic").to_numpy().astype(np.float64)
        except Exception as error:  # a damaged footer raises almost anything
            raise StoreError(
                f"cannot read {path} of store {self.store.url}: {error}; delete the folder and "
                f"run madaudit estimate again"
            ) from error
        return ordinals, values


@dataclass
class Draw:
    """The best candidates so far.

    Attributes:
        certain, doubtful, kept: unmarked samples that a posterior is sure of, that are open,
            and a random draw of the rest; in order of rank.
        posteriors: of an estimate with a calibration; doubt is then theirs alone.
    """

    certain: list[_Chosen] = field(default_factory=list)
    doubtful: list[_Chosen] = field(default_factory=list)
    kept: list[_Chosen] = field(default_factory=list)
    posteriors: Posteriors | None = None
    _looks_at: Mapping[str, str] = field(default_factory=dict)

    def columns(self, looks_at: Mapping[str, str]) -> list[str]:
        """Columns that tell doubtful samples.

        Args:
            looks_at: detector to where it looks.
        """
        self._looks_at = looks_at
        cues = [f"{name}_{part}" for name in self._cues() for part in ("state", "detail")]
        return cues + [f"{name}_score" for name in self._scored()]

    def offer(self, rows: MarkRows, shard: str) -> None:
        """Take in the rows of a batch; marked and broken ones are passed over."""
        is_plain = (rows.verdicts == NO_MARK) & ~rows.masks.broken
        known = None if self.posteriors is None else self.posteriors.of(rows, shard)
        doubt = np.where(is_plain, self._doubt(rows) if known is None else _open(known), 0.0)
        generator = np.random.default_rng(
            [zlib.crc32(shard.encode("utf-8", "replace")), self._first_ordinal(rows)]
        )
        chance = generator.random(len(doubt))
        # Posteriors come in steps; within one, which sample is shown is drawn.
        _add(
            self.doubtful,
            -doubt + 1e-3 * chance,
            doubt > 0,
            lambda i: self._doubtful(rows, shard, i, known),
        )
        says_so = np.zeros(len(doubt), dtype=bool) if known is None else known > _SURE
        _add(
            self.certain,
            1e-3 * chance - (0.0 if known is None else known),
            is_plain & says_so,
            lambda i: _chosen(
                rows, shard, i, says=(_SAYS_SO,), kind="certain", p_synthetic=_at(known, i)
            ),
        )
        _add(
            self.kept,
            chance,
            is_plain & (doubt == 0) & ~says_so,
            lambda i: _chosen(
                rows, shard, i, says=(_why_kept(rows, i),), kind="kept", p_synthetic=_at(known, i)
            ),
        )

    def picks(self) -> list[Pick]:
        """All kinds, in order."""
        return [item.pick for item in (*self.certain, *self.doubtful, *self.kept)]

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

    def _doubtful(
        self, rows: MarkRows, shard: str, index: int, known: npt.NDArray[np.float64] | None
    ) -> _Chosen:
        says = []
        for name in self._cues():
            if rows.rows.column(f"{name}_state")[index].as_py() == "present":
                detail = read_detail(rows.rows.column(f"{name}_detail")[index].as_py())
                says.append(str(detail.get("says") or f"{name} found a cue"))
        for name in self._scored():
            score = rows.rows.column(f"{name}_score")[index].as_py()
            if score is not None and score >= _NOTABLE:
                says.append(f"{name} scores {score:.3g}, not enough to call it marked")
        if known is not None:
            says.append("its scores leave open whether it is synthetic")
        return _chosen(
            rows, shard, index, says=tuple(says), kind="doubtful", p_synthetic=_at(known, index)
        )

    @staticmethod
    def _first_ordinal(rows: MarkRows) -> int:
        return int(rows.rows.column("ordinal")[0].as_py()) if rows.rows.num_rows else 0


def _why_kept(rows: MarkRows, index: int) -> str:
    if rows.masks.observable[index]:
        return "no mark found, where one would have been seen"
    return "no mark found, where none or not every one could have been seen"


def _chosen(rows: MarkRows, shard: str, index: int, **about: Any) -> _Chosen:
    ordinal = int(rows.rows.column("ordinal")[index].as_py())
    return _Chosen(0.0, Pick(shard, ordinal, label="", **about))


def _open(known: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How little a posterior decides, from 1 at one half to 0 outside .05 to .95."""
    openness = 1.0 - np.abs(2.0 * known - 1.0)
    return np.where(openness > 0.1, openness, 0.0)


def _at(known: npt.NDArray[np.float64] | None, index: int) -> float | None:
    return None if known is None or np.isnan(known[index]) else float(known[index])


def _add(
    best: list[_Chosen],
    ranks: npt.NDArray[np.float64],
    is_wanted: npt.NDArray[np.bool_],
    make: Any,
) -> None:
    """Keep the SHOWN smallest ranks; only rows that get in are made."""
    limit = best[-1].rank if len(best) == SHOWN else np.inf
    places = np.flatnonzero(is_wanted & (ranks < limit))
    places = places[np.argsort(ranks[places], kind="stable")][:SHOWN]
    best += [make(int(index))._replace(rank=float(ranks[index])) for index in places]
    best.sort(key=lambda item: item.rank)
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
