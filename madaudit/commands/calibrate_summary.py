"""A calibration's outcome in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from madaudit.commands.calibrate import Calibrated
from madaudit.reports.wording import count, plural, visible


def print_summary(result: Calibrated) -> None:
    """What was calibrated on what, how well it tells, and what was left out."""
    made = result.calibration
    n_real, n_synthetic = made.real_counts.n, made.synthetic_counts.n
    click.echo(
        f"{plural(len(made.real), 'real source')} ({count(n_real)} counted), "
        f"{plural(len(made.synthetic), 'generator')} ({count(n_synthetic)} counted), after "
        f"pipeline {made.pipeline}"
    )
    for name in (*made.detectors, "combination"):
        told = made.performance[name]
        click.echo(f"  {name}: AUC {_interval(told['auc'])}")
        for fpr, found in told["tpr"].items():
            if found:
                click.echo(f"    detected at a false-alarm rate of {fpr}: {_interval(found)}")
    if made.least_detected is not None:
        click.echo(
            f"  least detected of a generator left out: {made.least_detected:.2f} "
            f"(of {made.n_generators})"
        )
    for name, statuses in result.broken.items():
        said = ", ".join(f"{count(n)} {status}" for status, n in statuses.items())
        click.echo(visible(f"  {name}: not read: {said}"))
    for problem in result.problems[:10]:
        text = f"{problem['source']}: {problem['shard']}: {problem['message']}"
        click.echo(click.style(visible(f"  {text}"), fg="yellow"), err=True)
    if result.probe:
        click.echo(visible(f"next: madaudit scan … --option clip_probe.probe={result.probe}"))
    click.echo(visible(f"next: madaudit estimate STORE --calibration {result.folder}"))


def _interval(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "not measured"
    return f"{found['point']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
