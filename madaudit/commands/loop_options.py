"""Flags that every command about a loop has."""

from __future__ import annotations

from typing import Any

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


class Numbers(click.ParamType[Any]):
    """One number, or one for each generation: 100 or 100,80,60."""

    def __init__(self, kind: type[int] | type[float]):
        self._kind = kind
        self.name = "integer" if kind is int else "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            numbers = [self._number(word.strip()) for word in value.split(",")]
        except ValueError:
            self.fail(f"{value!r} is no {self.name}, and no list of them with commas", param, ctx)
        return numbers[0] if len(numbers) == 1 else tuple(numbers)

    def _number(self, word: str) -> float:
        number = float(word)
        if self._kind is float:
            return number
        if number != int(number):
            raise ValueError(word)
        return int(number)


COUNTS, REALS = Numbers(int), Numbers(float)
