"""Stores of known samples to what a calibration is fitted on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from madaudit.commands.store_rows import MarkRows, mark_rows
from madaudit.estimation.known_samples import KnownSamples, SourceName
from madaudit.estimation.tally import COMPOSITE, SYNTHETIC
from madaudit.scanning.store import Store

Floats = npt.NDArray[np.float64]


class _Rows(NamedTuple):
    """Some sound rows: their place, scores and marks, and the keys of copies."""

    places: npt.NDArray[np.int64]
    scores: Floats
    marked: npt.NDArray[np.bool_]
    contents: list[str | None]
    hashes: list[int | None]


@dataclass(frozen=True, eq=False)
class StoredSource:
    """The sound rows of one source.

    Attributes:
        shards: names of its shards.
        places: of each row: place of its shard in `shards`, and its ordinal (n, 2).
        scores: logits by graded detector (n, K), NaN where there is none.
        marked: with a mark that says synthetic or composite (n,).
        contents: digests of their pixels (n,), None below tier "pixels".
        hashes: perceptual hashes (n,), likewise.
        broken: rows that are not sound and so not among these, by status.
    """

    shards: tuple[str, ...]
    places: npt.NDArray[np.int64]
    scores: Floats
    marked: npt.NDArray[np.bool_]
    contents: list[str | None]
    hashes: list[int | None]
    broken: dict[str, int]


def read_source(store: Store, graded: Sequence[str]) -> StoredSource:
    """All rows of the store of one source.

    Args:
        store: of one source.
        graded: names of the detectors whose scores are wanted.

    Raises:
        StoreError: it cannot be read.
    """
    survey = store.survey()
    shards = tuple(marker["shard"] for marker in survey.markers)
    extra = ["content_digest", "perceptual_hash"]
    extra += [f"{name}_{part}" for name in graded for part in ("state", "score")]
    broken: Counter[str] = Counter()
    parts = [_nothing(len(graded))]
    for place, shard in enumerate(shards):
        for rows in mark_rows(store, shard, survey.looks_at, extra):
            statuses = rows.rows.column("status").to_pylist()
            broken.update(status for status in statuses if status != "ok")
            parts.append(_sound(rows, place, graded))
    return StoredSource(
        shards,
        np.concatenate([part.places for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.marked for part in parts]),
        [content for part in parts for content in part.contents],
        [value for part in parts for value in part.hashes],
        dict(broken),
    )


def _nothing(n_detectors: int) -> _Rows:
    none = np.zeros((0, 2), dtype=np.int64)
    return _Rows(none, np.zeros((0, n_detectors)), np.zeros(0, dtype=bool), [], [])


def _sound(rows: MarkRows, place: int, graded: Sequence[str]) -> _Rows:
    sound = np.flatnonzero(~rows.masks.broken)
    taken = rows.rows.take(pa.array(sound))
    ordinals = taken.column("ordinal").to_numpy()
    return _Rows(
        np.stack([np.full(len(sound), place), ordinals], axis=1).astype(np.int64),
        np.stack([_scores(taken, name) for name in graded], axis=1),
        np.isin(rows.verdicts[sound], (SYNTHETIC, COMPOSITE)),
        taken.column("content_digest").to_pylist(),
        taken.column("perceptual_hash").to_pylist(),
    )


def _scores(rows: pa.RecordBatch, name: str) -> Floats:
    """Scores where the detector has one, NaN elsewhere (n,)."""
    scores = rows.column(f"{name}_score").to_numpy(zero_copy_only=False).astype(np.float64)
    states = np.asarray(rows.column(f"{name}_state").to_pylist(), dtype=object)
    return np.asarray(np.where(states == "present", scores, np.nan))


def join_sources(
    graded: Sequence[str], sources: Mapping[SourceName, StoredSource]
) -> KnownSamples:
    """All sources as known samples, in their order."""
    stored = list(sources.values())
    lengths = [len(one.marked) for one in stored]
    return KnownSamples(
        detectors=tuple(graded),
        scores=np.concatenate([one.scores for one in stored]),
        sources=tuple(sources),
        source=np.repeat(np.arange(len(stored)), lengths),
        marked=np.concatenate([one.marked for one in stored]),
        contents=[content for one in stored for content in one.contents],
        hashes=[value for one in stored for value in one.hashes],
    )
