"""The demonstration's outcome in the terminal: what a curator asks first, and where to go on."""

from __future__ import annotations

import click

from madaudit.commands.demo import DemoResult
from madaudit.reports.wording import count


def print_summary(result: DemoResult) -> None:
    """Answer, observability, faults and files, in that order."""
    scan = result.scan
    click.echo(click.style(result.report["answer"], bold=True))
    click.echo()
    click.echo(
        f"{count(scan['samples'])} samples in {count(scan['shards']['total'])} shards gave "
        f"{count(scan['rows'])} rows: none is lost, whatever was wrong with it."
    )
    for status, n in sorted(scan["status"].items(), key=lambda item: -item[1]):
        click.echo(f"  {n:>5} {status}")
    click.echo("What the detectors could see (a mark that is not found proves nothing):")
    found = {name: states for name, states in scan["detectors"].items() if states["present"]}
    width = max((len(name) for name in found), default=0)
    for name, states in found.items():
        click.echo("  " + f"{name:<{width}}  " + "  ".join(f"{n} {s}" for s, n in states.items()))
    n_others = len(scan["detectors"]) - len(found)
    click.echo(f"  and {n_others} others found nothing: madaudit detectors lists them")
    for problem in scan["problems"]:
        place = "" if problem["offset"] is None else f" at byte {problem['offset']}"
        click.echo(f"In quarantine: {problem['shard']}{place}: {problem['message']}")
    for flag in result.estimate["flags"]:
        click.echo(f"Note: {flag}")
    copies, risk, kept = result.duplicates, result.risk, result.filter
    click.echo(f"Copies: {count(copies['n'])} samples in {count(copies['n_clusters'])} clusters")
    click.echo(
        f"Risk:   {risk['level_at_low']} to {risk['level']} for models trained on it, as marks "
        f"bound the synthetic share from below alone (a calibration or labels close the other end)"
    )
    click.echo(f"Filter: {count(kept['kept'])} kept, {count(kept['dropped'])} with a mark dropped")
    click.echo()
    click.echo(f"Report:  {result.report['paths']['html']}")
    click.echo(f"Store:   {result.store}")
    click.echo(f"Kept:    {kept['output']} (why the others went: rejects.parquet beside it)")
    click.echo("Next:    madaudit explain " + result.store + " --key 000000004")
    click.echo("         madaudit scan YOUR-SHARDS -o store")
