"""A scan's outcome in the terminal."""

from __future__ import annotations

import click

from madaudit.commands.scan import ScanResult
from madaudit.reports.wording import count, plural, visible
from madaudit.types import STATES


def print_summary(result: ScanResult, output: str) -> None:
    """Rows, faults, what the detectors saw, and where to go on."""
    shards = result.shards
    click.echo(
        f"{plural(result.rows, 'row')} for {plural(result.samples, 'sample')} in "
        f"{plural(shards['total'], 'shard')} ({shards['done']} scanned now, "
        f"{shards['skipped']} done before) in {result.seconds:.1f} s"
    )
    if result.stale:
        click.echo(f"  {result.stale} of them scanned again: plan or input had changed")
    bad = {name: n for name, n in sorted(result.status.items()) if name != "ok"}
    if bad:
        click.echo("  not ok: " + ", ".join(f"{count(n)} {name}" for name, n in bad.items()))
    width = max(len(name) for name in result.detectors)
    click.echo(f"  {'':{width}}  " + "".join(f"{state:>14}" for state in STATES))
    for name, states in result.detectors.items():
        click.echo(
            f"  {name:{width}}  " + "".join(f"{count(states[state]):>14}" for state in STATES)
        )
    for name, reasons in result.unscored.items():
        scored = "" if result.detectors[name]["present"] else f"{name} scored not one sample; "
        for says, n in list(reasons.items())[:3]:
            click.echo(visible(f"  {scored}{name}, {count(n)} samples: {says}"))
            scored = ""
    for problem in result.problems[:10]:
        place = "" if problem["offset"] is None else f" at byte {problem['offset']}"
        text = f"  quarantined {problem['shard']}{place}: {problem['message']}"
        click.echo(click.style(visible(text), fg="yellow"), err=True)
    if len(result.problems) > 10:
        click.echo(f"  … and {len(result.problems) - 10} more in {output}/quarantine", err=True)
    if result.interrupted:
        click.echo("interrupted; run the same command again to go on", err=True)
    click.echo(f"next: madaudit estimate {output}; madaudit report {output}")
