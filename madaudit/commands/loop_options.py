"""Flags that every command about a loop has."""

from __future__ import annotations

import click

# As in madaudit.simulation.loop, which --help does not wait for; a test holds them together.
LOOPS = ("fresh", "augmentation", "synthetic")
POOLS = ("replace", "accumulate", "subsample")

loop_option = click.option(
    "--loop",
    type=click.Choice(LOOPS),
    default="fresh",
    show_default=True,
    help="New real samples each generation, a fixed real set, or none.",
)
pool_option = click.option(
    "--pool",
    type=click.Choice(POOLS),
    default="replace",
    show_default=True,
    help="What becomes of old synthetic samples.",
)
