"""`madaudit merge`: stores scanned in different places become one.

Files are copied as they are, the marker of each shard last, so an interrupted merge is run again
and goes on. Only a store that was given a name has its rows rewritten, with the name before their
shard's.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from madaudit.commands.shell import EXIT_INCOMPLETE, common_options, guarded, print_json
from madaudit.errors import RequestError, StoreError
from madaudit.reports.wording import visible
from madaudit.scanning.embedding_files import ENCODER_PATH, copy_embeddings
from madaudit.scanning.resume import write_manifest
from madaudit.scanning.store import (
    Store,
    marker_path,
    quarantine_path,
    scores_path,
    sketch_path,
    thumbnails_path,
)
from madaudit.scanning.survey import Survey
from madaudit.shards import files


class _Part(NamedTuple):
    """One store of the merge.

    Attributes:
        name: what its shards' names begin with, "" for nothing.
        store: where it is.
        survey: what it holds.
        markers: its finished shards by their own names.
    """

    name: str
    store: Store
    survey: Survey
    markers: dict[str, dict[str, Any]]

    def renamed(self, shard: str) -> str:
        return f"{self.name}/{shard}" if self.name else shard


class _Source(NamedTuple):
    """Where a merged shard comes from."""

    part: _Part
    shard: str


@dataclass(frozen=True)
class Merged:
    """What a merge came to.

    Attributes:
        store: the new store.
        shards: how many it lists.
        rows: in its finished shards.
        stores: per given store: its place, name, and the finished shards taken from it.
        twice: shards that were finished in more than one store, and the same in all.
        unfinished: shards that no store has finished.
    """

    store: str
    shards: int
    rows: int
    stores: list[dict[str, Any]]
    twice: int
    unfinished: list[str]

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


def merge(stores: Sequence[str], output: str) -> Merged:
    """Make one store of several that one plan scanned.

    A shard may be finished in one store and pending in another (`scan --shard-index`); one that
    several have finished is taken from the first. Rows and sketches are those of the stores, so
    `estimate` and `report` say of the result what they would say had it been scanned in one
    place.

    Args:
        stores: folders or URLs; "NAME=STORE" puts "NAME/" before its shards' names, for data sets
            that share them.
        output: folder or URL of the new store.

    Raises:
        StoreError: no store, or one that another plan scanned.
        RequestError: one shard name with two contents, or an output that is an input.
    """
    parts = [_open(given) for given in stores]
    if not parts:
        raise RequestError("cannot merge without a store; name at least one")
    target = Store(output.rstrip("/"))
    _require_one_plan(parts)
    if any(part.store.url == target.url for part in parts):
        raise RequestError(
            f"cannot merge store {target.url} into itself; give another -o, or leave it out"
        )
    chosen, twice = _choose(parts)
    names = dict.fromkeys(
        part.renamed(shard) for part in parts for shard in part.survey.manifest["shards"]
    )
    write_manifest(target, _manifest(parts, chosen, list(names)))
    if parts[0].survey.manifest["plan"].get("keep_embeddings"):
        _copy_file(parts[0].store, ENCODER_PATH, target, ENCODER_PATH)
    for name, source in chosen.items():
        _copy_shard(source, target, name)
    unfinished = [name for name in names if name not in chosen]
    for name, entry in _quarantine(parts, chosen).items():
        target.write_json(quarantine_path(name), {**entry, "shard": name})
    return _result(target, parts, chosen, twice=twice, n_shards=len(names), unfinished=unfinished)


def _open(given: str) -> _Part:
    name, separator, place = given.partition("=")
    if not separator or "/" in name or ":" in name:
        name, place = "", given
    store = Store(place.rstrip("/"))
    survey = store.survey()
    return _Part(name, store, survey, {marker["shard"]: marker for marker in survey.markers})


def _require_one_plan(parts: Sequence[_Part]) -> None:
    first = parts[0]
    for part in parts[1:]:
        if part.survey.manifest["fingerprint"] != first.survey.manifest["fingerprint"]:
            raise StoreError(
                f"cannot merge {part.store.url} with {first.store.url}: they were scanned with "
                f"other options or detectors ({_difference(first, part)}); scan one of them again "
                f"with the other's"
            )


def _difference(one: _Part, other: _Part) -> str:
    """The first thing in which two plans differ, in words."""
    before, after = one.survey.manifest, other.survey.manifest
    plan = {**before["plan"], "detectors": before["detectors"]}
    for key, value in {**after["plan"], "detectors": after["detectors"]}.items():
        if plan.get(key) != value:
            return f"{key}: {plan.get(key)} there, {value} here"
    return "versions of readers or detectors"


def _choose(parts: Sequence[_Part]) -> tuple[dict[str, _Source], int]:
    """Each finished shard's source by its new name, and how many were finished twice."""
    chosen: dict[str, _Source] = {}
    twice = 0
    for part in parts:
        for shard, marker in part.markers.items():
            name = part.renamed(shard)
            before = chosen.setdefault(name, _Source(part, shard))
            if before.part is part:
                continue
            twice += 1
            if _identity(marker) != _identity(before.part.markers[before.shard]):
                raise RequestError(
                    f"cannot merge: shard {name!r} is not the same in {before.part.store.url} "
                    f"and {part.store.url}; if they are two data sets, name them: madaudit merge "
                    f"one={before.part.store.url} two={part.store.url} -o OUT"
                )
    return chosen, twice


def _identity(marker: dict[str, Any]) -> tuple[Any, ...]:
    """What makes a shard the same one: its content, not its place or time stamp."""
    seen = marker["input"]
    return seen["size_bytes"], seen["sha256"], marker["n_samples"], marker["n_rows"]


def _quarantine(parts: Sequence[_Part], chosen: dict[str, _Source]) -> dict[str, dict[str, Any]]:
    """Quarantine entries by their new names: of the store that a finished shard comes from."""
    entries: dict[str, dict[str, Any]] = {}
    for part in parts:
        for shard, entry in part.survey.quarantine.items():
            name = part.renamed(shard)
            if name not in chosen or chosen[name].part is part:
                entries.setdefault(name, entry)
    return entries


def _manifest(
    parts: Sequence[_Part], chosen: dict[str, _Source], names: list[str]
) -> dict[str, Any]:
    manifests = [part.survey.manifest for part in parts]
    roots = list(dict.fromkeys(manifest["root"] for manifest in manifests))
    n_bytes = sum(
        source.part.markers[source.shard]["input"]["size_bytes"] for source in chosen.values()
    )
    return {
        **manifests[0],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "root": roots[0] if len(roots) == 1 else " + ".join(roots),
        "inputs": list(dict.fromkeys(one for manifest in manifests for one in manifest["inputs"])),
        "input_bytes": n_bytes,
        "ignored_files": max(manifest["ignored_files"] for manifest in manifests),
        "n_shards_in_all": len(names),
        "shards": names,
        "merged_from": [{"store": part.store.url, "name": part.name} for part in parts],
    }


def _copy_shard(source: _Source, target: Store, name: str) -> None:
    """Everything that one finished shard consists of, its marker last."""
    part, shard = source
    marker = {**part.markers[shard], "shard": name}
    if target.marker(name) == marker and target.has_rows(name):
        return
    target.forget(name)
    if name == shard:
        _copy_file(part.store, scores_path(shard), target, scores_path(name))
    else:
        _copy_renamed(part.store, shard, target, name)
    _copy_file(part.store, sketch_path(shard), target, sketch_path(name))
    _copy_file(part.store, thumbnails_path(shard), target, thumbnails_path(name), is_optional=True)
    if part.survey.manifest["plan"].get("keep_embeddings"):
        copy_embeddings(part.store, shard, target, name)
    target.write_json(marker_path(name), marker)


def _copy_file(
    source: Store, path: str, target: Store, new_path: str, *, is_optional: bool = False
) -> None:
    try:
        with (
            files.open_binary(files.join(source.url, path)) as old,
            target.create(new_path) as new,
        ):
            shutil.copyfileobj(old, new, 1 << 20)
    except FileNotFoundError as error:
        if not is_optional:
            raise StoreError(
                f"cannot read {path} of store {source.url}: it is gone although its shard is "
                f"marked as finished; scan that shard again"
            ) from error


def _copy_renamed(source: Store, shard: str, target: Store, name: str) -> None:
    """Rows with another shard name, all else equal."""
    with target.create(scores_path(name)) as file:
        # An empty shard has columns, too.
        kinds = source.schema(shard)
        place = kinds.get_field_index("shard")
        with pq.ParquetWriter(file, kinds, compression="zstd") as writer:
            for batch in source.row_batches(shard):
                codes = np.zeros(batch.num_rows, dtype=np.int32)
                column = pa.DictionaryArray.from_arrays(codes, [name])
                writer.write_batch(batch.set_column(place, kinds.field(place), column))


def _result(
    target: Store,
    parts: Sequence[_Part],
    chosen: dict[str, _Source],
    *,
    twice: int,
    n_shards: int,
    unfinished: list[str],
) -> Merged:
    taken: dict[int, list[int]] = {id(part): [] for part in parts}
    for source in chosen.values():
        taken[id(source.part)].append(source.part.markers[source.shard]["n_rows"])
    stores: list[dict[str, Any]] = [
        {
            "store": part.store.url,
            "name": part.name,
            "shards": len(taken[id(part)]),
            "rows": sum(taken[id(part)]),
        }
        for part in parts
    ]
    n_rows = sum(one["rows"] for one in stores)
    return Merged(target.url, n_shards, n_rows, stores, twice, unfinished)


@click.command("merge", no_args_is_help=True)
@click.argument("stores", nargs=-1, required=True, metavar="[NAME=]STORE…")
@click.option("-o", "--output", required=True, metavar="OUT", help="Folder or URL of the result.")
@common_options
@guarded
def command(
    stores: tuple[str, ...], output: str, as_json: bool, quiet: bool, verbose: bool
) -> int:
    """Make one store of several that were scanned with the same options.

    \b
      madaudit merge east west -o whole          parts of one data set
      madaudit merge laion=a coyo=b -o both      two data sets that share shard names
    """
    result = merge(stores, output)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        for one in result.stores:
            name = f" as {one['name']}/" if one["name"] else ""
            click.echo(
                visible(f"{one['store']}{name}: {one['shards']} shards, {one['rows']} rows")
            )
        if result.twice:
            click.echo(f"{result.twice} shards were in more than one store, and the same there")
        click.echo(visible(f"{result.store}: {result.shards} shards, {result.rows} rows"))
        if result.unfinished:
            click.echo(
                visible(f"{len(result.unfinished)} not finished in any: {result.unfinished[0]} …")
            )
    return EXIT_INCOMPLETE if result.unfinished else 0
