"""Histograms of a calibration as a cut needs them, and which cuts of them are looked at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from madaudit.assessment.cut_draws import CutOptions
from madaudit.assessment.harm import Array
from madaudit.assessment.risk import PrevalenceEstimate
from madaudit.errors import OptionError
from madaudit.simulation import LoopSpec
from madaudit.simulation.loop import require_number
from madaudit.types import Interval

#: A cut that drops samples with a mark that says synthetic, whose log-ratio is ∞, and no others.
MARKS_ONLY = 1e9
# Bins that are told apart; finer ones are joined.
_MOST_BINS = 4096
# Cuts on the curve; pools that grow cost several times a generation's work.
_MOST_CUTS, _MOST_CUTS_OF_POOLS = 256, 64


class Counts(NamedTuple):
    """Calibration on the cut's bins, (bins,), and their edges, (bins + 1,)."""

    real: Array
    synthetic: Array
    edges: Array

    def scores(self, options: CutOptions) -> Array:
        """Every cut, from the one that drops most to no cut."""
        marks = [MARKS_ONLY] if options.marked > 0 else []
        return np.concatenate([self.edges[:-1], marks, [np.inf]])

    def starts(self, most: int) -> npt.NDArray[np.intp]:
        """Bins at which at most so many parts of about equal pooled mass begin."""
        if len(self.real) <= most:
            return np.arange(len(self.real))
        mass = np.cumsum(self.real / self.real.sum() + self.synthetic / self.synthetic.sum())
        starts = np.searchsorted(mass, np.linspace(0, 2, most + 1)[:-1])
        return np.unique(np.append(0, starts[starts < len(self.real)]))

    def shown(self, loop: LoopSpec, options: CutOptions) -> npt.NDArray[np.intp]:
        """Places among the scores of the cuts on the curve, "no cut" last."""
        starts = self.starts(_MOST_CUTS if loop.pool == "replace" else _MOST_CUTS_OF_POOLS)
        return np.append(starts, np.arange(len(self.real), len(self.scores(options))))


def counts_for(
    real_counts: npt.ArrayLike,
    synthetic_counts: npt.ArrayLike,
    estimate: PrevalenceEstimate,
    options: CutOptions,
) -> Counts:
    """The histograms with the edges that are given, or the bins' numbers.

    Raises:
        OptionError: counts that do not fit one another, or a side without any.
    """
    require_number("marked", options.marked, high=1.0)
    require_number("least_detected", options.least_detected, high=1.0)
    real, synthetic = (np.asarray(c, dtype=float) for c in (real_counts, synthetic_counts))
    for what, counts in (("real_counts", real), ("synthetic_counts", synthetic)):
        require_bins(what, counts, len(real))
        if counts.sum() <= 0:
            raise OptionError(f"{what} is empty; a cut needs calibration on both sides")
    edges = getattr(estimate, "edges", None) if options.edges is None else options.edges
    edges = np.arange(len(real) + 1.0) if edges is None else np.asarray(edges, dtype=float)
    if len(edges) != len(real) + 1:
        raise OptionError(f"edges has {len(edges)} scores for {len(real)} bins; give bins + 1")
    return Counts(real, synthetic, edges)


def joined(counts: Counts) -> Counts:
    """The histograms on bins that can be told apart."""
    starts = counts.starts(_MOST_BINS)
    if len(starts) == len(counts.real):
        return counts
    real, synthetic = (np.add.reduceat(each, starts) for each in counts[:2])
    return Counts(real, synthetic, counts.edges[np.append(starts, len(counts.real))])


def require_bins(what: str, counts: Array, n_bins: int) -> None:
    """Refuse what is no histogram over so many bins.

    Raises:
        OptionError: it is not.
    """
    if counts.ndim != 1 or len(counts) != n_bins or not np.all(counts >= 0):
        raise OptionError(
            f"{what} has shape {counts.shape}; it must hold a count, 0 or more, for each of the "
            f"{n_bins} bins"
        )


def share_of(part: float, total: float, level: float) -> Interval:
    """A share with its exact binomial interval (Clopper and Pearson 1934)."""
    tail, rest = (1.0 - level) / 2.0, total - part
    low = float(betaincinv(part, rest + 1.0, tail)) if part > 0 else 0.0
    high = float(betaincinv(part + 1.0, rest, 1.0 - tail)) if rest > 0 else 1.0
    return Interval(low, part / total if total > 0 else None, high, level)
