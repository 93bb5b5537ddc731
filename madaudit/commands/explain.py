"""`madaudit explain`: every row of a key, with its evidence in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click
import pyarrow.compute as pc

from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.errors import StoreError
from madaudit.reports.wording import visible
from madaudit.scanning.details import read_detail
from madaudit.scanning.store import Store

_STATE_WORDS = {
    "absent": "looked, nothing there",
    "unobservable": "could not have been seen (no image, re-encoded, or a format not read)",
    "missing": "the check failed (the image is broken)",
    "present": "present",
}


@dataclass(frozen=True)
class Explanation:
    """Rows of one key; each a dictionary of the store's columns, details as objects."""

    rows: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}


def explain(store: str, *, key: str, shard: str | None = None) -> Explanation:
    """Every row of a key; keys may repeat, across shards and within one.

    Args:
        store: folder or URL of the store.
        key: as in the store.
        shard: only this shard.

    Raises:
        StoreError: no store, or no row of that key.
    """
    opened = Store(store.rstrip("/"))
    survey = opened.survey()
    rows: list[dict[str, Any]] = []
    for marker in survey.markers:
        if shard is not None and marker["shard"] != shard:
            continue
        columns = opened.columns(marker["shard"])
        for name in survey.detectors:
            columns += [f"{name}_{part}" for part in ("state", "score", "detail")]
        for batch in opened.row_batches(marker["shard"], list(dict.fromkeys(columns))):
            found = batch.filter(pc.equal(batch.column("key"), key))
            rows += [_explained(row, survey.detectors) for row in found.to_pylist()]
    if not rows:
        where = f"shard {shard!r} of store" if shard else "store"
        raise StoreError(
            f"no row with key {key!r} in {where} {store}; keys are file names without their "
            f"ending, folders kept"
        )
    return Explanation(rows)


def _explained(row: dict[str, Any], detectors: list[str]) -> dict[str, Any]:
    """A row with its evidence gathered under "evidence"."""
    evidence = {}
    for name in detectors:
        state, score, detail = (row.pop(f"{name}_{part}") for part in ("state", "score", "detail"))
        found = read_detail(detail)
        evidence[name] = {
            "state": state,
            "score": score,
            "says": found.get("says") or _STATE_WORDS[state],
            "detail": found or None,
        }
    return {**row, "evidence": evidence}


def _print(row: dict[str, Any]) -> None:
    size = f"{row['width']} × {row['height']}" if row["width"] else "size unknown"
    name = visible(f"{row['shard']}  #{row['ordinal']}  {row['key']}")
    click.echo(
        click.style(name, bold=True)
        + f"  {row['format'] or 'no image'}, {size}, {row['size']} bytes"
    )
    if row["status"] != "ok" or row["error"]:
        click.echo(f"  {row['status']}: {visible(row['error'] or '')}")
    for column in ("url", "caption", "uid", "sha256"):
        if row[column]:
            click.echo(f"  {column}: {visible(row[column][:200])}")
    for name, item in row["evidence"].items():
        mark = click.style("●", fg="red") if item["state"] == "present" else " "
        click.echo(f"  {mark} {name} {item['state']}: {visible(str(item['says']))}")


@click.command("explain", no_args_is_help=True)
@click.argument("store", metavar="STORE")
@click.option("--key", required=True, metavar="K", help="The sample's key.")
@click.option("--shard", metavar="NAME", help="Only in this shard.")
@common_options
@guarded
def command(
    store: str, key: str, shard: str | None, as_json: bool, quiet: bool, verbose: bool
) -> int:
    """Show every row of a key, with its evidence in words.

    \b
      madaudit explain store --key 000000012
    """
    result = explain(store, key=key, shard=shard)
    if as_json:
        print_json(result.to_dict())
    else:
        for row in result.rows:
            _print(row)
    return 0
