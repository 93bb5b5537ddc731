"""`madaudit verify`: is a store whole, and does it fit its inputs?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
import numpy as np

from madaudit.commands.shell import EXIT_INCOMPLETE, common_options, guarded, print_json
from madaudit.errors import MadauditError, StoreError
from madaudit.reports.wording import visible
from madaudit.scanning.embedding_files import read_embeddings
from madaudit.scanning.shard_scan import full_digest
from madaudit.scanning.store import Store
from madaudit.shards import load_reader
from madaudit.shards.locate import revisit
from madaudit.types import Shard


@dataclass(frozen=True)
class Verification:
    """What is wrong with a store.

    Attributes:
        consistent: whether nothing is.
        shards: how many were looked at.
        problems: one dictionary each: shard, problem.
    """

    consistent: bool
    shards: int
    problems: list[dict[str, str]]

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


def verify(store: str, *, inputs: bool = True) -> Verification:
    """Check every shard of a store against its marker and its input.

    Args:
        store: folder or URL of the store.
        inputs: walk the input shards again and compare their headers' digest.

    Raises:
        StoreError: no store here.
    """
    opened = Store(store.rstrip("/"))
    manifest = opened.manifest()
    problems = [
        {"shard": shard, "problem": problem}
        for shard in manifest["shards"]
        for problem in _check(opened, shard, manifest["fingerprint"], walks_input=inputs)
    ]
    return Verification(not problems, len(manifest["shards"]), problems)


def _check(store: Store, shard: str, fingerprint: str, *, walks_input: bool) -> Iterator[str]:
    """Everything that is wrong with one shard."""
    try:
        marker, given_up = store.marker(shard), store.quarantine(shard)
    except StoreError as error:
        yield str(error)
        return
    if marker is None:
        if given_up is None or given_up.get("given_up") is False:
            yield "not finished: no marker; run the scan again"
        else:
            message = given_up["problems"][0]["message"]
            yield f"given up after {given_up['attempts']} tries: {message}"
        return
    if marker.get("fingerprint") != fingerprint:
        yield "scanned by another plan than the manifest's; run the scan again"
        return
    yield from _check_rows(store, shard, marker)
    yield from _check_embeddings(store, shard, marker)
    if walks_input:
        yield from _check_input(shard, marker)


def _check_rows(store: Store, shard: str, marker: dict[str, Any]) -> Iterator[str]:
    """Rows against the marker: their number, order and statuses."""
    ordinals, status, names = [], Counter[str](), set[str]()
    try:
        for rows in store.row_batches(shard, ["shard", "ordinal", "status"]):
            names.update(rows.column("shard").unique().to_pylist())
            ordinals.append(rows.column("ordinal").to_numpy())
            status.update(rows.column("status").to_pylist())
    except StoreError as error:
        yield str(error)
        return
    if names - {shard}:
        yield f"its rows are those of {sorted(map(str, names - {shard}))[0]!r}"
    found = np.concatenate(ordinals) if ordinals else np.empty(0, dtype=np.int64)
    if len(found) != marker["n_rows"]:
        yield f"{len(found)} rows, the marker says {marker['n_rows']}"
    if len(found) > 1 and not (np.diff(found) > 0).all():
        yield "rows are not in order, or one stands twice"
    if dict(status) != marker["status"]:
        yield f"statuses are {dict(status)}, the marker says {marker['status']}"


def _check_embeddings(store: Store, shard: str, marker: dict[str, Any]) -> Iterator[str]:
    """Kept embeddings against the marker: their number, and whether they can be read."""
    if "embedded" not in marker:
        return
    try:
        found = read_embeddings(store, shard)
    except StoreError as error:
        yield str(error)
        return
    n_found = 0 if found is None else len(found.ordinals)
    if n_found != marker["embedded"]:
        yield f"{n_found} embeddings, the marker says {marker['embedded']}"


def _check_input(shard: str, marker: dict[str, Any]) -> Iterator[str]:
    """The input as it is now against what was scanned."""
    seen = marker["input"]
    before = Shard(
        shard,
        seen["uri"],
        seen["reader"],
        seen["size_bytes"],
        seen["version"],
        tuple(seen.get("paths", ())),
    )
    try:
        now = revisit(before)
    except (MadauditError, OSError, ValueError) as error:
        yield f"its input cannot be looked at: {error}"
        return
    if now is None:
        yield f"the input is gone, or a file of it: {seen['uri']}"
    elif now != before:
        yield "the input has changed since it was scanned; run the scan again"
    elif not before.paths:
        yield from _check_content(now, marker)


def _check_content(shard: Shard, marker: dict[str, Any]) -> Iterator[str]:
    """The content of an input file whose length and version are those that were scanned."""
    try:
        with load_reader(shard.reader).open(shard) as source:
            n_samples = sum(1 for _ in source.samples())
            digest = source.header_digest()
        if marker["input"]["digest"] == "full":
            digest = full_digest(shard)
    except (MadauditError, OSError) as error:
        yield str(error)
        return
    if digest != marker["input"]["sha256"]:
        yield "the input's content differs from what was scanned, though its time stamp does not"
    if n_samples != marker["n_samples"]:
        yield f"the input holds {n_samples} samples, the marker says {marker['n_samples']}"


@click.command("verify", no_args_is_help=True)
@click.argument("store", metavar="STORE")
@click.option(
    "--inputs/--no-inputs", default=True, show_default=True, help="Walk the input shards again."
)
@common_options
@guarded
def command(store: str, inputs: bool, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Check that a store is whole and fits its inputs.

    \b
      madaudit verify store
    """
    result = verify(store, inputs=inputs)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        for problem in result.problems:
            click.echo(visible(f"{problem['shard']}: {problem['problem']}"))
        click.echo(
            f"{result.shards} shards, "
            + ("consistent" if result.consistent else f"{len(result.problems)} problems")
        )
    return 0 if result.consistent else EXIT_INCOMPLETE
