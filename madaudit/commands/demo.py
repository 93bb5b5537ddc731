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
        scan, estimate, report: what the commands returned, as dictionaries.
    """

    inputs: list[str]
    store: str
    scan: dict[str, Any]
    estimate: dict[str, Any]
    report: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


def demo(output: str = "demo", *, quiet: bool = True) -> DemoResult:
    """Make shards, scan them, estimate p and write the report.

    Args:
        output: folder for all of it.
        quiet: no progress on stderr.

    Raises:
        MissingExtraError: the extra "demo" is not installed.
    """
    from madaudit.commands.demo_shards import make_demo_shards
    from madaudit.commands.estimate import estimate
    from madaudit.commands.report import report
    from madaudit.commands.scan import scan

    folder = Path(output)
    make_demo_shards(folder)
    inputs = [str(folder / name) for name in ("shards", "photos", "tables")]
    store = str(folder / "store")
    scanned = scan(inputs, store, tier="pixels", quiet=quiet)
    known = estimate(store)
    # The store is our own, and so are the inputs that it names.
    written = report(store, pictures="inputs")
    return DemoResult(inputs, store, scanned.to_dict(), known.to_dict(), written.to_dict())


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
