"""Clean shards: the kept samples of tar archives, byte for byte, in archives of equal length.

Beside each `00000.tar` stand `00000.parquet` (img2dataset's record of every sample, with where it
came from) and, written last, `00000_stats.json`. Its digest names what is in the archive, so an
interrupted run goes on where it stopped, to the same bytes. `_madaudit/` holds the request and
the list of rejects.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from madaudit.commands.filter import Filtered, Tally, decisions, filtered
from madaudit.commands.filter_lists import RejectWriter, reject_file
from madaudit.errors import InputError, MadauditError, RequestError, ShardError
from madaudit.hooks.selection import KEPT, Decided, Selection
from madaudit.scanning.store import Store
from madaudit.shards.entries import OWN_FOLDER
from madaudit.shards.raw_copy import END_MARK, copy_parts
from madaudit.shards.sidecar_table import whole_table
from madaudit.shards.tar import OpenTar, Stretches, TarReader
from madaudit.types import Shard

_REQUEST = f"{OWN_FOLDER}/filter.json"
_REJECTED = f"{OWN_FOLDER}/rejected.parquet"
# What a sidecar holds where the input has none: columns of the store, as img2dataset names them.
_SIDECAR = ("url", "caption", "uid", "sha256", "width", "height")


class Piece(NamedTuple):
    """The samples of one input shard that go into one clean shard.

    Attributes:
        shard: name of the input shard.
        rows: `ordinal`, `key` and the columns of `_SIDECAR`.
    """

    shard: str
    rows: pa.RecordBatch


@dataclass
class _Inputs:
    """The archives that samples are copied from, the one walked last kept in mind."""

    markers: dict[str, dict[str, Any]]
    _walked: tuple[str, list[Stretches]] | None = field(default=None)

    def shard(self, name: str) -> Shard:
        seen = self.markers[name]["input"]
        return Shard(name, seen["uri"], seen["reader"], seen["size_bytes"], seen["version"])

    def stretches(self, name: str) -> list[Stretches]:
        """Where the samples of a shard lie.

        Raises:
            ShardError: it cannot be read, or is not what was scanned.
        """
        if self._walked is None or self._walked[0] != name:
            self._walked = name, self._walk(name)
        return self._walked[1]

    def _walk(self, name: str) -> list[Stretches]:
        marker = self.markers[name]
        with TarReader().open(self.shard(name), maps=False) as source:
            if not isinstance(source, OpenTar):
                raise TypeError(f"the tar reader opened {type(source).__name__}")
            found = source.stretches()
            digest = source.header_digest()
        is_same = marker["input"]["digest"] != "headers" or marker["input"]["sha256"] == digest
        if len(found) != marker["n_samples"] or not is_same:
            raise ShardError(f"{name} changed since it was scanned; scan again")
        return found


def write_shards(selection: Selection, output: str, shard_size: int) -> Filtered:
    """Write the kept samples as clean shards, those that are there already left alone."""
    _require_archives(selection)
    out = Store(output.rstrip("/"))
    _require_same_request(out, selection, shard_size)
    out.sweep()
    inputs = _Inputs({marker["shard"]: marker for marker in selection.markers})
    tally = Tally()
    failed: dict[str, str] = {}
    n_rows = sum(marker["n_rows"] for marker in selection.markers)
    width = max(5, len(str(n_rows // shard_size)))
    n_shards = 0
    with reject_file(out, _REJECTED, selection) as rejects:
        for number, pieces in enumerate(_plan(selection, inputs, shard_size, tally, rejects)):
            name = f"{number:0{width}d}"
            try:
                _write_shard(out, name, pieces, inputs)
                n_shards += 1
            except (ShardError, InputError) as error:
                failed[name] = str(error)
            except OSError as error:
                failed[name] = f"cannot copy: {error}"
    unfinished = [f"{name}.tar: {reason}" for name, reason in failed.items()]
    return filtered(
        selection,
        tally,
        to="shards",
        output=output,
        unfinished=unfinished,
        shards=n_shards,
    )


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
    inputs: _Inputs,
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
    for shard, decided in decisions(selection, [*_SIDECAR, *rejects.columns], tally):
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


def _refused(inputs: _Inputs, selection: Selection, shard: str) -> dict[int, str]:
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


def _write_shard(out: Store, name: str, pieces: list[Piece], inputs: _Inputs) -> None:
    """One clean shard, unless it is there; its `_stats.json` is written last."""
    n_samples = sum(piece.rows.num_rows for piece in pieces)
    digest = _digest(pieces, inputs)
    stats_path = f"{name}_stats.json"
    found = out.read_json(stats_path)
    if isinstance(found, dict) and found.get("digest") == digest:
        return
    with out.create(f"{name}.tar") as file:
        for piece in pieces:
            samples = inputs.stretches(piece.shard)
            ordinals = piece.rows.column("ordinal").to_pylist()
            parts = (part for ordinal in ordinals for part in samples[ordinal].parts)
            copy_parts(inputs.shard(piece.shard).uri, parts, file)
        file.write(END_MARK)
    with out.create(f"{name}.parquet") as file:
        pq.write_table(_sidecar(pieces, inputs), file, compression="zstd")
    out.write_json(
        stats_path,
        {
            "count": n_samples,
            "successes": n_samples,
            "failed_to_download": 0,
            "failed_to_resize": 0,
            "status_dict": {"success": n_samples},
            "digest": digest,
        },
    )


def _digest(pieces: list[Piece], inputs: _Inputs) -> str:
    """SHA-256 (hexadecimal) of what goes into a clean shard: inputs and ordinals."""
    sha = hashlib.sha256()
    for piece in pieces:
        identity = [piece.shard, inputs.markers[piece.shard]["input"]["sha256"]]
        sha.update(json.dumps(identity).encode())
        ordinals: npt.NDArray[np.int64] = piece.rows.column("ordinal").to_numpy()
        sha.update(np.ascontiguousarray(ordinals, dtype="<i8").tobytes())
    return sha.hexdigest()


def _sidecar(pieces: list[Piece], inputs: _Inputs) -> pa.Table:
    """The inputs' own records of the samples, or the store's where an input has none."""
    tables: dict[str, pa.Table | None] = {}
    for piece in pieces:
        if piece.shard not in tables:
            uri = inputs.shard(piece.shard).uri.removesuffix(".tar") + ".parquet"
            tables[piece.shard] = whole_table(uri)
    parts = [_records(piece, tables[piece.shard]) for piece in pieces]
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except pa.ArrowException:  # columns of one name and of kinds that do not mix
        return pa.concat_tables([_records(piece, None) for piece in pieces])


def _records(piece: Piece, table: pa.Table | None) -> pa.Table:
    rows = piece.rows
    n = rows.num_rows
    if table is None:
        columns = {"key": rows.column("key")}
        columns |= {name: rows.column(name) for name in _SIDECAR}
        columns["status"] = pa.array(["success"] * n, pa.string())
        found = pa.table(columns)
    else:
        keys = table.column("key").cast(pa.string()).combine_chunks()
        found = table.take(pc.index_in(rows.column("key"), value_set=keys))
        place = found.column_names.index("key")
        found = found.set_column(place, "key", pa.chunked_array([rows.column("key")]))
    origin = {"source_shard": pa.array([piece.shard] * n, pa.string())}
    origin["source_ordinal"] = rows.column("ordinal")
    for name, column in origin.items():
        if name in found.column_names:
            found = found.drop_columns([name])
        found = found.append_column(name, column)
    return found
