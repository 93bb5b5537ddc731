"""One clean shard: samples of tar archives copied byte for byte, with their records.

A clean shard depends on nothing but its pieces and the archives that they name, so any process
can write it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from madaudit.errors import InputError, ShardError
from madaudit.scanning.store import Store
from madaudit.shards.raw_copy import END_MARK, copy_parts
from madaudit.shards.sidecar_table import whole_table
from madaudit.shards.tar import OpenTar, Stretches, TarReader
from madaudit.types import Shard

#: What a sidecar holds where the input has none: columns of the store, as img2dataset names them.
SIDECAR = ("url", "caption", "uid", "sha256", "width", "height")


class Piece(NamedTuple):
    """The samples of one input shard that go into one clean shard.

    Attributes:
        shard: name of the input shard.
        rows: `ordinal`, `key` and the columns of `SIDECAR`.
    """

    shard: str
    rows: pa.RecordBatch


@dataclass
class Inputs:
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


class CleanShard(NamedTuple):
    """A shard to be written.

    Attributes:
        name: without an ending.
        pieces: what goes into it, in order.
    """

    name: str
    pieces: list[Piece]


class Written(NamedTuple):
    """What became of a clean shard.

    Attributes:
        name: of it.
        problem: why it could not be made; None where it stands.
    """

    name: str
    problem: str | None


def write_clean_shard(out: Store, shard: CleanShard, inputs: Inputs) -> Written:
    """Write a clean shard, unless it is there.

    Raises:
        StoreError: the folder cannot be written.
    """
    try:
        _write(out, shard.name, shard.pieces, inputs)
    except (ShardError, InputError) as error:
        return Written(shard.name, str(error))
    except OSError as error:
        return Written(shard.name, f"cannot copy: {error}")
    return Written(shard.name, None)


def _write(out: Store, name: str, pieces: list[Piece], inputs: Inputs) -> None:
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


def _digest(pieces: list[Piece], inputs: Inputs) -> str:
    """SHA-256 (hexadecimal) of what goes into a clean shard: inputs and ordinals."""
    sha = hashlib.sha256()
    for piece in pieces:
        identity = [piece.shard, inputs.markers[piece.shard]["input"]["sha256"]]
        sha.update(json.dumps(identity).encode())
        ordinals: npt.NDArray[np.int64] = piece.rows.column("ordinal").to_numpy()
        sha.update(np.ascontiguousarray(ordinals, dtype="<i8").tobytes())
    return sha.hexdigest()


def _sidecar(pieces: list[Piece], inputs: Inputs) -> pa.Table:
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
        columns |= {name: rows.column(name) for name in SIDECAR}
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
