"""What the exact theory says of a loop of trained models, and how well that ranks them.

Pure numbers: no files, no models. Distances are squared and relative, W2² / tr Σ0.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import permutation_test, rankdata

from madaudit.simulation import LoopSpec, moments_by_generation
from madaudit.simulation.wasserstein import Moments, relative_w2_squared

Array = npt.NDArray[np.float64]

#: How λ may be read off the first model: the trace of all features' covariance (the issue's), that
#: within classes, both on pixels; or "error": λ = 1, and what the knob does is model error.
READINGS = ("all", "within", "pixels_all", "pixels_within", "error")
_DIMENSIONS = (1, 2, 4, 8, 16, 32, 64)
_ALIKE = (0.0, 0.5, 1.0)
_GROWTH = (1.0, 1.25, 1.5, 2.0, 2.5)
# Draws with replacement of the seeds of each cell.
_N_BOOTSTRAP = 1000


@dataclass(frozen=True)
class Evidence:
    """What is known of a cell before its loop runs, from one generation.

    Attributes:
        spec: the loop.
        bias: measured λ by reading; above 1 is read as 1, which the theory ends at.
        model_error: ε² of the first model's draws without the knob, relative.
        error_with_knob: the same of its draws with the knob, against real samples alike in number.
        dimension: effective, of real features.
    """

    spec: LoopSpec
    bias: Mapping[str, float]
    model_error: float
    error_with_knob: float
    dimension: float


@dataclass(frozen=True)
class Correction:
    """What of the theory is fitted to trained loops.

    Attributes:
        reading: of λ, see `READINGS`.
        alike: ρ, correlation of the model errors of two generations. The exact theory takes them
            as independent (0), so that squares add up; errors in one direction (1) add up
            themselves.
        growth: κ, factor on an error that a model is trained on: a small network multiplies the
            failures that it is shown. The exact theory has 1.
        dimension: effective; None for that of real features.
    """

    reading: str = "all"
    alike: float = 0.0
    growth: float = 1.0
    dimension: int | None = None


class Agreement(NamedTuple):
    """How well one order follows another.

    Attributes:
        rho: Spearman's; NaN where either is constant.
        p: chance that random pairing does as well or better.
        n: cells.
    """

    rho: float
    p: float
    n: int


def predicted(evidence: Evidence, correction: Correction | None = None) -> Array:
    """Squared distance of each generation's draws from the real distribution, relative.

    Args:
        evidence: of the cell.
        correction: None for the theory as it is.

    Returns:
        (generations,), generation 1 first. A draw has variance λ s where the model has s.
    """
    chosen = correction or Correction()
    is_error = chosen.reading == "error"
    bias = 1.0 if is_error else min(evidence.bias[chosen.reading], 1.0)
    error = evidence.error_with_knob if is_error else evidence.model_error
    d = chosen.dimension or max(round(evidence.dimension), 1)
    errors = _by_generation(evidence.spec, max(error, 0.0), chosen.alike, chosen.growth)
    moments = _moments(replace(evidence.spec, bias=bias, model_error=errors))
    m, s = moments.m[1:, 0], moments.s[1:, 0]
    w2 = relative_w2_squared(moments, float(d))[1:, 0]
    mean_root = (m + 1 + s - w2) / 2
    return np.asarray(m + 1 + bias * s - 2 * math.sqrt(bias) * mean_root)


@lru_cache(maxsize=4096)
def _moments(spec: LoopSpec) -> Moments:
    """Relative moments, which know no dimension: a fit asks for them at every dimension."""
    return moments_by_generation(spec)


def fit_correction(cells: Sequence[tuple[Evidence, float]]) -> Correction:
    """The correction whose predictions are nearest, in the mean square of logarithms.

    Args:
        cells: evidence, and the measured relative distance of the last generation, > 0.
    """
    candidates = itertools.product(READINGS, _ALIKE, _GROWTH, _DIMENSIONS)
    return min((Correction(*one) for one in candidates), key=lambda one: _misfit(cells, one))


def agreement(prediction: Sequence[float], measured: Sequence[float]) -> Agreement:
    """Spearman's rank correlation with its one-sided permutation p; ∞ ranks last, ties share."""
    n = len(prediction)
    if n < 3 or len(set(prediction)) < 2 or len(set(measured)) < 2:
        return Agreement(float("nan"), float("nan"), n)
    x, y = rankdata(prediction), rankdata(measured)
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    tested = permutation_test(
        (x,),
        lambda one, axis: np.mean(one * y, axis=axis),
        permutation_type="pairings",
        alternative="greater",
        vectorized=True,
        n_resamples=9_999,
        rng=np.random.default_rng(18),
    )
    return Agreement(float(np.mean(x * y)), float(tested.pvalue), n)


def over_seeds(
    prediction: Sequence[float], measured: Sequence[Sequence[float]]
) -> tuple[float, float] | None:
    """95 % interval of Spearman's correlation when each cell's seeds are drawn again.

    Args:
        prediction: of each cell.
        measured: of each cell, by seed.

    Returns:
        None where a cell has one seed: there is nothing to draw from.
    """
    if len(prediction) < 3 or any(len(seeds) < 2 for seeds in measured):
        return None
    random = np.random.default_rng(18)
    drawn = [random.choice(np.asarray(seeds), (_N_BOOTSTRAP, len(seeds))) for seeds in measured]
    ranks = rankdata([means.mean(axis=1) for means in drawn], axis=0)
    x = rankdata(prediction)[:, None] - (len(prediction) + 1) / 2
    y = ranks - (len(prediction) + 1) / 2
    with np.errstate(invalid="ignore"):
        rhos = (x * y).sum(axis=0) / np.sqrt((x**2).sum() * (y**2).sum(axis=0))
    low, high = np.nanquantile(rhos, [0.025, 0.975])
    return float(low), float(high)


def share_of_synthetic(spec: LoopSpec) -> float:
    """n_s / n_r, the first baseline; ∞ in the fully synthetic loop."""
    real = 0 if spec.loop == "synthetic" else spec.real_alone()
    return float(spec.at("n_synthetic", 1)) / real if real else math.inf


def _by_generation(spec: LoopSpec, error: float, alike: float, growth: float) -> tuple[float, ...]:
    """ε² by generation that adds up to what errors of correlation ρ and growth κ add up to.

    With b = κ a, a the share of synthetic samples, errors e_j passed on have the mean square
    ε² [(1 − ρ) Σ_j b^{2j} + ρ (Σ_j b^j)²] at generation t; the theory's own recursion
    m_t = a² m_{t−1} + ε_t² gives it with the ε_t² returned here. Generation 0 takes the first
    one, which is chosen so that generation 1 is right.
    """
    n = float(spec.at("n_synthetic", 1))
    a = n / (n + (0 if spec.loop == "synthetic" else spec.real_alone()))
    totals = []
    for t in range(spec.generations + 1):
        powers = (growth * a) ** np.arange(t + 1)
        totals.append(
            error * ((1 - alike) * float(np.sum(powers**2)) + alike * float(powers.sum()) ** 2)
        )
    later = [now - a**2 * before for before, now in itertools.pairwise(totals[1:])]
    return (totals[1] / (1 + a**2), *later)


def _misfit(cells: Iterable[tuple[Evidence, float]], correction: Correction) -> float:
    logs = [
        math.log(float(predicted(evidence, correction)[-1]) / measured)
        for evidence, measured in cells
    ]
    return float(np.mean(np.square(logs)))
