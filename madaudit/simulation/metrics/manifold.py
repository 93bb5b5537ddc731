"""Precision, recall, density and coverage: who lies inside whose neighbourhoods.

A ball stands around every sample of one set, as wide as the distance to its k-th neighbour in
that set. Distances of all pairs come from single-precision products, a tenth of the work; pairs
whose comparison that could flip are measured again in double precision, so the counts are those
of a loop over all pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.errors import InputError
from madaudit.simulation.metrics.features import Features, as_features

Singles = npt.NDArray[np.float32]
# Rows of a block of distances: 512 × 50,000 of them take 100 MB.
_BLOCK = 512


class PrecisionRecall(NamedTuple):
    """Shares of synthetic samples among real ones, and of real ones among synthetic ones."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """Real neighbourhoods that a synthetic sample lies in, and those that hold any."""

    density: float
    coverage: float


def precision_recall(real: npt.ArrayLike, synthetic: npt.ArrayLike, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall.

    Precision: share of synthetic samples inside the ball of any real one. Recall: share of real
    samples inside the ball of any synthetic one. Both move with n, m and k: compare at equal ones.
    An outlier among the reference widens its ball and flatters both (see `density_coverage`).

    Args:
        real: features (n, d).
        synthetic: features (m, d) of the same encoder.
        k: neighbour that sets a ball's radius; the paper on MAD takes 5, Kynkäänniemi et al. 3.

    Raises:
        InputError: k + 1 samples are not there, other dimensions, or values not finite.

    Source: Kynkäänniemi et al. 2019, arXiv:1904.06991, eq. 1 and 2.
    """
    first, second = _checked(real, synthetic, k)
    return PrecisionRecall(
        float(np.mean(_balls(first, second, k).holding > 0)),
        float(np.mean(_balls(second, first, k).holding > 0)),
    )


def density_coverage(real: npt.ArrayLike, synthetic: npt.ArrayLike, k: int = 5) -> DensityCoverage:
    """Density and coverage.

    Density: mean number of real balls that hold a synthetic sample, over k; may exceed 1.
    Coverage: share of real balls that hold any. Only real samples have balls, so that outliers
    among synthetic ones cannot flatter them.

    Args:
        real: features (n, d).
        synthetic: features (m, d) of the same encoder.
        k: neighbour that sets a ball's radius.

    Raises:
        InputError: k + 1 samples are not there, other dimensions, or values not finite.

    Source: Naeem et al. 2020, arXiv:2002.09797, eq. 6 and 8.
    """
    first, second = _checked(real, synthetic, k)
    balls = _balls(first, second, k)
    return DensityCoverage(float(balls.holding.mean() / k), float(balls.is_filled.mean()))


class _Balls(NamedTuple):
    """Balls that hold each point (m,), and whether each ball holds any point (n,)."""

    holding: npt.NDArray[np.int64]
    is_filled: npt.NDArray[np.bool_]


class _Set(NamedTuple):
    """A set in both precisions.

    Attributes:
        exact: float64 (n, d), in units of a power of two, so that equal distances stay equal.
        single: the same about a common centre, where single precision has most digits to give.
        squares: squared lengths of `single` (n,).
    """

    exact: Features
    single: Singles
    squares: Singles


def _checked(real: npt.ArrayLike, synthetic: npt.ArrayLike, k: int) -> list[Features]:
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise InputError(f"k is {k!r}; it must be a whole number, 1 or more")
    return as_features(real, synthetic, least=k + 1)


def _balls(reference: Features, points: Features, k: int) -> _Balls:
    centre = reference.mean(axis=0)
    widest = max(float(np.abs(one - centre).max()) for one in (reference, points))
    unit = 2.0 ** np.ceil(np.log2(widest)) if widest > 0 else 1.0
    ours, theirs = (_as_set(one / unit, centre / unit) for one in (reference, points))
    radii = _radii(ours, k)
    holding = np.zeros(len(points), np.int64)
    is_filled = np.zeros(len(reference), bool)
    for start in range(0, len(reference), _BLOCK):
        rows = slice(start, start + _BLOCK)
        inside = _inside(ours, theirs, rows, radii[rows])
        holding += inside.sum(axis=0)
        is_filled[rows] = inside.any(axis=1)
    return _Balls(holding, is_filled)


def _as_set(exact: Features, centre: Features) -> _Set:
    single = (exact - centre).astype(np.float32)
    return _Set(exact, single, np.einsum("ij,ij->i", single, single))


def _approximate(ours: _Set, theirs: _Set, rows: slice) -> tuple[Singles, Singles]:
    """Squared distances of some of our rows to all of theirs, and a bound on each one's error."""
    lengths = ours.squares[rows, None] + theirs.squares[None, :]
    # A sum of d products errs by less than d units of rounding of their absolute sum, which is
    # at most half of `lengths`; the squares and the rounding to single precision err likewise.
    rounding = np.float32(np.finfo(np.float32).eps * (2 * ours.single.shape[1] + 16))
    squared = lengths - np.float32(2.0) * (ours.single[rows] @ theirs.single.T)
    return squared, lengths * rounding


def _exact(
    ours: _Set, theirs: _Set, first: npt.NDArray[np.intp], second: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """Squared distances of pairs, in double precision."""
    difference = ours.exact[first] - theirs.exact[second]
    return np.asarray(np.einsum("ij,ij->i", difference, difference))


def _radii(ours: _Set, k: int) -> npt.NDArray[np.float64]:
    """Squared distance of each sample to its k-th neighbour among the others (n,)."""
    n = len(ours.exact)
    radii = np.empty(n)
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        squared, error = _approximate(ours, ours, rows)
        places = np.arange(len(squared))
        squared[places, places + start] = np.inf
        # Nobody farther than the k-th smallest upper bound can be the k-th neighbour.
        most = np.partition(squared + error, k - 1, axis=1)[:, k - 1]
        first, second = np.nonzero(squared - error <= most[:, None])
        distances = _exact(ours, ours, first + start, second)
        order = np.lexsort((distances, first))
        begin = np.searchsorted(first[order], places)
        radii[rows] = distances[order][begin + k - 1]
    return radii


def _inside(
    ours: _Set, theirs: _Set, rows: slice, radii: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Whether each of their points lies in each ball of our rows (rows, m)."""
    squared, error = _approximate(ours, theirs, rows)
    edge = squared - radii.astype(np.float32)[:, None]
    inside = edge <= 0
    # Rounding the radius itself adds half a unit of it.
    unsure = np.abs(edge) <= error + (radii.astype(np.float32) * np.float32(1.2e-7))[:, None]
    first, second = np.nonzero(unsure)
    if len(first):
        inside[first, second] = _exact(ours, theirs, first + rows.start, second) <= radii[first]
    return inside
