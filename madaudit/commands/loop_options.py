"""Flags that every command about a loop has."""

from __future__ import annotations

from typing import get_args

import click

from madaudit.simulation.loop import Loop, Pool

LOOPS: tuple[Loop, ...] = get_args(Loop)
POOLS: tuple[Pool, ...] = get_args(Pool)

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
