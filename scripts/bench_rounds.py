"""Timing several things in turn, so that a drifting machine drifts for all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence

#: What a line that `bench all` puts into its table begins with.
FIGURE = "figure:"
#: Exit code of a verb whose package or weights are absent, as sysexits.h has it for "try later".
ABSENT = 75


def figure(text: str) -> None:
    """Say what `bench all` puts into its table: what was measured, beside what, and the aim."""
    print(FIGURE, text, flush=True)


def spread(ratios: Sequence[float], digits: int = 2) -> str:
    """Median (least–most) of the ratios of single rounds."""
    least, most = min(ratios), max(ratios)
    return f"{statistics.median(ratios):.{digits}f} ({least:.{digits}f}–{most:.{digits}f})"


def rounds_of(
    timers: dict[str, Callable[[], float]], n_rounds: int
) -> Iterator[tuple[str, list[float]]]:
    """Seconds of each timer over rounds, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in timers}
    for number in range(n_rounds + 1):
        for name, timer in timers.items():
            taken = timer()
            if number:
                seconds[name].append(taken)
    yield from seconds.items()
