"""Strip and add: what marks prove, beside what scores say of samples without a mark.

A hit proves and a miss says nothing. Hits are taken out of target and calibration, the scores are
fitted on the rest, and the hits are added back less what negative controls say of false ones:

    π = P(hit, synthetic) + (1 − h) π',   P(hit, synthetic) ≥ h − e (1 − π),

with h the share of hits, e the hit rate of real samples and π' the prevalence among the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from madaudit.errors import InputError
from madaudit.types import Interval


@dataclass(frozen=True)
class Hits:
    """Marks of one check in a target and in its negative controls.

    Attributes:
        found: target samples with a hit.
        of: target samples on which the mark could have been seen or not, all of them.
        false: hits among known-real controls that went through the same processing.
        controls: known-real controls.
    """

    found: int
    of: int
    false: int
    controls: int

    def __post_init__(self) -> None:
        for name, part, total in (
            ("hits", self.found, self.of),
            ("false hits", self.false, self.controls),
        ):
            if not 0 <= part <= total:
                raise InputError(f"{name}: {part} of {total}; the part is at most the whole")


def floor_of_hits(hits: Hits, *, level: float = 0.95) -> Interval:
    """π by hits alone: at least max(0, (h_low − e) / (1 − e)), at most 1.

    Each of the two bounds has half of the interval's error; without controls nothing is proved.
    """
    h_low, _ = _bounds(hits.found, hits.of, level)
    _, e = _bounds(hits.false, hits.controls, level)
    low = max(0.0, (h_low - e) / (1.0 - e)) if e < 1.0 else 0.0
    return Interval(low, None, 1.0, level)


def with_hits(hits: Hits, others: Interval) -> Interval:
    """π of a whole target, from its hits and from the interval of the samples without a hit.

    Args:
        hits: of the target.
        others: π' of the samples without a hit, fitted on a calibration without hits.
    """
    level = others.level
    h_low, h_high = _bounds(hits.found, hits.of, level)
    _, e = _bounds(hits.false, hits.controls, level)
    # More hits take samples from the others: both ends move with h, so the worse h counts.
    lows = [
        (h - e + (1.0 - h) * others.low) / (1.0 - e) if e < 1 else 0.0 for h in (h_low, h_high)
    ]
    highs = [h + (1.0 - h) * others.high for h in (h_low, h_high)]
    low = max((1.0 - h_high) * others.low, min(lows), 0.0)
    high = max(min(max(highs), 1.0), low)
    point = None
    if others.point is not None and hits.of > 0:
        share = hits.found / hits.of
        false = hits.false / hits.controls if hits.controls else 0.0
        point = (
            (share - false + (1.0 - share) * others.point) / (1.0 - false) if false < 1 else low
        )
        point = float(np.clip(point, low, high))
    return Interval(low, point, high, level)


def _bounds(part: int, total: int, level: float) -> tuple[float, float]:
    """Clopper and Pearson's interval; [0, 1] of nothing."""
    if total <= 0:
        return 0.0, 1.0
    found = binomtest(part, total).proportion_ci(confidence_level=level, method="exact")
    return float(found.low), float(found.high)
