"""Numbers and foreign text made fit for a person's eyes."""

from __future__ import annotations

import math

_NARROW_SPACE = "\u202f"


def percent(share: float, like: float | None = None) -> str:
    """A fraction as people read it, to three significant digits; only sentences have percent.

    Args:
        share: a fraction.
        like: give as many decimals as this fraction gets, so that a share and its complement
            add up as printed, and a complement of little never reads 100 %.
    """
    measure = 100 * abs(share if like is None else like)
    decimals = 0 if measure in (0, 100) else min(9, max(0, 2 - math.floor(math.log10(measure))))
    text = f"{100 * share:.{decimals}f}"
    if "." in text and like is None:
        text = text.rstrip("0").rstrip(".")
    return f"{text}{_NARROW_SPACE}%"


def count(number: float) -> str:
    """A count in groups of three digits; weighted counts are rounded."""
    return f"{number:,.0f}".replace(",", _NARROW_SPACE)


def plural(number: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def visible(text: str) -> str:
    """Text with characters that reverse or hide what stands beside them made visible."""
    return "".join(c if c.isprintable() or c == " " else f"\\u{ord(c):04x}" for c in text)
