"""Clean shards: the kept samples of tar archives, byte for byte, in archives of equal length.

Beside each `00000.tar` stand `00000.parquet` (img2dataset's record of every sample, with where it
came from) and, written last, `00000_stats.json`. Its digest names what is in the archive, so an
interrupted run goes on where it stopped, to the same bytes. `_madaudit/` holds the request and
the list of rejects.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from madaudit.commands.clean_shard import SIDECAR, CleanShard, Inputs, Piece
from madaudit.commands.clean_shard_pool import write_all
from madaudit.commands.filter import Filtered, Tally, decisions, filtered
from madaudit.commands.filter_lists import RejectWriter, reject_file
from madaudit.commands.progress import RowProgress
from madaudit.errors import InputError, MadauditError, RequestError
from madaudit.hooks.selection import KEPT, Decided, Selection
from madaudit.scanning.engines.pool import POOL_PAYS_BYTES, default_workers
from madaudit.scanning.store import Store
from madaudit.shards.entries import OWN_FOLDER

_REQUEST = f"{OWN_FOLDER}/filter.json"
_REJECTED = f"{OWN_FOLDER}/rejected.parquet"


def write_shards(
    selection: Selection, output: str, shard_size: int, workers: int | None, *, is_quiet: bool
) -> Filtered:
    """Write the kept samples as clean shards, those that are there already left alone."""
    _require_archives(selection)
    out = Store(output.rstrip("/"))
    _require_same_request(out, selection, shard_size)
    out.sweep()
    inputs = Inputs({marker["shard"]: marker for marker in selection.markers})
    tally = Tally()
    n_rows = sum(marker["n_rows"] for marker in selection.markers)
    n_workers = _n_workers(selection, n_rows / shard_size, workers)
    width = max(5, len(str(n_rows // shard_size)))
    rows_behind: dict[str, int] = {}
    unfinished: list[str] = []
    n_shards = 0
    with (
        reject_file(out, _REJECTED, selection) as rejects,
        RowProgress(n_rows, is_quiet=is_quiet) as progress,
    ):

        def planned() -> Iterator[CleanShard]:
            for number, pieces in enumerate(_plan(selection, inputs, shard_size, tally, rejects)):
                name = f"{number:0{width}d}"
                rows_behind[name] = tally.n_rows
                yield CleanShard(name, pieces)

        for name, problem in write_all(planned(), out, inputs, n_workers):
            progress.show(rows_behind.pop(name))
            if problem is None:
                n_shards += 1
            else:
                unfinished.append(f"{name}.tar: {problem}")
    return filtered(
        selection,
        tally,
        to="shards",
        output=output,
        unfinished=sorted(unfinished),
        shards=n_shards,
    )


def _n_workers(selection: Selection, n_shards: float, workers: int | None) -> int:
    """How many processes write: as many as asked for, else as pay; no more than shards."""
    if workers is None:
        n_bytes = sum(marker["input"]["size_bytes"] for marker in selection.markers)
        workers = default_workers() if n_bytes > POOL_PAYS_BYTES else 1
    return max(1, min(workers, math.ceil(n_shards)))


def _require_archives(selection: Selection) -> None:
    others = {marker["input"]["reader"] for marker in selection.markers} - {"tar"}
    if others:
        raise InputError(
            f"cannot write clean shards: the store is of {', '.join(sorted(others))} data, and "
            f"only tar shards are copied byte for byte; write a list (--to keys, --to parquet) "
            f"or filter where it is read (madaudit.hooks.huggingface, madaudit.hooks.torch)"
        )


def _require_same_request(out: Store, selection: Selection, shard_size: int) -> None:
    """Begin, or go on with the same request; a folder of another one is left alone."""
    request = {
        "fingerprint": selection.fingerprint,
        "shard_size": shard_size,
        "store": selection.store.url,
        "rule": selection.rule.to_dict(),
    }
    found = out.read_json(_REQUEST)
    if found is None:
        out.write_json(_REQUEST, request)
        return
    same = ("fingerprint", "shard_size")
    if not isinstance(found, dict) or any(found.get(name) != request[name] for name in same):
        raise RequestError(
            f"cannot go on in {out.url}: it was made by another request, or the store has "
            f"changed since; choose another folder, or delete this one"
        )


def _plan(
    selection: Selection,
    inputs: Inputs,
    shard_size: int,
    tally: Tally,
    rejects: RejectWriter,
) -> Iterator[list[Piece]]:
    """What goes into each clean shard, in order; a pure function of store and rule.

    A shard ends early where two neighbours would have one key, since readers would join them.
    """
    pieces: list[Piece] = []
    room, last_key = shard_size, None
    refused: tuple[str, dict[int, str]] = "", {}
    for shard, decided in decisions(selection, [*SIDECAR, *rejects.columns], tally):
        if refused[0] != shard:
            refused = shard, _refused(inputs, selection, shard)
        if refused[1]:
            decided = _without_refused(decided, refused[1], selection, tally)  # noqa: PLW2901
        rejects.add(shard, decided)
        rows = decided.rows.take(pa.array(decided.kept))
        for part in _parts(rows, room, shard_size, last_key):
            if part is None:
                yield pieces
                pieces, room = [], shard_size
                continue
            pieces.append(Piece(shard, part))
            room -= part.num_rows
            last_key = part.column("key")[-1].as_py()
    if pieces:
        yield pieces


def _parts(
    rows: pa.RecordBatch, room: int, shard_size: int, last_key: str | None
) -> Iterator[pa.RecordBatch | None]:
    """Rows cut where a clean shard is full; None stands for the end of one."""
    keys = np.array([last_key, *rows.column("key").to_pylist()], dtype=object)
    clashes = np.flatnonzero(keys[1:] == keys[:-1]).tolist()
    start = 0
    while start < rows.num_rows:
        if room == 0 or (clashes and clashes[0] == start and room < shard_size):
            yield None
            room = shard_size
        clashes = [place for place in clashes if place > start]
        end = min(rows.num_rows, start + room, *clashes[:1])
        yield rows.slice(start, end - start)
        room -= end - start
        start = end


def _refused(inputs: Inputs, selection: Selection, shard: str) -> dict[int, str]:
    """Samples of a damaged shard that cannot be copied as they are, with the reason."""
    is_unsafe = "unsafe_member" in inputs.markers[shard]["status"]
    if not is_unsafe and shard not in selection.survey.quarantine:
        return {}
    try:
        return {one.ordinal: one.refused for one in inputs.stretches(shard) if one.refused}
    except (MadauditError, OSError):
        return {}  # the copy fails for the same reason, and says so


def _without_refused(
    decided: Decided, refused: dict[int, str], selection: Selection, tally: Tally
) -> Decided:
    """Rows with those dropped that cannot be copied."""
    ordinals = decided.rows.column("ordinal").to_numpy()
    codes = decided.codes.copy()
    for place in np.flatnonzero(np.isin(ordinals, list(refused)) & (codes == KEPT)).tolist():
        codes[place] = selection.uncopied
        tally.kept -= 1
        tally.reasons[selection.reasons[selection.uncopied - 1]] += 1
    return decided._replace(codes=codes)
