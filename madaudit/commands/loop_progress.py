"""Progress of a loop that trains, on stderr: generation, share done, time left."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from madaudit.commands.progress import ClosedAtTheEnd

if TYPE_CHECKING:
    from madaudit.simulation.trained_loop import Step

_LINE_EVERY_S = 15.0


class LoopProgress(ClosedAtTheEnd):
    """A bar over generations on a terminal; elsewhere a line at most every 15 s.

    Both tell the time left, by the generations that were trained here; those that a killed run
    left behind took none.
    """

    def __init__(self, n_steps: int, *, is_quiet: bool) -> None:
        self._is_quiet = is_quiet
        self._is_line = not sys.stderr.isatty()
        self._said = time.monotonic()
        self._seed = 0
        self._bar = tqdm(
            total=float(n_steps),
            unit="generation",
            disable=is_quiet or self._is_line,
            leave=False,
            dynamic_ncols=True,
            file=sys.stderr,
            bar_format="{l_bar}{bar}| {n:.2f}/{total:.0f} generations, {remaining} left{postfix}",
        )
        self._done = 0.0
        self._began = time.monotonic()
        self._is_training, self._n_found = False, 0

    def begin(self, seed: int) -> None:
        """A seed's run starts."""
        self._seed = seed

    def show(self, generation: int, share: float) -> None:
        """Training of a generation has come so far."""
        self._is_training = True
        self._bar.update(self._done + share - self._bar.n)
        self._bar.set_postfix_str(f"seed {self._seed}, generation {generation}")
        now = time.monotonic()
        if self._is_line and not self._is_quiet and now - self._said > _LINE_EVERY_S:
            self._said = now
            total = float(self._bar.total or 0)
            click.echo(
                f"seed {self._seed}, generation {generation}: {share:.0%} trained "
                f"({self._done:.0f} of {total:.0f} generations done"
                f"{self._left(self._done + share, total, now)})",
                err=True,
            )

    def finish(self, step: Step) -> None:
        """A generation is done, or was done before."""
        self._done += 1
        if not self._is_training:
            self._n_found += 1
            self._bar.initial = self._n_found
        self._is_training = False
        self._bar.update(self._done - self._bar.n)

    def _left(self, done: float, total: float, now: float) -> str:
        trained = done - self._n_found
        if trained <= 0:
            return ""
        return f", about {(now - self._began) / trained * (total - done) / 60:.1f} min left"
