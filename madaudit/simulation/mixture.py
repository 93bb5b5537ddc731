"""Mixtures in a self-consuming loop: which modes are lost, and how their variance goes.

Every mode is a Gaussian whose samples are told from the others', the best case for the model: it
fits a weight, a mean and a covariance per mode. Counts are multinomial, so the weights drift as
alleles do (Wright and Fisher), and a mode of which no sample is drawn is lost until real samples
bring it back; within a mode the sufficient statistics of `monte_carlo` are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from madaudit.errors import OptionError
from madaudit.simulation.loop import LoopSpec, require_number, require_samples
from madaudit.simulation.trace import spec_to_dict
from madaudit.simulation.training_sets import Array, Numbers, Part, training_set


class Mixture(NamedTuple):
    """A mixture of Gaussians in the plane, all modes round and of one variance.

    Attributes:
        means: (modes, 2).
        variance: of a mode along each axis.
        weights: (modes,), sum 1.
    """

    means: Array
    variance: float
    weights: Array


def mixture25() -> Mixture:
    """The paper's 25 modes: a 5 × 5 grid on {−2, …, 2}², standard deviation .05, equal weights.

    Source: Alemohammad et al., arXiv:2307.01850, B.2, after Che et al. 2020; the grid's variance
    of 2 along each axis agrees with their figure 15, the modes' deviation is the usual one.
    """
    axis = np.arange(-2.0, 3.0)
    means = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return Mixture(means, 0.05**2, np.full(25, 1.0 / 25.0))


@dataclass(frozen=True)
class MixtureRow:
    """One generation, averaged over replicates.

    Attributes:
        generation: 0 is the first model.
        w2_squared: None; the distance of two mixtures has no closed form.
        mean_error: square distance of the whole mixture's mean from the real one.
        variance_ratio: trace of the whole mixture's covariance over the real one's; it says little
            of lost modes (the paper's remark).
        log_det_ratio: None.
        modes: mean number of modes that have a sample.
        modes_low, modes_high: 5 % and 95 % quantiles of it over replicates.
        recall: share of the real weight in modes that have a sample.
        modal_variance_ratio: variance within the modes left, over the real one.
        homozygosity: chance that two draws are of one mode, Σ w².
        seed: of the replicates.
    """

    generation: int
    w2_squared: float | None
    mean_error: float
    variance_ratio: float
    log_det_ratio: float | None
    modes: float
    modes_low: float
    modes_high: float
    recall: float
    modal_variance_ratio: float
    homozygosity: float
    seed: int

    def to_dict(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class MixtureTrace:
    """What a loop does to a mixture; there is no fixed point in closed form."""

    spec: LoopSpec
    rows: tuple[MixtureRow, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "family": "mixture",
            "method": "monte carlo",
            "loop": spec_to_dict(self.spec),
            "trace": [row.to_dict() for row in self.rows],
            "fixed_point": None,
            "n_effective": None,
            "n_effective_ratio": None,
            "flags": ["modes are told apart without error: the best case for the model"],
        }


class _Fit(NamedTuple):
    """Weights (runs, modes), means (runs, modes, 2), covariances (runs, modes, 2, 2)."""

    weights: Array
    means: Array
    covariances: Array


def sample_mixture(
    spec: LoopSpec,
    n_replicates: int,
    seeds: tuple[int, ...] = (0,),
    mixture: Mixture | None = None,
) -> MixtureTrace:
    """Run a loop on a mixture, many times at once.

    Args:
        spec: the loop; its `dim` and `spectrum` are not used, and only pool "replace" is known.
        n_replicates: runs for each seed.
        seeds: one set of rows for each.
        mixture: the real distribution; default `mixture25`.

    Raises:
        OptionError: too few samples, or an option that mixtures do not know.
    """
    require_samples(spec)
    require_number("monte_carlo", n_replicates, low=1, whole=True)
    for name, plain in (("pool", "replace"), ("real_weight", 1.0), ("model_error", 0.0)):
        if getattr(spec, name) != plain:
            raise OptionError(
                f"{name} is {getattr(spec, name)!r}; the mixture family knows {plain!r} only"
            )
    real = mixture or mixture25()
    rows: list[MixtureRow] = []
    for seed in seeds:
        generator = np.random.default_rng(seed)
        runs = _Runs(generator, n_replicates, real)
        numbers = Numbers(spec)
        for generation in range(spec.generations + 1):
            fit = runs.train(training_set(numbers, generation))
            rows.append(_measured(fit, real, generation, seed))
    return MixtureTrace(spec, tuple(rows))


class _Statistics(NamedTuple):
    """Counts (runs, modes), sums (runs, modes, 2), second moments about 0 (runs, modes, 2, 2)."""

    counts: Array
    sums: Array
    squares: Array


class _Runs:
    """All models so far and the real samples that were kept."""

    def __init__(self, generator: np.random.Generator, n_replicates: int, real: Mixture):
        self._generator, self._n = generator, n_replicates
        modes = len(real.weights)
        self._real = _Fit(
            np.broadcast_to(real.weights, (n_replicates, modes)),
            np.broadcast_to(real.means, (n_replicates, modes, 2)),
            np.broadcast_to(real.variance * np.eye(2), (n_replicates, modes, 2, 2)),
        )
        self._fits: list[_Fit] = []
        self._kept: dict[int, _Statistics] = {}

    def train(self, parts: list[Part]) -> _Fit:
        drawn = [self._draw(part) for part in parts]
        counts = sum(part.counts for part in drawn)
        sums = sum(part.sums for part in drawn)
        squares = sum(part.squares for part in drawn)
        some = np.maximum(counts, 1.0)[..., None]
        means = sums / some
        scatter = squares - some[..., None] * means[..., :, None] * means[..., None, :]
        covariances = scatter / np.maximum(counts - 1.0, 1.0)[..., None, None]
        weights = counts / np.sum(counts, axis=1, keepdims=True)
        fit = _Fit(weights, means, covariances)
        self._fits.append(fit)
        return fit

    def _draw(self, part: Part) -> _Statistics:
        if part.source == "kept" and part.origin in self._kept:
            return self._kept[part.origin]
        source = self._fits[part.origin] if part.is_synthetic else self._real
        drawn = self._from(source, int(part.n[0]), float(part.bias[0]))
        if part.source == "kept":
            self._kept[part.origin] = drawn
        return drawn

    def _from(self, source: _Fit, n: int, bias: float) -> _Statistics:
        """Draws of n: multinomial counts, then each mode's mean and Wishart scatter."""
        generator = self._generator
        counts = generator.multinomial(n, source.weights).astype(float)
        a, _, c, d = np.moveaxis(source.covariances.reshape(*counts.shape, 4), -1, 0) * bias
        first = np.sqrt(np.maximum(a, 0.0))
        low = np.divide(c, first, out=np.zeros_like(c), where=first > 0)
        second = np.sqrt(np.maximum(d - low * low, 0.0))
        root = np.stack([np.stack([first, 0 * first], -1), np.stack([low, second], -1)], -2)
        normals = generator.standard_normal((*counts.shape, 2))
        offsets = np.einsum("...ij,...j->...i", root, normals)
        means = source.means + offsets / np.sqrt(np.maximum(counts, 1.0))[..., None]
        factor = root @ self._bartlett(counts - 1.0)
        scatter = factor @ np.swapaxes(factor, -1, -2)
        squares = scatter + counts[..., None, None] * means[..., :, None] * means[..., None, :]
        return _Statistics(counts, counts[..., None] * means, squares)

    def _bartlett(self, degrees: Array) -> Array:
        """Lower factors of 2 × 2 Wisharts; degrees ≤ 0 give nothing, 1 a rank of one."""
        generator = self._generator
        factor = np.zeros((*degrees.shape, 2, 2))
        for place in range(2):
            left = degrees - place
            drawn = 2.0 * generator.standard_gamma(np.maximum(left, 0.0) / 2.0)
            factor[..., place, place] = np.sqrt(drawn)
        factor[..., 1, 0] = np.where(degrees > 0, generator.standard_normal(degrees.shape), 0.0)
        return factor


def _measured(fit: _Fit, real: Mixture, generation: int, seed: int) -> MixtureRow:
    is_left = fit.weights > 0
    center = np.einsum("rm,rmi->ri", fit.weights, fit.means)
    real_center = real.weights @ real.means
    within = np.einsum("rmii->rm", fit.covariances)
    spread = np.sum((fit.means - center[:, None]) ** 2, axis=2)
    total = np.sum(fit.weights * (within + spread), axis=1)
    real_spread = np.sum((real.means - real_center) ** 2, axis=1)
    real_total = 2.0 * real.variance + real.weights @ real_spread
    # Modes of one sample have no variance of their own to speak of and count as 0.
    modal = np.sum(is_left * within, axis=1) / (2.0 * real.variance * is_left.sum(axis=1))
    modes = is_left.sum(axis=1)
    return MixtureRow(
        generation,
        None,
        float(np.mean(np.sum((center - real_center) ** 2, axis=1))),
        float(np.mean(total) / real_total),
        None,
        float(modes.mean()),
        float(np.quantile(modes, 0.05)),
        float(np.quantile(modes, 0.95)),
        float(np.mean(is_left @ real.weights)),
        float(modal.mean()),
        float(np.mean(np.sum(fit.weights**2, axis=1))),
        seed,
    )
