"""λ from data: how much narrower synthetic samples are than real ones of the same clusters.

Pure: embeddings in, ratios with intervals out. λ is the variance ratio within clusters, so that a
synthetic set of other subjects is not taken for a narrow one. Samples that a detector chose are
selection-biased (it prefers some generators and styles): mark them so, and prefer samples with a
provenance mark.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.cluster.vq import kmeans2
from scipy.special import digamma
from scipy.stats import norm

from madaudit.errors import OptionError
from madaudit.types import Interval

Array = npt.NDArray[np.float64]
# Samples of the smaller side for each cluster, and clusters at most.
_PER_CLUSTER, _MOST_CLUSTERS = 50, 20


@dataclass(frozen=True)
class SamplingBias:
    """The measured variance ratio.

    Attributes:
        trace_ratio: ratio of the traces of the covariance within clusters; the λ of a Gaussian
            loop, dominated by the largest directions.
        det_ratio: root of the ratio of determinants within the leading real directions, as many
            as the effective rank; below the trace ratio where some directions shrink more.
        effective_rank: (Σ e)² / Σ e² of the real covariance's eigenvalues within clusters.
        n_real, n_synthetic: samples used, in clusters that have two of each.
        is_selected: whether a detector chose the synthetic samples.
    """

    trace_ratio: Interval
    det_ratio: Interval
    effective_rank: float
    n_real: int
    n_synthetic: int
    is_selected: bool

    def to_dict(self) -> dict[str, Any]:
        return {
            "trace_ratio": self.trace_ratio.to_dict(),
            "det_ratio": self.det_ratio.to_dict(),
            "effective_rank": self.effective_rank,
            "n_real": self.n_real,
            "n_synthetic": self.n_synthetic,
            "selection_biased": self.is_selected,
        }


class Clustered(NamedTuple):
    """Embeddings (n, d) of one encoder and the cluster of each, (n,); -1 is no cluster."""

    embeddings: npt.NDArray[Any]
    clusters: npt.NDArray[Any]


def clusters_of(
    real: npt.NDArray[Any], synthetic: npt.NDArray[Any], generator: np.random.Generator
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Clusters for `measure_bias` where none are known: k-means on both sides together.

    Few and large ones, since the cells of a fine partition cut both sides to one width and would
    hide what is to be measured; too few leave differences between subjects in it.

    Args:
        real: embeddings (n, d).
        synthetic: (m, d) of the same encoder.
        generator: of the first centers.

    Returns:
        Cluster of each real and of each synthetic sample.
    """
    n_clusters = int(np.clip(min(len(real), len(synthetic)) // _PER_CLUSTER, 1, _MOST_CLUSTERS))
    points = np.concatenate([np.asarray(real, float), np.asarray(synthetic, float)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty cluster is no cluster
        _, labels = kmeans2(points, n_clusters, minit="++", seed=generator)
    clusters = np.asarray(labels, dtype=np.intp)
    return clusters[: len(real)], clusters[len(real) :]


def measure_bias(
    real: Clustered, synthetic: Clustered, *, is_selected: bool = False, level: float = 0.95
) -> SamplingBias:
    """The variance of synthetic samples within clusters over that of real ones.

    Each cluster weighs by its synthetic samples, on both sides, so the clusters' sizes do not
    enter. Intervals are of the logarithm, by the delta method over samples; they hold the clusters
    fixed.

    Args:
        real: real samples.
        synthetic: synthetic ones, in the same clusters.
        is_selected: whether a detector chose the synthetic samples.
        level: of the intervals, (0, 1).

    Raises:
        OptionError: shapes that do not fit, or no cluster with two samples of each kind.
    """
    sides = [_within(side) for side in (real, synthetic)]
    if sides[0].embeddings.shape[1] != sides[1].embeddings.shape[1]:
        raise OptionError(
            f"cannot compare embeddings of {sides[0].embeddings.shape[1]} and "
            f"{sides[1].embeddings.shape[1]} dimensions; use one encoder"
        )
    shared = np.intersect1d(_large_clusters(sides[0]), _large_clusters(sides[1]))
    if not len(shared):
        raise OptionError("no cluster has two real and two synthetic samples; use fewer clusters")
    inside = [_chosen(side, shared) for side in sides]
    sizes = np.array([np.sum(inside[1].clusters == c) for c in shared], dtype=float)
    shares = sizes / sizes.sum()
    residuals = [_residuals(side, shared, shares) for side in inside]
    covariance = residuals[0].T @ residuals[0]
    values, directions = np.linalg.eigh(covariance)
    rank = float(values.sum() ** 2 / np.sum(values**2))
    leading = directions[:, ::-1][:, : max(1, round(rank))]
    spare = [len(side.clusters) - len(shared) for side in inside]
    return SamplingBias(
        _trace_ratio(residuals, level),
        _det_ratio([r @ leading for r in residuals], spare, level),
        rank,
        len(inside[0].clusters),
        len(inside[1].clusters),
        is_selected,
    )


def _within(side: Clustered) -> Clustered:
    embeddings = np.asarray(side.embeddings, dtype=np.float64)
    clusters = np.asarray(side.clusters)
    if embeddings.ndim != 2 or clusters.shape != (len(embeddings),):
        raise OptionError(
            f"embeddings have shape {embeddings.shape} and clusters {clusters.shape}; they must "
            f"be (n, d) and (n,)"
        )
    return Clustered(embeddings, clusters)


def _large_clusters(side: Clustered) -> npt.NDArray[Any]:
    names, counts = np.unique(side.clusters, return_counts=True)
    return np.asarray(names[(counts >= 2) & (names >= 0)])


def _chosen(side: Clustered, shared: npt.NDArray[Any]) -> Clustered:
    is_shared = np.isin(side.clusters, shared)
    return Clustered(side.embeddings[is_shared], side.clusters[is_shared])


def _residuals(side: Clustered, shared: npt.NDArray[Any], shares: Array) -> Array:
    """Deviations from the cluster's mean, scaled so that their squares add up to the variance."""
    scaled = np.empty_like(side.embeddings)
    for cluster, share in zip(shared, shares, strict=True):
        rows = side.clusters == cluster
        points = side.embeddings[rows]
        scaled[rows] = (points - points.mean(axis=0)) * np.sqrt(share / (len(points) - 1.0))
    return scaled


def _trace_ratio(residuals: list[Array], level: float) -> Interval:
    squares = [np.sum(r**2, axis=1) for r in residuals]
    real, synthetic = (float(s.sum()) for s in squares)
    if real <= 0:
        raise OptionError("the real samples do not vary within their clusters; λ has no base")
    if synthetic <= 0:
        return Interval(0.0, 0.0, 0.0, level)
    influences = [squares[0] / real, squares[1] / synthetic]
    return _exponential(float(np.log(synthetic / real)), influences, level)


def _det_ratio(projected: list[Array], spare: list[int], level: float) -> Interval:
    """(det S_synthetic / det S_real)^(1 / rank), each ln det without its bias at few samples.

    The influence of a sample on ln det S is its squared Mahalanobis length r S⁻¹ r.
    """
    rank = projected[0].shape[1]
    logs, influences = [], []
    for rows, degrees in zip(projected, spare, strict=True):
        values, directions = np.linalg.eigh(rows.T @ rows)
        if values[0] <= 1e-12 * max(float(values[-1]), 1e-300) or degrees < rank:
            return Interval(0.0, 0.0, 0.0, level)
        halves = (degrees + 1.0 - np.arange(1, rank + 1)) / 2.0
        excess = np.sum(digamma(halves) - np.log(degrees / 2.0))
        logs.append(float(np.sum(np.log(values)) - excess) / rank)
        influences.append(np.sum((rows @ directions) ** 2 / values, axis=1) / rank)
    return _exponential(logs[1] - logs[0], influences, level)


def _exponential(log_ratio: float, influences: list[Array], level: float) -> Interval:
    """Interval of a ratio from its logarithm; a sum of n influences has n times their variance."""
    variance = sum(len(each) * float(np.var(each, ddof=1)) for each in influences)
    half = float(norm.ppf((1.0 + level) / 2.0)) * np.sqrt(variance)
    low, point, high = (float(np.exp(log_ratio + shift)) for shift in (-half, 0.0, half))
    return Interval(low, point, high, level)
