"""The index of a store: where each key's rows are, and what a rule decides of every row.

    index/index.json            written last: what the files below were made from
    index/key.{buckets,hashes,rows}, likewise uid and url
    index/ordinals              of a sampled store's rows, int64
    index/decisions/<rule>.codes    a byte a row, in the store's order; 0 is kept
    index/decisions/<rule>.json     written last: the reasons behind the codes

Rows are numbered through the finished shards in the manifest's order. Files are read by mapping
them, so the workers of a loader share one copy; those of a remote store are fetched first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np

from madaudit.errors import OptionError, StoreError
from madaudit.hooks.key_index import KeyIndexBuilder, Layout, Namespace, hash_keys, namespace_of
from madaudit.hooks.selection import KEPT, Selection
from madaudit.limits import WINDOW_BYTES
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey
from madaudit.shards import files

By = Literal["key", "uid", "url"]
BY: tuple[By, ...] = ("key", "uid", "url")
_VERSION = 2
FOLDER = "index"


@dataclass(frozen=True)
class IndexedShard:
    """One shard's place among the rows.

    Attributes:
        name: as the store has it.
        uri: where it was scanned.
        start: number of its first row.
        n_rows: of them.
        is_whole: whether each sample has a row, so that ordinals need no search.
        paths: files of a virtual shard, relative to `uri`; empty otherwise.
    """

    name: str
    uri: str
    start: int
    n_rows: int
    is_whole: bool
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class IndexInfo:
    """What an index holds.

    Attributes:
        fingerprint: of the rows that it was made from.
        shards: in order.
        layouts: kind of key to how its files lie.
    """

    fingerprint: str
    shards: tuple[IndexedShard, ...]
    layouts: Mapping[str, Layout]

    @property
    def n_rows(self) -> int:
        return sum(shard.n_rows for shard in self.shards)


def rows_fingerprint(survey: Survey) -> str:
    """SHA-256 of what decides a store's rows and their order, 64 hexadecimal digits."""
    shards = [[m["shard"], m["n_rows"], m["input"]["sha256"]] for m in survey.markers]
    content = [_VERSION, survey.manifest["fingerprint"], shards]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def indexed_shards(survey: Survey) -> tuple[IndexedShard, ...]:
    """The finished shards, their rows numbered."""
    shards, start = [], 0
    for marker in survey.markers:
        seen = marker["input"]
        shards.append(
            IndexedShard(
                marker["shard"],
                seen["uri"],
                start,
                marker["n_rows"],
                marker["n_rows"] == marker["n_samples"],
                tuple(seen.get("paths", ())),
            )
        )
        start += marker["n_rows"]
    return tuple(shards)


def key_namespace(by: By, shard: str) -> Namespace:
    """The namespace of a key: its shard's for `key`, one for all shards for the others."""
    return namespace_of(shard if by == "key" else by)


def build_index(store: Store, survey: Survey, kinds: Sequence[By], out: Store) -> IndexInfo:
    """Write the index of a store.

    Args:
        store: whose rows.
        survey: of it.
        kinds: of keys.
        out: where `index/` goes; the store itself or a folder for the time being.

    Raises:
        OptionError: a kind of key that is none.
        StoreError: rows cannot be read, or the index cannot be written.
    """
    for by in kinds:
        if by not in BY:
            raise OptionError(f"--by has {by!r}; allowed: {', '.join(BY)}")
    shards = indexed_shards(survey)
    n_rows = sum(shard.n_rows for shard in shards)
    out.remove(f"{FOLDER}/index.json")
    builders = {by: KeyIndexBuilder() for by in kinds}
    with out.create(f"{FOLDER}/ordinals") as file:
        for shard in shards:
            _gather(store, shard, builders, file)
    layouts: dict[str, Layout] = {
        by: builder.write(lambda name: out.create(f"{FOLDER}/{name}"), by, n_rows)
        for by, builder in builders.items()
    }
    info = IndexInfo(rows_fingerprint(survey), shards, layouts)
    content = {
        "version": _VERSION,
        "fingerprint": info.fingerprint,
        "layouts": {by: layout.to_dict() for by, layout in layouts.items()},
    }
    out.write_json(f"{FOLDER}/index.json", content)
    return info


def _gather(
    store: Store, shard: IndexedShard, builders: Mapping[By, KeyIndexBuilder], file: BinaryIO
) -> None:
    """The keys of one shard, and its ordinals where they are not simply counted."""
    start = shard.start
    for rows in store.row_batches(shard.name, ["ordinal", *builders]):
        numbers = np.arange(start, start + rows.num_rows)
        start += rows.num_rows
        if not shard.is_whole:
            file.write(rows.column("ordinal").to_numpy().astype("<i8").tobytes())
        for by, builder in builders.items():
            column = rows.column(by)
            if column.null_count == rows.num_rows:
                continue
            keys = column.drop_null().to_pylist()
            is_there = ~np.asarray(column.is_null())
            if by == "uid":
                keys = [key.lower() for key in keys]
            builder.add(hash_keys(key_namespace(by, shard.name), keys), numbers[is_there])
    if start - shard.start != shard.n_rows:
        raise StoreError(
            f"cannot index store {store.url}: {shard.name} has {start - shard.start} rows, its "
            f"marker says {shard.n_rows}; run: madaudit verify {store.url}"
        )


def read_info(out: Store, survey: Survey) -> IndexInfo | None:
    """The index that stands at a place; None where there is none of these rows."""
    content = out.read_json(f"{FOLDER}/index.json")
    fingerprint = rows_fingerprint(survey)
    if not isinstance(content, dict) or content.get("version") != _VERSION:
        return None
    if content.get("fingerprint") != fingerprint:
        return None
    try:
        layouts = {by: Layout(**fields) for by, fields in content["layouts"].items()}
    except (KeyError, TypeError, AttributeError):
        return None
    return IndexInfo(fingerprint, indexed_shards(survey), layouts)


def decisions_name(selection: Selection) -> str:
    return f"{FOLDER}/decisions/{selection.fingerprint[:16]}"


def write_decisions(selection: Selection, out: Store) -> int:
    """Write what a rule decides of every row; how many rows it keeps."""
    name = decisions_name(selection)
    n_kept = 0
    with out.create(f"{name}.codes") as file:
        for codes in _all_codes(selection):
            file.write(codes.tobytes())
            n_kept += int((codes == KEPT).sum())
    content = {
        "fingerprint": selection.fingerprint,
        "reasons": list(selection.reasons),
        "rule": selection.rule.to_dict(),
    }
    out.write_json(f"{name}.json", content)
    return n_kept


def has_decisions(selection: Selection, out: Store) -> bool:
    """Whether the decisions of a rule stand at a place."""
    content = out.read_json(f"{decisions_name(selection)}.json")
    return isinstance(content, dict) and content.get("fingerprint") == selection.fingerprint


def _all_codes(selection: Selection) -> Iterator[Any]:
    for marker in selection.markers:
        codes = selection.codes_of(marker["shard"])
        if len(codes) != marker["n_rows"]:
            raise StoreError(
                f"{marker['shard']} of store {selection.store.url} has {len(codes)} rows, its "
                f"marker says {marker['n_rows']}; run: madaudit verify {selection.store.url}"
            )
        yield codes


def fetch(source: Store, target: Store, names: Sequence[str]) -> None:
    """Copy files of a remote index to where they can be mapped."""
    for name in names:
        with (
            files.open_binary(files.join(source.url, name)) as file,
            target.create(name) as copy,
        ):
            while chunk := file.read(WINDOW_BYTES):
                copy.write(chunk)
