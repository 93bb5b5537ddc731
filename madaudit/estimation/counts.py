"""Histograms that an estimate starts from, and the coarse bins on which it is fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2_contingency

from madaudit.errors import InputError

Floats = npt.NDArray[np.float64]

# Bins of a fit by calibration samples of the smaller class: more of them resolve the tail, and
# cost coverage where each holds few (decision 0028 has the measurements).
_BINS_BY_CALIBRATION = ((5000, 32), (300, 16), (200, 12), (0, 8))
_LEAST_CALIBRATION_PER_BIN = 3
# χ² of real against synthetic calibration per free bin, from which so many bins may be used.
_LEAST_APART = 4.0
_MOST_LABELLED_BINS = 32
_UNEVEN = 1e-3


@dataclass(frozen=True, eq=False)
class Histograms:
    """Counts over the same ascending score bins, each (bins,).

    Attributes:
        real, synthetic: calibration; all 0 where there is none.
        target: of the data set, labelled samples included.
        gold_real, gold_synthetic: labels, a subset of the target, drawn at random from it or at
            random within each bin.
        missing_share: share of the target without a score, [0, 1].
        effective_ratio: n_eff / N of the target, (0, 1]; below 1 for weights and duplicates.
    """

    real: Floats
    synthetic: Floats
    target: Floats
    gold_real: Floats
    gold_synthetic: Floats
    missing_share: float = 0.0
    effective_ratio: float = 1.0

    def __post_init__(self) -> None:
        for name in ("real", "synthetic", "target", "gold_real", "gold_synthetic"):
            _require_counts(name, getattr(self, name), len(self.target))
        excess = np.flatnonzero(self.gold_real + self.gold_synthetic > self.target * (1 + 1e-9))
        if len(excess):
            at = int(excess[0])
            raise InputError(
                f"bin {at} has {self.gold_real[at] + self.gold_synthetic[at]:g} gold labels but "
                f"{self.target[at]:g} target samples; labels must be a subset of the target, "
                f"counted in the same bins"
            )
        if not 0.0 <= self.missing_share <= 1.0:
            raise InputError(f"missing share is {self.missing_share}; it must lie in [0, 1]")
        if not 0.0 < self.effective_ratio <= 1.0:
            raise InputError(f"effective ratio is {self.effective_ratio}; it must lie in (0, 1]")

    @property
    def n_labels(self) -> float:
        return float(self.gold_real.sum() + self.gold_synthetic.sum())

    @property
    def n_calibration(self) -> float:
        """Samples of the smaller class."""
        return float(min(self.real.sum(), self.synthetic.sum()))

    def effective_target(self) -> Floats:
        """Target counts deflated to what they know; labels are never deflated."""
        deflated = self.target * self.effective_ratio
        return np.maximum(deflated, self.gold_real + self.gold_synthetic)

    def grouped(self, groups: npt.NDArray[np.intp]) -> Histograms:
        """The same counts over groups of bins.

        Args:
            groups: group of each bin (bins,), ascending from 0.
        """
        n_groups = int(groups[-1]) + 1

        def summed(counts: Floats) -> Floats:
            return np.asarray(np.bincount(groups, counts, n_groups), dtype=np.float64)

        return replace(
            self,
            real=summed(self.real),
            synthetic=summed(self.synthetic),
            target=summed(self.target),
            gold_real=summed(self.gold_real),
            gold_synthetic=summed(self.gold_synthetic),
        )


def as_counts(name: str, values: npt.ArrayLike) -> Floats:
    """A histogram as given by a caller.

    Raises:
        InputError: not one-dimensional, or not numbers.
    """
    try:
        counts = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is not an array of counts: {error}") from error
    if counts.ndim != 1:
        raise InputError(
            f"{name} has shape {counts.shape}; give one count per score bin, shape (bins,)"
        )
    return counts


def coarse_groups(
    real: Floats, synthetic: Floats, n_bins: int | None = None
) -> npt.NDArray[np.intp]:
    """Groups of bins for the fit of a model.

    Equal mass of the two calibrations pooled half and half, so that bins lie where the classes
    differ and where there are samples; then neighbours merge until each has three calibration
    samples. Edges follow the calibration alone, never the target.

    Where the two calibrations hardly differ, the statistic of many bins is no χ²₁: templates bend
    to the noise and the interval is far too narrow. The number of bins is then halved until the
    classes are told apart, at worst to two, where the set is Fieller's and right however alike
    they are: [0, 1] for equal ones.

    Args:
        real: calibration counts (bins,), not empty.
        synthetic: the same.
        n_bins: wanted, whatever the calibrations; by their size and difference where left out.
    """
    if n_bins is not None:
        return _equal_mass(real, synthetic, n_bins)
    n_bins = _bins_by_size(real, synthetic)
    groups = _equal_mass(real, synthetic, n_bins)
    while n_bins > 2 and groups[-1] > 1 and not _is_apart(real, synthetic, groups):
        n_bins = max(n_bins // 2, 2)
        groups = _equal_mass(real, synthetic, n_bins)
    return groups


def are_told_apart(real: Floats, synthetic: Floats) -> bool:
    """Whether two calibrations differ enough for the bins that their size allows.

    Args:
        real: calibration counts (bins,), not empty.
        synthetic: the same.
    """
    groups = _equal_mass(real, synthetic, _bins_by_size(real, synthetic))
    return bool(groups[-1] > 0) and _is_apart(real, synthetic, groups)


def _bins_by_size(real: Floats, synthetic: Floats) -> int:
    smaller = min(real.sum(), synthetic.sum())
    return next(bins for least, bins in _BINS_BY_CALIBRATION if smaller >= least)


def _is_apart(real: Floats, synthetic: Floats, groups: npt.NDArray[np.intp]) -> bool:
    """Two samples' χ² on groups, against what chance gives."""
    shares, variances = [], []
    for counts in (real, synthetic):
        summed = np.bincount(groups, counts)
        shares.append(summed / summed.sum())
        variances.append(summed / summed.sum() ** 2)
    statistic = ((shares[1] - shares[0]) ** 2 / (variances[0] + variances[1])).sum()
    return bool(statistic >= _LEAST_APART * groups[-1])


def _equal_mass(real: Floats, synthetic: Floats, n_bins: int) -> npt.NDArray[np.intp]:
    mass = real / real.sum() / 2 + synthetic / synthetic.sum() / 2
    middle = np.cumsum(mass) - mass / 2
    wanted = np.minimum((middle * n_bins).astype(np.intp), n_bins - 1)
    return _merged(np.unique(wanted, return_inverse=True)[1], real + synthetic)


def _merged(groups: npt.NDArray[np.intp], counts: Floats) -> npt.NDArray[np.intp]:
    """Groups joined upwards until each has enough counts; what is left over joins the last."""
    sizes = np.bincount(groups, counts)
    joined = np.empty(len(sizes), dtype=np.intp)
    number, held = 0, 0.0
    for index, size in enumerate(sizes):
        joined[index] = number
        held += size
        if held >= _LEAST_CALIBRATION_PER_BIN:
            number, held = number + 1, 0.0
    if held > 0 or (number and joined[-1] == number):
        joined[joined == number] = max(number - 1, 0)
    return joined[groups]


def label_groups(histograms: Histograms) -> npt.NDArray[np.intp]:
    """Groups of bins for the fit of labels: as given up to 32, else of equal numbers of labels.

    With many bins of one label each the likelihood would mistake noise within bins for certainty.
    """
    labels = histograms.gold_real + histograms.gold_synthetic
    if len(labels) <= _MOST_LABELLED_BINS:
        return np.arange(len(labels), dtype=np.intp)
    middle = np.cumsum(labels) - labels / 2
    wanted = (middle / max(labels.sum(), 1.0) * 16).astype(np.intp)
    return np.unique(np.minimum(wanted, 15), return_inverse=True)[1]


def is_drawn_unevenly(histograms: Histograms, groups: npt.NDArray[np.intp]) -> bool:
    """Whether labels prefer some bins within groups, which the fit of groups cannot allow for."""
    labels = histograms.gold_real + histograms.gold_synthetic
    for group in np.unique(groups):
        inside = groups == group
        drawn, target = labels[inside], histograms.target[inside]
        is_upper = np.cumsum(drawn) * 2 > drawn.sum()
        table = np.array(
            [[part[~is_upper].sum(), part[is_upper].sum()] for part in (drawn, target)]
        )
        is_full = bool((table.sum(axis=0) > 0).all() and (table.sum(axis=1) > 0).all())
        if is_full and chi2_contingency(table).pvalue < _UNEVEN:
            return True
    return False


def _require_counts(name: str, counts: Floats, n_bins: int) -> None:
    if len(counts) != n_bins:
        raise InputError(
            f"{name} has {len(counts)} bins, target has {n_bins}; "
            f"count all of them in the same ascending score bins"
        )
    if not np.isfinite(counts).all() or (counts < 0).any():
        at = int(np.flatnonzero(~np.isfinite(counts) | (counts < 0))[0])
        raise InputError(f"{name} is {counts[at]:g} in bin {at}; counts are finite and at least 0")
