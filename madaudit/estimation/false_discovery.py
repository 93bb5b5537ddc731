"""Which samples of a data set are marked, from the p-values of one check over all of them.

Works on a histogram of −log10 p, so it merges over shards and takes a billion samples. A sample
counts with the largest p-value of its bin, which keeps every statement conservative. The p-values
must be at most as small as uniform ones where there is no mark; the false discovery rate holds
where they are independent or positively dependent (near-duplicates are), the lower bound of the
share where they are independent. A mark that did not survive looks like none, so the share has no
upper bound but 1.

Source: Benjamini and Hochberg 1995; the lower bound is the simultaneous binomial one of Genovese
and Wasserman 2004, with Bonferroni over the histogram's edges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from madaudit.errors import OptionError
from madaudit.types import Interval

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

RATE = 0.01


@dataclass(frozen=True)
class FlaggedShard:
    """A shard with more small p-values than chance gives, all shards considered.

    Attributes:
        shard: its name.
        tested: samples with a p-value.
        at_least: samples of them that are marked, lower bound.
        p_value: of having no mark at all, adjusted for the number of shards.
    """

    shard: str
    tested: int
    at_least: int
    p_value: float


@dataclass(frozen=True)
class Discoveries:
    """What one check says of a data set.

    Attributes:
        tested: samples with a p-value.
        found: samples called marked, the false discovery rate held.
        rate: expected share of errors among them, at most.
        threshold: largest p-value among them, an upper bound; None where none are found.
        share: of tested samples that are marked; the upper end is 1.
        largest_score: the largest −log10 p, a lower bound; None where nothing was tested.
        flagged: shards that stand apart, strongest first.
    """

    tested: int
    found: int
    rate: float
    threshold: float | None
    share: Interval
    largest_score: float | None
    flagged: tuple[FlaggedShard, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "tested": self.tested,
            "after_fdr": self.found,
            "fdr": self.rate,
            "threshold": self.threshold,
            "share": self.share.to_dict(),
            "largest_score": self.largest_score,
            "flagged_shards": [vars(shard) for shard in self.flagged],
        }


def discover(
    shards: Mapping[str, Counts], edges: Floats, *, rate: float = RATE, level: float = 0.95
) -> Discoveries:
    """Marked samples of a data set.

    Args:
        shards: name to histogram of −log10 p, len(edges) cells: cell i holds scores from edges[i]
            up to the next edge, the last one all beyond.
        edges: ascending, the first 0.
        rate: false discovery rate to hold, over samples and over shards.
        level: of the share's lower bound.

    Raises:
        OptionError: rate or level is not in (0, 1).
    """
    for name, value in (("rate", rate), ("level", level)):
        if not 0.0 < value < 1.0:
            raise OptionError(f"{name} is {value}; it must lie between 0 and 1")
    total = sum(shards.values(), np.zeros(len(edges), np.int64))
    tested = int(total.sum())
    if tested == 0:
        return Discoveries(0, 0, rate, None, Interval(0.0, None, 1.0, level), None)
    found, threshold = benjamini_hochberg(total, edges, rate)
    low = marked_at_least(total, edges, level) / tested
    return Discoveries(
        tested,
        found,
        rate,
        threshold,
        Interval(low, max(low, found / tested), 1.0, level),
        float(edges[np.flatnonzero(total)[-1]]),
        _flagged(shards, edges, rate=rate, level=level),
    )


def benjamini_hochberg(counts: Counts, edges: Floats, rate: float) -> tuple[int, float | None]:
    """Number of samples rejected at a false discovery rate, and the largest p-value among them."""
    n_beyond = counts[::-1].cumsum()[::-1]
    p_values = 10.0**-edges
    passes = np.flatnonzero((n_beyond > 0) & (p_values * counts.sum() <= rate * n_beyond))
    if passes.size == 0:
        return 0, None
    weakest = np.flatnonzero(counts[passes[0] :])[0] + passes[0]
    return int(n_beyond[weakest]), float(p_values[weakest])


def marked_at_least(counts: Counts, edges: Floats, level: float) -> int:
    """Lower bound of the number of marked samples, at once over all edges.

    Unmarked samples with a p-value of at most u are no more than a binomial's quantile.
    """
    n_beyond = counts[::-1].cumsum()[::-1]
    by_chance = stats.binom.isf((1.0 - level) / len(edges), counts.sum(), 10.0**-edges)
    return int(max((n_beyond - by_chance).max(), 0))


def _flagged(
    shards: Mapping[str, Counts], edges: Floats, *, rate: float, level: float
) -> tuple[FlaggedShard, ...]:
    names = [name for name, counts in shards.items() if counts.sum() > 0]
    p_values = np.array([_p_of_no_mark(shards[name], edges) for name in names])
    adjusted = stats.false_discovery_control(p_values)
    flagged = [
        FlaggedShard(
            names[place],
            int(shards[names[place]].sum()),
            marked_at_least(shards[names[place]], edges, level),
            float(adjusted[place]),
        )
        for place in np.flatnonzero(adjusted <= rate).tolist()
    ]
    return tuple(sorted(flagged, key=lambda shard: (shard.p_value, -shard.at_least, shard.shard)))


def _p_of_no_mark(counts: Counts, edges: Floats) -> float:
    """P-value of a shard without marks: its most surprising edge, all edges charged."""
    n_beyond = counts[::-1].cumsum()[::-1]
    k = np.maximum(n_beyond, 1)
    tails = special.betainc(k, counts.sum() - k + 1.0, 10.0**-edges)
    smallest = np.where(n_beyond > 0, tails, 1.0).min()
    # Beyond what a double holds; a p-value is never 0.
    return float(np.clip(len(edges) * smallest, 1e-300, 1.0))
