"""What is uncertain about a cut: the synthetic share, λ and the kept shares, drawn together.

A share without a point (a floor, a partially identified set) is not drawn but taken at its ends in
turn, and so is what of the synthetic samples scores like real ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from madaudit.assessment.harm import Array, counts_of, worst_harm
from madaudit.simulation import LoopSpec
from madaudit.types import Interval


@dataclass(frozen=True)
class CutOptions:
    """What a cut may be told beside the numbers it needs.

    Attributes:
        edges: (bins + 1,) ascending scores between which the counts lie; default the estimate's
            `edges`, else the bins' numbers.
        bias: interval of λ; None takes the loop's own as known.
        marked: share of all samples with a mark that says synthetic, which any cut drops; the
            counts then are of samples without one.
        least_detected: ρ, least share of unmarked synthetic samples that score like the
            calibration's; the rest scores like real ones. Taken at both its ends, ρ and 1.
        n_draws: draws of what is uncertain.
        seed: of the draws.
    """

    edges: npt.ArrayLike | None = None
    bias: Interval | None = None
    marked: float = 0.0
    least_detected: float = 1.0
    n_draws: int = 200
    seed: int = 0


@dataclass(frozen=True)
class Draws:
    """What is uncertain, drawn together.

    Attributes:
        prevalence, bias: (draws,).
        real_kept, synthetic_kept: (draws, cuts), shares of all real and all synthetic samples;
            cuts ascend, "marked samples alone" (if any is marked) and "no cut" last.
        ends: (draws,) which ends of what is not drawn each one takes; all of them must hold.
    """

    prevalence: Array
    bias: Array
    real_kept: Array
    synthetic_kept: Array
    ends: npt.NDArray[np.intp]

    @classmethod
    def make(
        cls,
        real: Array,
        synthetic: Array,
        prevalence: Interval,
        spec: LoopSpec,
        options: CutOptions,
    ) -> Draws:
        """Draws from the intervals of π and λ and from both histograms."""
        generator, n = np.random.default_rng(options.seed), options.n_draws
        last = float(spec.at("bias", spec.generations))
        known = options.bias or Interval(last, last, last)
        # The least detected goes with the upper end of π, as in the set that gives that end.
        first, second = np.arange(n) % 2, np.arange(n) // 2 % 2
        share = np.maximum(_drawn(generator, prevalence, first), options.marked)
        bias = _drawn(generator, known, second)
        real_kept, synthetic_kept = (_kept(generator, each, n) for each in (real, synthetic))
        detected = np.where(first == 0, 1.0, options.least_detected)
        is_set = prevalence.point is None or options.least_detected < 1.0
        ends = first * is_set + 2 * second * (known.point is None and known.low < known.high)
        kept = _with_marks(share, real_kept, synthetic_kept, detected, options)
        return cls(share, bias, *kept, ends)

    def at(self, places: npt.NDArray[np.intp]) -> Draws:
        """The same draws of some cuts."""
        return replace(
            self,
            real_kept=self.real_kept[:, places],
            synthetic_kept=self.synthetic_kept[:, places],
        )

    @classmethod
    def at_point(
        cls,
        real: Array,
        synthetic: Array,
        prevalence: Interval,
        spec: LoopSpec,
        options: CutOptions,
    ) -> Draws:
        """The points of all of them, or the worse ends, as one draw."""
        end = prevalence.high if prevalence.point is None else prevalence.point
        share = np.array([max(end, options.marked)])
        bias = float(spec.at("bias", spec.generations))
        if options.bias:
            point = options.bias.point
            bias = options.bias.low if point is None else point
        real_kept, synthetic_kept = (cumulated(each)[None] for each in (real, synthetic))
        kept = _with_marks(share, real_kept, synthetic_kept, np.ones(1), options)
        return cls(share, np.array([bias]), *kept, np.zeros(1, dtype=np.intp))


def _with_marks(
    share: Array, real_kept: Array, synthetic_kept: Array, detected: Array, options: CutOptions
) -> tuple[Array, Array]:
    """Kept shares of all samples, (draws, cuts), with the marked ones, which every cut drops."""
    rho = detected[:, None]
    kept = rho * synthetic_kept + (1.0 - rho) * real_kept
    if options.marked <= 0:
        return real_kept, kept
    unmarked = (1.0 - options.marked / np.maximum(share, options.marked))[:, None]
    every = np.ones((len(share), 1))
    return (
        np.concatenate([real_kept, every], axis=1),
        np.concatenate([unmarked * kept, every], axis=1),
    )


def _drawn(
    generator: np.random.Generator, interval: Interval, is_upper: npt.NDArray[np.intp]
) -> Array:
    """Draws that have an interval as theirs: normal on the arcsine scale, a side at a time.

    One draw from each n-th of the distribution, so that its quantiles are no luck of the draw.
    Without a point the ends, as `is_upper` says, (draws,).
    """
    n = len(is_upper)
    if interval.low == interval.high:
        return np.full(n, interval.high)
    if interval.point is None:
        return np.where(is_upper, interval.high, interval.low)
    low, point, high = (
        np.arcsin(np.sqrt(value)) for value in (interval.low, interval.point, interval.high)
    )
    z = norm.ppf((1.0 + interval.level) / 2.0)
    normal = norm.ppf((generator.permutation(n) + generator.random(n)) / n)
    angle = point + np.where(normal < 0, point - low, high - point) / z * normal
    return np.asarray(np.sin(np.clip(angle, 0.0, np.pi / 2.0)) ** 2)


def _kept(generator: np.random.Generator, counts: Array, n: int) -> Array:
    """Draws of the shares below each cut: Dirichlet with one sample spread over the bins."""
    gammas = generator.standard_gamma(counts + 1.0 / len(counts), (n, len(counts)))
    below = np.concatenate([np.zeros((n, 1)), np.cumsum(gammas, axis=1)], axis=1)
    return np.asarray(np.minimum(below / below[:, -1:], 1.0))


def cumulated(counts: Array) -> Array:
    """Share of a histogram below each edge, (bins + 1,)."""
    shares: Array = np.append(0.0, np.cumsum(counts)) / counts.sum()
    return np.minimum(shares, 1.0)


def kept_numbers(spec: LoopSpec, n: float, draws: Draws) -> tuple[dict[str, Array], Array]:
    """A loop's numbers for every draw and cut, and the uncut real samples, (draws · cuts,)."""
    shape = draws.real_kept.shape
    real = n * (1.0 - draws.prevalence)[:, None] * np.ones(shape)
    synthetic = n * draws.prevalence[:, None] * draws.synthetic_kept
    numbers = counts_of(spec, (real * draws.real_kept).ravel(), synthetic.ravel())
    numbers["bias"] = np.repeat(draws.bias, shape[1])
    return numbers, real.ravel()


def harm_of_draws(spec: LoopSpec, n: float, draws: Draws) -> Array:
    """Harm of every draw and cut, (draws, cuts); ∞ where nothing is left to train on."""
    numbers, real = kept_numbers(spec, n, draws)
    return worst_harm(spec, numbers, real).reshape(draws.real_kept.shape)


def bounds_of(harms: Array, draws: Draws, level: float) -> tuple[Array, Array, Array]:
    """Lower and upper end at the level, and the one-sided upper bound, each (cuts,).

    Ends of what is not drawn are not averaged over: each is a bound of its own, and the widest
    counts.
    """
    tail = (1.0 - level) / 2.0
    found = [
        np.quantile(
            harms[draws.ends == end], [tail, 1.0 - tail, level], axis=0, method="inverted_cdf"
        )
        for end in np.unique(draws.ends)
    ]
    low, high, bound = np.moveaxis(np.array(found), 1, 0)
    return low.min(axis=0), high.max(axis=0), bound.max(axis=0)
