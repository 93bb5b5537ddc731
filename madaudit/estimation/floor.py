"""The certain floor of contamination: samples that carry a mark of having been generated.

A census of marks has no sampling error: the floor is the exact share, under the one assumption
that marks are not forged. A sampled scan has: its lower bound is Clopper and Pearson's at the
effective number of samples n_eff = (Σw)² / Σw² (Kish 1965, 11.7). The upper end is 1 either way,
since a sample without a mark may be anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scipy.stats import beta

from madaudit.errors import OptionError
from madaudit.estimation.tally import MarkTally
from madaudit.types import Interval


@dataclass(frozen=True)
class Floor:
    """Two floors of π.

    Attributes:
        all_marks: from every mark, forged or not.
        validated: from marks whose signature validates, which are harder to forge.
    """

    all_marks: Interval
    validated: Interval

    def to_dict(self) -> dict[str, Any]:
        return {**self.all_marks.to_dict(), "validated": self.validated.to_dict()}

    def effective_real(self) -> Interval:
        """The effective real fraction p = 1 − π: marks alone give its upper end, and no point."""
        return Interval(0.0, None, 1.0 - self.all_marks.low, self.all_marks.level)


def estimate_floor(
    tally: MarkTally,
    *,
    is_sampled: bool,
    level: float = 0.95,
    counts_composite: bool = False,
    drops_composite: bool = False,
) -> Floor:
    """The floor of the synthetic share π.

    Args:
        tally: of the stratum.
        is_sampled: whether the rows are a sample of it.
        level: of the sampling bound, (0, 1).
        counts_composite: count composites as synthetic.
        drops_composite: leave composites out of the denominator.

    Raises:
        OptionError: the level is not in (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise OptionError(f"--level is {level}; it must lie between 0 and 1")
    hits = tally.synthetic + (tally.composite if counts_composite else 0.0)
    total, squares = tally.weight, tally.weight_squared
    if drops_composite:
        total, squares = total - tally.composite, squares - tally.composite_squared
    n_effective = total**2 / squares if squares > 0 else 0.0
    return Floor(
        _bound(hits, total, n_effective, is_sampled=is_sampled, level=level),
        _bound(tally.validated, total, n_effective, is_sampled=is_sampled, level=level),
    )


def _bound(
    part: float, total: float, n_effective: float, *, is_sampled: bool, level: float
) -> Interval:
    # Sums of fractional weights round differently, so all of them may come to more than the total.
    share = min(part / total, 1.0) if total > 0 else 0.0
    low = share
    if is_sampled:
        low = clopper_pearson_low(share * n_effective, n_effective, level)
    return Interval(low, share if total > 0 else None, 1.0, level)


def clopper_pearson_low(successes: float, trials: float, level: float) -> float:
    """Lower end of the two-sided exact interval for a binomial share.

    Args:
        successes: ≥ 0, need not be whole.
        trials: ≥ successes.
        level: of the two-sided interval.

    Source: Clopper and Pearson 1934, by the quantile of the beta distribution.
    """
    if successes <= 0:
        return 0.0
    tail = (1.0 - level) / 2.0
    return float(beta.ppf(tail, successes, trials - successes + 1.0))
