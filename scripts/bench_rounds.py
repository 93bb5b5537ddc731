"""Timing several things in turn, so that a drifting machine drifts for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator


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
