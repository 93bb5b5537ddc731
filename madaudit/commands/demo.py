"""`madaudit demo`: make demonstration shards and run the whole chain on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from madaudit.commands.shell import common_options, guarded, print_json


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration came to.

    Attributes:
        inputs: the shards and folders that were made.
        store: where the rows lie.
        scan, duplicates, estimate, risk, filter, report: what the commands returned, as
            dictionaries.
    """

    inputs: list[str]
    store: str
    scan: dict[str, Any]
    duplicates: dict[str, Any]
    estimate: dict[str, Any]
    risk: dict[str, Any]
    filter: dict[str, Any]
    report: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


def demo(output: str = "demo", *, quiet: bool = True) -> DemoResult:
    """Make shards, scan them, find copies, estimate p, tell the risk, filter and report.

    Args:
        output: folder for all of it.
        quiet: no progress on stderr.

    Raises:
        MissingExtraError: the extra "demo" is not installed.
    """
    from madaudit.commands.demo_shards import make_demo_shards
    from madaudit.commands.duplicates import duplicates
    from madaudit.commands.estimate import estimate
    from madaudit.commands.filter import filter as keep
    from madaudit.commands.report import report
    from madaudit.commands.risk import risk
    from madaudit.commands.scan import scan

    folder = Path(output)
    make_demo_shards(folder)
    inputs = [str(folder / name) for name in ("shards", "photos", "tables")]
    store = str(folder / "store")
    scanned = scan(inputs, store, tier="pixels", quiet=quiet)
    copies = duplicates(store)
    known = estimate(store)
    followed = risk(store, policy_out=str(folder / "policy.yaml"))
    kept = keep(store, output=str(folder / "kept.txt"), rejects=str(folder / "rejects.parquet"))
    # The store is our own, and so are the inputs that it names.
    written = report(store, pictures="inputs")
    results = (scanned, copies, known, followed, kept, written)
    return DemoResult(inputs, store, *(result.to_dict() for result in results))


@click.command("demo")
@click.option("-o", "--output", default="demo", show_default=True, metavar="DIR")
@common_options
@guarded
def command(output: str, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Make demonstration shards and run everything on them.

    \b
      madaudit demo -o demo
    """
    from madaudit.commands.demo_summary import print_summary

    result = demo(output, quiet=quiet or as_json)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        print_summary(result)
    return 0
