"""Lists of what a filter keeps, in the forms that other tools read; and the list of rejects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from madaudit.commands.filter import Column, Filtered, Tally, To, decisions, filtered
from madaudit.commands.progress import RowProgress
from madaudit.errors import InputError, OptionError
from madaudit.hooks.selection import Decided, Selection
from madaudit.scanning.store import Store
from madaudit.shards import files
from madaudit.shards.datacomp import uid_pairs, write_subset
from madaudit.shards.laion import laion_hashes

_REJECTS = pa.schema(
    [
        ("shard", pa.string()),
        ("ordinal", pa.int64()),
        ("key", pa.string()),
        ("uid", pa.string()),
        ("url", pa.string()),
        ("reason", pa.string()),
        ("says", pa.string()),
    ]
)
_ROWS = ("uid", "url", "caption", "sha256", "status", "width", "height", "format")


class _List(ABC):
    """A list being written.

    Class attributes:
        columns: of the store that it needs.
    """

    columns: Sequence[str] = ()

    @abstractmethod
    def add(self, shard: str, decided: Decided) -> int:
        """Take in some rows; how many kept ones it cannot name."""

    @abstractmethod
    def finish(self) -> None:
        """Write what was held back."""


class _Text(_List):
    """One key, uid or URL a line."""

    def __init__(self, file: BinaryIO, column: Column) -> None:
        self._file = file
        self._column = column
        self.columns = (column,)

    def add(self, shard: str, decided: Decided) -> int:
        names = decided.rows.column(self._column).take(pa.array(decided.kept)).to_pylist()
        lines = [name for name in names if name]
        text = "\n".join(lines)
        if lines:
            if len(text.splitlines()) != len(lines):
                broken = next(line for line in lines if len(line.splitlines()) != 1)
                raise InputError(
                    f"cannot list the {self._column} {broken[:80]!r} of shard {shard}: it has a "
                    f"line break; write Parquet (-o NAME.parquet)"
                )
            self._file.write(text.encode() + b"\n")
        return len(names) - len(lines)

    def finish(self) -> None:
        """Every line is written already."""


class _Parquet(_List):
    """Parquet with `shard`, `ordinal` and some columns of the store."""

    def __init__(self, file: BinaryIO, columns: Sequence[str], needed: str | None) -> None:
        self._file = file
        self.columns = columns
        self._needed = needed
        self._writer: pq.ParquetWriter | None = None

    def add(self, shard: str, decided: Decided) -> int:
        kept = decided.kept
        table = self._table(shard, decided, kept)
        n_unnamed = 0
        if self._needed is not None:
            has_name = table.column(self._needed).is_valid()
            table = table.filter(has_name)
            n_unnamed = len(kept) - len(table)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, table.schema, compression="zstd")
        if len(table):
            self._writer.write_table(table)
        return n_unnamed

    def finish(self) -> None:
        if self._writer is None:
            names = ["shard", "ordinal", *dict.fromkeys(["key", *self.columns])]
            pq.write_table(pa.table({name: pa.nulls(0) for name in names}), self._file)
        else:
            self._writer.close()

    def _table(self, shard: str, decided: Decided, kept: npt.NDArray[np.int64]) -> pa.Table:
        taken = decided.rows.take(pa.array(kept))
        columns: dict[str, Any] = {"shard": pa.array([shard] * len(kept), pa.string())}
        for name in dict.fromkeys(["ordinal", "key", *self.columns]):
            column = taken.column(name)
            columns[name] = (
                column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
            )
        return pa.table({**columns, **self._derived(decided, kept)})

    def _derived(self, decided: Decided, kept: npt.NDArray[np.int64]) -> dict[str, pa.Array]:
        return {}


class _Rows(_Parquet):
    """The store's rows with what was derived from them: mark, score, posterior and weight."""

    def __init__(self, file: BinaryIO, selection: Selection, *, weights: bool) -> None:
        super().__init__(file, _ROWS, None)
        self._selection = selection
        self._weights = weights

    def _derived(self, decided: Decided, kept: npt.NDArray[np.int64]) -> dict[str, pa.Array]:
        columns: dict[str, pa.Array] = {}
        if decided.scores is not None:
            for name, values in decided.scores._asdict().items():
                columns[name] = _or_null(values[kept])
        if self._weights:
            columns["weight"] = _or_null(self._selection.weights(decided)[kept])
        return columns


class _DataComp(_List):
    """The uids as DataComp's subset file."""

    columns = ("uid",)

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pairs: list[npt.NDArray[np.void]] = []
        self._n_kept = 0

    def add(self, shard: str, decided: Decided) -> int:
        pairs = uid_pairs(decided.rows.column("uid").take(pa.array(decided.kept)).to_pylist())
        self._pairs.append(pairs)
        self._n_kept += len(decided.kept)
        return len(decided.kept) - len(pairs)

    def finish(self) -> None:
        if write_subset(self._file, self._pairs) == 0 and self._n_kept:
            raise InputError(
                "cannot write a DataComp subset: none of the kept rows has a uid of 32 "
                "hexadecimal digits; use --to keys"
            )


class _Laion(_List):
    """LAION's hash with the posterior, as its own score files have them."""

    columns = ("url", "caption")
    _SCHEMA = pa.schema([("psynthetic", pa.float32()), ("hash", pa.int64())])

    def __init__(self, file: BinaryIO) -> None:
        self._writer = pq.ParquetWriter(file, self._SCHEMA, compression="zstd")

    def add(self, shard: str, decided: Decided) -> int:
        taken = decided.rows.take(pa.array(decided.kept))
        hashes = laion_hashes(*(taken.column(name).to_pylist() for name in self.columns))
        has_hash = np.array([value is not None for value in hashes], dtype=bool)
        scores = np.full(len(hashes), np.nan, dtype=np.float32)
        if decided.scores is not None:
            scores = decided.scores.p_synthetic[decided.kept]
        named = pa.array([value for value in hashes if value is not None], pa.int64())
        self._writer.write_table(
            pa.table([_or_null(scores[has_hash]), named], schema=self._SCHEMA)
        )
        return int((~has_hash).sum())

    def finish(self) -> None:
        self._writer.close()


class RejectWriter:
    """Every dropped row with the reason, as Parquet."""

    columns = ("uid", "url")

    def __init__(self, file: BinaryIO, selection: Selection) -> None:
        self._writer = pq.ParquetWriter(file, _REJECTS, compression="zstd")
        self._selection = selection

    def add(self, shard: str, decided: Decided) -> None:
        """Take in some rows of a shard; the kept ones are passed over."""
        dropped = np.flatnonzero(decided.codes)
        if not len(dropped):
            return
        taken = decided.rows.take(pa.array(dropped))
        codes = decided.codes[dropped].tolist()
        self._writer.write_table(
            pa.table(
                [
                    pa.array([shard] * len(dropped), pa.string()),
                    *(taken.column(name) for name in ("ordinal", "key", *self.columns)),
                    pa.array([self._selection.reasons[code - 1] for code in codes]),
                    pa.array([self._selection.says(decided, row) for row in dropped.tolist()]),
                ],
                schema=_REJECTS,
            )
        )

    def close(self) -> None:
        self._writer.close()


def write_list(
    selection: Selection,
    output: str,
    to: To,
    column: Column,
    *,
    weights: bool,
    rejects: str | None,
    is_quiet: bool,
) -> Filtered:
    """Write one list, and the rejects where they are asked for."""
    tally = Tally()
    n_rows = sum(marker["n_rows"] for marker in selection.markers)
    with ExitStack() as stack:
        progress = stack.enter_context(RowProgress(n_rows, is_quiet=is_quiet))
        file = stack.enter_context(_created(output))
        kept = _list(file, selection, output, to, column, weights=weights)
        refused = None
        if rejects is not None:
            refused = RejectWriter(stack.enter_context(_created(rejects)), selection)
        columns = list(dict.fromkeys([*kept.columns, *(refused.columns if refused else ())]))
        for shard, decided in decisions(selection, columns, tally):
            tally.unnamed += kept.add(shard, decided)
            if refused is not None:
                refused.add(shard, decided)
            progress.show(tally.n_rows)
        kept.finish()
        if refused is not None:
            refused.close()
    return filtered(selection, tally, to=to, output=output)


def _list(
    file: BinaryIO, selection: Selection, output: str, to: To, column: Column, *, weights: bool
) -> _List:
    is_parquet = output.endswith(".parquet")
    if to == "keys":
        needed = None if column == "key" else column
        return _Parquet(file, [column], needed) if is_parquet else _Text(file, column)
    endings = {"parquet": ".parquet", "datacomp": ".npy", "laion": ".parquet"}
    if not output.endswith(endings[to]):
        raise OptionError(
            f"--to {to} writes a {endings[to]} file, and -o is {output!r}; name it so"
        )
    if to == "datacomp":
        return _DataComp(file)
    return _Laion(file) if to == "laion" else _Rows(file, selection, weights=weights)


def _created(path: str) -> AbstractContextManager[BinaryIO]:
    """A file that is whole or not there."""
    return Store(files.parent(path) or ".").create(path.rstrip("/").rpartition("/")[2])


def _or_null(values: npt.NDArray[np.float32]) -> pa.Array:
    return pa.array(values, pa.float32(), mask=np.isnan(values))


@contextmanager
def reject_file(out: Store, path: str, selection: Selection) -> Iterator[RejectWriter]:
    """The reject list of a folder of clean shards."""
    with out.create(path) as file:
        writer = RejectWriter(file, selection)
        yield writer
        writer.close()
