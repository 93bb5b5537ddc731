"""Which samples of one store are in another, by what identifies them beyond their place."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from madaudit.commands.store_rows import MarkRows
from madaudit.errors import OptionError
from madaudit.estimation.tally import NO_MARK
from madaudit.limits import MAX_JOINED_ROWS
from madaudit.registry import suggest
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey
from madaudit.types import LABELS

#: Columns that identify a sample, the surest first. A key repeats, so it counts with its shard.
IDENTITIES = ("content_digest", "sha256", "uid", "url", "key")
VERDICTS = (*LABELS, "unmarked")
_UNMARKED = len(LABELS)


@dataclass(frozen=True)
class Join:
    """Samples of two stores by whether both have them.

    Attributes:
        by: the column.
        kept, appeared, vanished: samples in both, in the second alone, in the first alone.
        without: rows of either store that lack the column's value.
        one_in: every how manieth sample was joined; counts are scaled by it.
        changed: "unmarked → synthetic" and so on to samples in both whose verdict changed.
        appeared_as, vanished_as: verdict to samples.
    """

    by: str
    kept: int
    appeared: int
    vanished: int
    without: tuple[int, int]
    one_in: int
    changed: dict[str, int]
    appeared_as: dict[str, int]
    vanished_as: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "without": list(self.without)}


class _Samples(NamedTuple):
    """Distinct samples: hash (n,), ascending, and the strongest verdict of each (n,)."""

    identity: npt.NDArray[np.uint64]
    verdict: npt.NDArray[np.int8]


@dataclass
class Identities:
    """What identifies the samples of one store, gathered batch by batch.

    Attributes:
        column: one of IDENTITIES.
        one_in: keep every one_in-th sample, chosen by its hash, so that both stores keep the same.
        without: rows that lack a value.
    """

    column: str
    one_in: int
    without: int = 0
    _hashes: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    _verdicts: list[npt.NDArray[np.int8]] = field(default_factory=list)

    def add(self, rows: MarkRows, shard: str) -> None:
        """Take in the rows of a batch."""
        values = rows.rows.column(self.column).to_pylist()
        prefix = f"{shard}\0" if self.column == "key" else ""
        kept = [place for place, value in enumerate(values) if value]
        self.without += len(values) - len(kept)
        hashes = np.fromiter(
            (_hash(prefix + values[place]) for place in kept), np.uint64, len(kept)
        )
        verdicts = np.where(rows.verdicts == NO_MARK, _UNMARKED, rows.verdicts)[kept]
        is_drawn = hashes % np.uint64(self.one_in) == 0
        self._hashes.append(hashes[is_drawn])
        self._verdicts.append(verdicts[is_drawn].astype(np.int8))

    def distinct(self) -> _Samples:
        """Every sample once, with the strongest mark of its copies."""
        hashes = np.concatenate([*self._hashes, np.empty(0, np.uint64)])
        verdicts = np.concatenate([*self._verdicts, np.empty(0, np.int8)])
        order = np.lexsort((verdicts, hashes))
        hashes, verdicts = hashes[order], verdicts[order]
        is_first = np.ones(len(hashes), dtype=bool)
        is_first[1:] = hashes[1:] != hashes[:-1]
        return _Samples(hashes[is_first], verdicts[is_first])


def choose_identity(stores: Sequence[tuple[Store, Survey]], wanted: str) -> str | None:
    """The surest column that the first rows of all stores have.

    Args:
        stores: with their surveys.
        wanted: a column, "auto", or "none".

    Returns:
        Its name; None where there is none, or none is wanted.

    Raises:
        OptionError: no such column.
    """
    if wanted == "none":
        return None
    if wanted != "auto":
        if wanted not in IDENTITIES:
            known = ["auto", "none", *IDENTITIES]
            raise OptionError(f"--join {wanted!r} does not exist{suggest(wanted, known)}")
        return wanted
    firsts = [_first_rows(store, survey) for store, survey in stores]
    for name in IDENTITIES:
        if all(rows is not None and _mostly_there(rows.column(name)) for rows in firsts):
            return name
    return None


def slices_of(surveys: Sequence[Survey]) -> int:
    """Every how manieth sample to join, so that memory stays bounded."""
    rows: int = max(sum(m["n_rows"] for m in survey.markers) for survey in surveys)
    return max(1, -(-rows // MAX_JOINED_ROWS))


def join(before: Identities, after: Identities) -> Join:
    """Both stores' samples, by identity."""
    first, second = before.distinct(), after.distinct()
    _, in_first, in_second = np.intersect1d(
        first.identity, second.identity, assume_unique=True, return_indices=True
    )
    scale = before.one_in
    was, now = first.verdict[in_first], second.verdict[in_second]
    moved = np.bincount(was.astype(np.int64) * len(VERDICTS) + now, minlength=len(VERDICTS) ** 2)
    return Join(
        before.column,
        len(was) * scale,
        (len(second.identity) - len(was)) * scale,
        (len(first.identity) - len(was)) * scale,
        (before.without, after.without),
        scale,
        {
            f"{VERDICTS[code // len(VERDICTS)]} → {VERDICTS[code % len(VERDICTS)]}": int(n) * scale
            for code, n in enumerate(moved.tolist())
            if n and code // len(VERDICTS) != code % len(VERDICTS)
        },
        _by_verdict(np.delete(second.verdict, in_second), scale),
        _by_verdict(np.delete(first.verdict, in_first), scale),
    )


def _by_verdict(verdicts: npt.NDArray[np.int8], scale: int) -> dict[str, int]:
    counts = np.bincount(verdicts, minlength=len(VERDICTS))
    return {name: int(n) * scale for name, n in zip(VERDICTS, counts.tolist(), strict=True) if n}


def _first_rows(store: Store, survey: Survey) -> pa.RecordBatch | None:
    for marker in survey.markers:
        if marker["n_rows"]:
            return next(iter(store.row_batches(marker["shard"], list(IDENTITIES))), None)
    return None


def _mostly_there(column: pa.Array) -> bool:
    return bool(2 * column.null_count < len(column))


def _hash(text: str) -> int:
    """64 bits: two of 20 million samples share one with a probability of 1e-5."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")
