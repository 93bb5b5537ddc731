"""Axes: from numbers to places on paper, with ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        low, high: numbers at its two ends; equal ends are widened.
        start, end: their places in user units of the SVG.
        title: what it shows.
        is_log: whether places are even in the logarithm; then low > 0.
        label: number to text; None for a short decimal.
        n_ticks: about how many.
    """

    low: float
    high: float
    start: float
    end: float
    title: str
    is_log: bool = False
    label: Callable[[float], str] | None = None
    n_ticks: int = 6

    def at(self, value: float) -> float:
        """The place of a number; what lies beyond an end is put on it, NaN at the start."""
        if math.isnan(value):
            return self.start
        low, high, value = (self._scaled(each) for each in (self.low, self.high, value))
        share = 0.5 if high == low else min(max((value - low) / (high - low), 0.0), 1.0)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round numbers between the ends, ascending."""
        return self._powers() if self.is_log else self._rounds()

    def text(self, value: float) -> str:
        return self.label(value) if self.label else number(value)

    def _scaled(self, value: float) -> float:
        return math.log(max(value, self.low)) if self.is_log else value

    def _rounds(self) -> list[float]:
        span = self.high - self.low
        if not span > 0:
            return [self.low]
        raw = span / self.n_ticks
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * size for size in _STEPS if power * size >= raw * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [place * step for place in range(first, last + 1)]

    def _powers(self) -> list[float]:
        first, last = (math.log10(end) for end in (self.low, self.high))
        powers = range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1)
        every = max(1, -(-len(powers) // self.n_ticks))
        return [10.0**power for power in powers if power % every == 0]


def number(value: float) -> str:
    """A tick's label: three digits at most, powers of ten where decimals would be long."""
    if value == 0:
        return "0"
    if abs(value) < 1e-3 or abs(value) >= 1e5:
        mantissa, _, exponent = f"{value:.0e}".partition("e")
        power = f"10{_raised(int(exponent))}"
        return power if mantissa == "1" else f"{mantissa}·{power}"
    return f"{value:.3g}".replace("-", "−")


def least_positive(values: Sequence[float], default: float) -> float:
    """The smallest number above 0, for the low end of a logarithmic axis."""
    return min((value for value in values if 0 < value < math.inf), default=default)


def _raised(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
