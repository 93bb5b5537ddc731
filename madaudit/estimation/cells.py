"""Counts of many strata over score cells: sparse, and mergeable by addition in any order.

A data set has up to a hundred thousand strata and a sketch has a thousand cells, most of them
empty, so only cells that hold a sample are kept. What is counted apart: samples whose mark settles
what they are, and samples that cannot be looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madaudit.estimation.sketch import N_CELLS, ScoreSketch, places_of

#: What marks say of a sample: nothing; composite; synthetic; nothing, and its image is broken.
UNMARKED, COMPOSITE_MARK, SYNTHETIC_MARK, BROKEN = range(4)
N_PLANES = 4
#: Cells of a sketch, and one for samples without a score.
N_PLACES = N_CELLS + 1
MISSING_PLACE = N_CELLS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class StratumCells:
    """Counts by stratum, plane and cell; only those that are not 0.

    Attributes:
        keys: (stratum · N_PLANES + plane) · N_PLACES + cell, ascending and each once (k,).
        sums: samples, Σw, Σw² and Σ w/size over near-duplicate clusters, by key (k, 4).
    """

    keys: Ints
    sums: Floats

    @classmethod
    def empty(cls) -> StratumCells:
        return cls(np.zeros(0, np.int64), np.zeros((0, 4)))

    @classmethod
    def count(
        cls,
        strata: npt.NDArray[np.integer],
        planes: npt.NDArray[np.integer],
        scores: npt.NDArray[np.floating],
        weights: Floats,
        cluster_sizes: Floats | None = None,
    ) -> StratumCells:
        """Count samples.

        Args:
            strata: number of each one's stratum (n,), from 0.
            planes: UNMARKED, COMPOSITE_MARK, SYNTHETIC_MARK or BROKEN (n,).
            scores: log-likelihood ratios (n,), NaN where missing.
            weights: inverse inclusion probabilities (n,).
            cluster_sizes: samples in each one's near-duplicate cluster (n,); 1 where left out.
        """
        keys = (strata.astype(np.int64) * N_PLANES + planes) * N_PLACES + places_of(scores)
        distinct = weights if cluster_sizes is None else weights / cluster_sizes
        return cls._summed(keys, np.stack([np.ones_like(weights), weights, weights**2, distinct]))

    @classmethod
    def merged(cls, parts: Sequence[StratumCells]) -> StratumCells:
        """All parts together."""
        if not parts:
            return cls.empty()
        keys = np.concatenate([part.keys for part in parts])
        return cls._summed(keys, np.concatenate([part.sums for part in parts]).T)

    @classmethod
    def _summed(cls, keys: Ints, columns: Floats) -> StratumCells:
        found, inverse = np.unique(keys, return_inverse=True)
        sums = [np.bincount(inverse, column, len(found)) for column in columns]
        return cls(found, np.stack(sums, axis=1) if len(found) else np.zeros((0, 4)))

    @property
    def strata(self) -> Ints:
        return np.asarray(self.keys // (N_PLANES * N_PLACES), dtype=np.int64)

    @property
    def planes(self) -> Ints:
        return np.asarray(self.keys // N_PLACES % N_PLANES, dtype=np.int64)

    @property
    def places(self) -> Ints:
        return np.asarray(self.keys % N_PLACES, dtype=np.int64)

    def renumbered(self, numbers: Ints) -> StratumCells:
        """The same counts with stratum k called numbers[k]."""
        rest = self.keys % (N_PLANES * N_PLACES)
        return StratumCells._summed(
            numbers[self.strata] * (N_PLANES * N_PLACES) + rest, self.sums.T
        )

    def of(self, stratum: int) -> StratumCells:
        """One stratum's counts, as stratum 0."""
        first = stratum * N_PLANES * N_PLACES
        low, high = np.searchsorted(self.keys, (first, first + N_PLANES * N_PLACES))
        return StratumCells(self.keys[low:high] - first, self.sums[low:high])

    def together(self) -> StratumCells:
        """All strata as one."""
        return StratumCells._summed(self.keys % (N_PLANES * N_PLACES), self.sums.T)

    def sketch(self, planes: Sequence[int], combiner: str) -> ScoreSketch:
        """All strata's samples of some planes, as the sketch of one stratum."""
        chosen = np.isin(self.planes, planes)
        places = self.places[chosen]
        columns = [np.bincount(places, column, N_PLACES) for column in self.sums[chosen].T]
        sums = np.array(columns, dtype=np.float64)
        counts = np.rint(sums[0]).astype(np.int64)
        return ScoreSketch(
            combiner,
            counts[:-1],
            sums[1, :-1],
            sums[2, :-1],
            int(counts[-1]),
            float(sums[1, -1]),
        )

    def distinct(self, planes: Sequence[int]) -> Floats:
        """Σ w/size by place over all strata's samples of some planes (N_PLACES,)."""
        chosen = np.isin(self.planes, planes)
        found = np.bincount(self.places[chosen], self.sums[chosen, 3], N_PLACES)
        return np.asarray(found, dtype=np.float64)

    def grouped(
        self,
        groups: npt.NDArray[np.integer],
        n_strata: int,
        planes: Sequence[int],
        *,
        column: int = 1,
    ) -> Floats:
        """Sums of every stratum over groups of places.

        Args:
            groups: group of each place (N_PLACES,), −1 to leave it out.
            n_strata: rows of the answer.
            planes: to add up.
            column: of `sums`; Σw by default.

        Returns:
            (n_strata, groups).
        """
        n_groups = int(groups.max()) + 1
        group = groups[self.places]
        chosen = np.isin(self.planes, planes) & (group >= 0)
        flat = self.strata[chosen] * n_groups + group[chosen]
        found = np.bincount(flat, self.sums[chosen, column], n_strata * n_groups)
        return np.asarray(found, dtype=np.float64).reshape(n_strata, n_groups)


class CellSum:
    """A running sum of parts, folded together now and then so that memory follows the result."""

    def __init__(self) -> None:
        self._parts: list[StratumCells] = []
        self._n_waiting = 0

    def add(self, part: StratumCells) -> None:
        self._parts.append(part)
        self._n_waiting += len(part.keys)
        if self._n_waiting > max(2 * len(self._parts[0].keys), 1 << 20):
            self._fold()

    def total(self) -> StratumCells:
        self._fold()
        return self._parts[0]

    def _fold(self) -> None:
        self._parts = [StratumCells.merged(self._parts)]
        self._n_waiting = 0
