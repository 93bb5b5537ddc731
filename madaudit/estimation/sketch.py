"""Mergeable histograms of one combined score: all that estimation keeps of a stratum.

Scores are log-likelihood ratios (logits): 1,024 bins of 1/64 over [−8, 8), one bin below and one
above, and what has no score apart. Sketches add up in any order; sketches of other bins or of
another combiner are refused. Counts are exact; sums of weights are exact while weights are whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from madaudit.errors import InputError

SKETCH_VERSION = 1
LOWEST, HIGHEST, PER_UNIT = -8.0, 8.0, 64
N_BINS = int((HIGHEST - LOWEST) * PER_UNIT)
#: Below, the bins, above.
N_CELLS = N_BINS + 2
# Scores that are binned together, so that their places stay in the processor's cache.
_CHUNK = 1 << 15

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScoreSketch:
    """Counts of one stratum.

    Attributes:
        counts: samples by cell (1026,): below −8, the bins, from 8 on.
        weights, squares: sums of w and w² by cell; both equal `counts` in a census.
        missing, missing_weight: samples without a score, and their sum of w.
        combiner: fingerprint of what made the scores; only equal ones add up.
        version: of the bins.
    """

    combiner: str = ""
    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(N_CELLS, np.int64))
    weights: Floats = field(default_factory=lambda: np.zeros(N_CELLS))
    squares: Floats = field(default_factory=lambda: np.zeros(N_CELLS))
    missing: int = 0
    missing_weight: float = 0.0
    version: int = SKETCH_VERSION

    @classmethod
    def count(
        cls,
        scores: npt.NDArray[np.floating],
        weights: Floats | None = None,
        *,
        combiner: str = "",
    ) -> ScoreSketch:
        """Sketch of scores.

        Args:
            scores: (n,), NaN where there is none; ±∞ lies outside the bins.
            weights: inverse inclusion probabilities (n,); 1 for all where left out.
            combiner: fingerprint of what made the scores.
        """
        # One cell more takes the missing ones.
        cells = np.zeros(N_CELLS + 1, np.int64)
        if weights is None:
            for start in range(0, len(scores), _CHUNK):
                places = places_of(scores[start : start + _CHUNK])
                cells += np.bincount(places, minlength=N_CELLS + 1)
            sums: Floats = cells.astype(np.float64)
            squares = sums
        else:
            places = places_of(scores)
            cells += np.bincount(places, minlength=N_CELLS + 1)
            sums = np.asarray(np.bincount(places, weights, N_CELLS + 1), dtype=np.float64)
            squares = np.asarray(np.bincount(places, weights**2, N_CELLS + 1), dtype=np.float64)
        return cls(
            combiner,
            cells[:-1],
            sums[:-1],
            squares[:-1],
            int(cells[-1]),
            float(sums[-1]),
        )

    def __add__(self, other: ScoreSketch) -> ScoreSketch:
        """Both together.

        Raises:
            InputError: other bins, or scores of another combiner.
        """
        if self.version != other.version:
            raise InputError(
                f"cannot merge sketches: bins of version {self.version} v {other.version}; "
                f"sketch both with one version of madaudit"
            )
        if self.combiner != other.combiner:
            raise InputError(
                f"cannot merge sketches: scores of combiner {self.combiner!r} v "
                f"{other.combiner!r}; combine both with one calibration"
            )
        return ScoreSketch(
            self.combiner,
            self.counts + other.counts,
            self.weights + other.weights,
            self.squares + other.squares,
            self.missing + other.missing,
            self.missing_weight + other.missing_weight,
            self.version,
        )

    @property
    def n(self) -> int:
        """Samples in all, with and without a score."""
        return int(self.counts.sum()) + self.missing

    @property
    def missing_share(self) -> float:
        """Share without a score by weight; 0 for an empty sketch."""
        total = float(self.weights.sum()) + self.missing_weight
        return self.missing_weight / total if total > 0 else 0.0

    def effective_counts(self) -> Floats:
        """Counts by cell that carry what weighted samples know: shares of Σw, summing to n_eff.

        n_eff = (Σw)² / Σw² (Kish 1965, 11.7), so unequal weights widen intervals and move nothing.
        """
        total, squares = float(self.weights.sum()), float(self.squares.sum())
        return self.weights * (total / squares) if squares > 0 else self.weights


def bin_edges() -> Floats:
    """Edges between cells (1025,), ascending: cell k holds edges[k−1] ≤ score < edges[k]."""
    return np.linspace(LOWEST, HIGHEST, N_BINS + 1)


def places_of(scores: npt.NDArray[np.floating]) -> npt.NDArray[np.intp]:
    """Cell of each score; N_CELLS for a missing one."""
    # Rounded down before the offset is added, which would carry a score across an edge.
    shifted = np.floor(scores * PER_UNIT)
    shifted -= LOWEST * PER_UNIT - 1
    np.clip(shifted, 0, N_CELLS - 1, out=shifted)
    np.nan_to_num(shifted, copy=False, nan=N_CELLS)
    return np.asarray(shifted, dtype=np.intp)


def effective_ratio(cluster_sizes: npt.NDArray[np.int64] | Floats) -> float:
    """n_eff / N of samples in near-duplicate clusters: (Σ W_c)² / Σ W_c² over their number.

    Multiplying counts by it widens intervals by what duplicates repeat; it moves no estimate.

    Args:
        cluster_sizes: samples (or their weight) by cluster, single ones included as 1.
    """
    sizes = np.asarray(cluster_sizes, dtype=np.float64)
    squares = float((sizes**2).sum())
    return float(sizes.sum()) / squares if squares > 0 else 1.0
