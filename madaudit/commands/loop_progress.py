"""Progress of a loop that trains, on stderr: generation, share done, time left."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

if TYPE_CHECKING:
    from madaudit.simulation.trained_loop import Step

_LINE_EVERY_S = 15.0


class LoopProgress:
    """A bar over generations on a terminal; elsewhere a line at most every 15 s."""

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

    def __enter__(self) -> LoopProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def begin(self, seed: int) -> None:
        """A seed's run starts."""
        self._seed = seed

    def show(self, generation: int, share: float) -> None:
        """Training of a generation has come so far."""
        self._bar.update(self._done + share - self._bar.n)
        self._bar.set_postfix_str(f"seed {self._seed}, generation {generation}")
        now = time.monotonic()
        if self._is_line and not self._is_quiet and now - self._said > _LINE_EVERY_S:
            self._said = now
            total = float(self._bar.total or 0)
            click.echo(
                f"seed {self._seed}, generation {generation}: {share:.0%} trained "
                f"({self._done:.0f} of {total:.0f} generations done)",
                err=True,
            )

    def finish(self, step: Step) -> None:
        """A generation is done, or was done before."""
        self._done += 1
        self._bar.update(self._done - self._bar.n)
