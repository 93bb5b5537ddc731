"""Numbers and foreign text made fit for a person's eyes."""

from __future__ import annotations

import math
import unicodedata

_NARROW_SPACE = "\u202f"


def percent(share: float, like: float | None = None) -> str:
    """A fraction as people read it, to three significant digits; only sentences have percent.

    Less than all never reads 100 %: close to it, the digits are those of what is left.

    Args:
        share: a fraction.
        like: give as many decimals as this fraction gets, so that a share and its complement
            add up as printed, and a complement of little never reads 100 %.
    """
    decimals = _decimals(share if like is None else like)
    return f"{100 * share:.{decimals}f}{_NARROW_SPACE}%"


def _decimals(share: float) -> int:
    """Decimals that a share needs as a percentage, without zeros at the end."""
    measure = 100 * abs(1 - share if 0.9995 <= share < 1 else share)
    most = 0 if measure in (0, 100) else min(9, max(0, 2 - math.floor(math.log10(measure))))
    _, _, tail = f"{100 * share:.{most}f}".partition(".")
    return len(tail.rstrip("0"))


def count(number: float) -> str:
    """A count in groups of three digits; weighted counts are rounded."""
    return f"{round(number):,}".replace(",", _NARROW_SPACE)


def plural(number: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def visible(text: str) -> str:
    """Text with characters that reverse or hide what stands beside them made visible.

    Spaces of other scripts stay: nothing can be hidden in them.
    """
    return "".join(
        c if c.isprintable() or unicodedata.category(c) == "Zs" else f"\\u{ord(c):04x}"
        for c in text
    )


#: What each tier rests on, for people.
TIER_WORDS = {
    "floor": "samples that carry a mark; counted, not estimated",
    "detectable": "a lower bound that assumes nothing of generators",
    "closed": "scores that follow the calibration's; fails for an unseen generator",
    "model_based": "scores, with room for unseen generators",
    "adjudicated": "what people saw in a random draw",
}
