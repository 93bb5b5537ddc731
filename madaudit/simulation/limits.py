"""Where a Gaussian loop ends: fixed point, contraction, effective samples, phase boundary.

Closed forms for loops that replace old samples: two linear equations in the mean error m and the
variance level s, two more for their spread (docs/simulation.md §5). Other pools have no fixed
number of samples; their limit is known in words or taken from a long run, and marked so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.simulation.gaussian import Pooling, moments_by_generation
from madaudit.simulation.loop import LoopSpec, require_number
from madaudit.simulation.training_sets import Array, Numbers, Part, training_set
from madaudit.simulation.wasserstein import (
    Moments,
    effective_dimension,
    effective_samples,
    real_only,
    relative_w2_squared,
)

# Length of the run from which limits without a closed form are taken.
LONG_RUN = 64
_FAR = 1e18


class Limit(NamedTuple):
    """The law of generation ∞, (cells,).

    Attributes:
        moments: m is ∞ where the mean drifts for ever; s is 0 where the diversity is lost.
        contraction: factor by which the distance from the limit falls in a generation; 1 where
            there is no fixed point, or it is approached slower than any power.
        is_closed: whether this is a fixed point in closed form.
        note: what kind of limit this is, in words.
    """

    moments: Moments
    contraction: Array
    is_closed: bool
    note: str


def limit_of(spec: LoopSpec, overrides: Mapping[str, npt.ArrayLike] | None = None) -> Limit:
    """Where a loop ends if the last generation's numbers are kept for ever.

    Args:
        spec: the loop.
        overrides: as in `moments_by_generation`.
    """
    steady = at_last(spec)
    if spec.loop == "synthetic":
        return _end_of_a_synthetic_loop(steady, overrides)
    if spec.pool == "replace":
        return _fixed_point(Numbers(steady, overrides))
    return _end_of_a_long_run(steady, overrides)


def at_last(spec: LoopSpec) -> LoopSpec:
    """The loop with the last generation's numbers in all generations."""
    names = ("n_fresh", "n_synthetic", "bias", "model_error", "filters")
    last = {name: spec.at(name, spec.generations) for name in names}
    return dataclasses.replace(spec, **last, n_initial=spec.initial)


def n_effective(spec: LoopSpec, overrides: Mapping[str, npt.ArrayLike] | None = None) -> Array:
    """Real samples that alone would give the loop's limiting E W2², (cells,).

    ∞ where the loop makes no error, 0 where two samples would do better. Both sides carry the
    model's own error of one generation.

    Source: Alemohammad et al., arXiv:2307.01850, eqs. 3 and 4.
    """
    d = effective_dimension(spec.eigenvalues)
    steady = at_last(spec)
    w = relative_w2_squared(limit_of(steady, overrides).moments, d)
    return effective_samples(w - Numbers(steady, overrides).at("model_error"), d)


def synthetic_boundary(
    spec: LoopSpec, overrides: Mapping[str, npt.ArrayLike] | None = None
) -> Array:
    """The phase boundary: most synthetic samples a generation that do not make it worse, (cells,).

    At it n_e = n_r. ∞ where no number does harm (λ = 1), 0 where one sample does already.

    Args:
        spec: a loop with real samples that replaces old ones; its n_synthetic is not used.
        overrides: as in `moments_by_generation`.
    """
    d = effective_dimension(spec.eigenvalues)
    steady = at_last(spec)
    given = dict(overrides or {})
    numbers = Numbers(steady, given)
    real = np.round(numbers.at("n_fixed")) + np.round(numbers.at("n_fresh"))
    alone = real_only(real, d) + numbers.at("model_error")

    def harms(n_synthetic: Array) -> npt.NDArray[np.bool_]:
        law = limit_of(steady, {**given, "n_synthetic": n_synthetic}).moments
        return np.asarray(relative_w2_squared(law, d) > alone * (1.0 + 1e-12))

    low, high = np.zeros(numbers.cells), np.full(numbers.cells, np.log(_FAR))
    never, always = ~harms(np.full(numbers.cells, _FAR)), harms(np.ones(numbers.cells))
    for _ in range(60):
        middle = (low + high) / 2.0
        too_many = harms(np.exp(middle))
        low, high = np.where(too_many, low, middle), np.where(too_many, middle, high)
    boundary = np.floor(np.exp(low))
    return np.where(never, np.inf, np.where(always, 0.0, boundary))


def sample_ceiling(share: npt.ArrayLike, bias: npt.ArrayLike, d_effective: float = 1.0) -> Array:
    """The most that n_e can be at a synthetic share, however many samples are gathered.

    For n → ∞, s → (1 − a) / (1 − aλ), and the bias (1 − √s)² stays; ∞ at λ = 1 or a = 0.

    Args:
        share: a, synthetic share of the training set, [0, 1].
        bias: λ, [0, 1].
        d_effective: effective dimension.
    """
    a, bias = np.asarray(share, dtype=float), np.asarray(bias, dtype=float)
    # 1 − s = a (1 − λ) / (1 − aλ), without cancellation.
    lost = np.divide(
        a * (1.0 - bias),
        1.0 - a * bias,
        out=np.zeros(np.broadcast(a, bias).shape),
        where=a * bias < 1.0,
    )
    return effective_samples((lost / (1.0 + np.sqrt(1.0 - lost))) ** 2, d_effective)


def best_real_share(n_real: float, n_synthetic: float) -> float:
    """w*: the share of the total weight that real samples should have at λ = 1.

    The weight of one real sample beside a synthetic one of weight 1 (`LoopSpec.real_weight`) is
    then w* / (1 − w*) · n_synthetic / n_real, and n_e = n_r / w* for the mean.

    Source: He, Xu and Cheng, arXiv:2502.18049: w* = (√(k² + 4k) − k) / 2, k = n_r / n_s.
    """
    require_number("n_real", n_real)
    require_number("n_synthetic", n_synthetic)
    if n_synthetic == 0:
        return 1.0
    k = n_real / n_synthetic
    return float(2.0 * k / (np.sqrt(k * k + 4.0 * k) + k)) if k > 0 else 0.0


def _fixed_point(numbers: Numbers) -> Limit:
    """Solve for m and s, then for α and β, from the parts of a steady training set."""
    spec = numbers.spec
    parts = training_set(numbers, spec.memory)
    pooling = Pooling(parts)
    error = numbers.at("model_error")
    kept, fresh, models = (
        [place for place, part in enumerate(parts) if part.source == source]
        for source in ("kept", "fresh", "model")
    )
    n = [np.maximum(part.n, 1.0) for part in parts]
    has = [(part.n > 0).astype(float) for part in parts]
    a, b, h = pooling.of_mean, pooling.between, pooling.of_covariance
    bias = parts[models[0]].bias
    memory = [a[place] for place in models][::-1]
    spread_memory = [h[place] * bias for place in models][::-1]
    total, spread = sum(memory), sum(spread_memory)
    gain, spread_gain = _squared_gain(memory), _squared_gain(spread_memory)
    # m = m0 + m1 s
    m0 = sum(has[g] * (a[g] / (1.0 - total)) ** 2 / n[g] for g in kept)
    m0 = m0 + gain * (error + sum(has[g] * a[g] ** 2 / n[g] for g in fresh))
    m1 = gain * sum(has[g] * a[g] ** 2 * bias / n[g] for g in models)
    real = [*kept, *fresh]
    b_real = sum(b[g] for g in real)
    constant = sum(h[g] + has[g] * b[g] / n[g] for g in real) + pooling.total * error
    inside = spread + sum(has[g] * b[g] * bias / n[g] for g in models)
    s = (constant - b_real * m0) / (1.0 - inside + b_real * m1)
    m = m0 + m1 * s
    spare = [np.maximum(part.n - 1.0, 1.0) for part in parts]
    kappa = spread_gain * sum(h[g] ** 2 * bias**2 / spare[g] for g in models)
    beta0 = sum((h[g] / (1.0 - spread)) ** 2 / spare[g] for g in kept)
    beta0 = beta0 + spread_gain * (
        sum(h[g] ** 2 / spare[g] for g in fresh) + _steady_between(parts, pooling, m, s)
    )
    beta = (beta0 + kappa * s**2) / (1.0 - kappa - 2.0 * kappa**2)
    moments = Moments(m, s, 2.0 * kappa * beta, beta)
    root, spread_root = _slowest(memory), _slowest(spread_memory)
    has_fixed = sum((parts[g].n for g in kept), 0.0 * s) > 0
    contraction = np.maximum(np.where(has_fixed, root, root**2), spread_root)
    return Limit(moments, contraction, True, "fixed point; it does not depend on the start")


def _steady_between(parts: list[Part], pooling: Pooling, m: Array, s: Array) -> Array:
    """The trace of (QC)² of the term between parts; models of several generations count as one."""
    a = np.array(pooling.of_mean)
    total = sum(a[g] for g, part in enumerate(parts) if part.is_synthetic)
    c = np.zeros((len(parts), len(parts), len(m)))
    for g, part in enumerate(parts):
        n = np.maximum(part.n, 1.0)
        c[g, g] = part.bias * s / n + m if part.is_synthetic else 1.0 / n
        for other, source in enumerate(parts):
            if part.is_synthetic and source.source == "kept":
                c[g, other] = c[other, g] = a[other] / (1.0 - total) / np.maximum(source.n, 1.0)
            elif part.is_synthetic and source.is_synthetic and other != g:
                c[g, other] = m
    pooled = np.einsum("gc,ghc->hc", a, c)
    qc = np.array(pooling.between)[:, None] * c - pooling.total * a[:, None] * pooled[None]
    result: Array = np.sum(qc * np.swapaxes(qc, 0, 1), axis=(0, 1))
    return result


def _squared_gain(memory: list[Array]) -> Array:
    """Σ ψ_j² of the impulse response ψ_j = Σ_k memory_k ψ_{j−k}; 1 / (1 − a²) for one lag."""
    if len(memory) == 1:
        return 1.0 / (1.0 - memory[0] ** 2)
    slowest = float(np.max(_slowest(memory)))
    n_steps = int(np.ceil(np.log(1e-14) / np.log(max(slowest, 1e-6)))) + len(memory)
    lags = np.array(memory)
    recent = np.zeros_like(lags)
    recent[0] = 1.0
    gain = np.ones_like(memory[0])
    for _ in range(n_steps):
        response = np.einsum("kc,kc->c", lags, recent)
        gain = gain + response**2
        recent = np.roll(recent, 1, axis=0)
        recent[0] = response
    return gain


def _slowest(memory: list[Array]) -> Array:
    """The largest root r of 1 = Σ_k memory_k r^(−k): what a disturbance decays by."""
    if len(memory) == 1:
        return memory[0]
    low, high = np.zeros_like(memory[0]), np.ones_like(memory[0])
    for _ in range(50):
        r = (low + high) / 2.0
        value = np.zeros_like(r)
        for coefficient in memory[::-1]:
            value = (value + coefficient) / r
        low, high = np.where(value > 1.0, r, low), np.where(value > 1.0, high, r)
    return high


def _end_of_a_synthetic_loop(
    spec: LoopSpec, overrides: Mapping[str, npt.ArrayLike] | None
) -> Limit:
    """No real samples: the diversity is lost, and without bias the mean drifts for ever."""
    numbers = Numbers(spec, overrides)
    bias, error = numbers.at("bias"), numbers.at("model_error")
    if spec.pool == "replace" and spec.memory == 1:
        # Σ_j λ^(j+1) / n of noise on top of the first model's error; E s_t = λ^t exactly.
        part = training_set(numbers, 1)[-1]
        steps = np.divide(bias, 1.0 - bias, out=np.zeros_like(bias), where=bias < 1.0)
        m = error + 1.0 / np.maximum(numbers.initial(), 1.0) + steps / np.maximum(part.n, 1.0)
    else:
        far = dataclasses.replace(spec, generations=LONG_RUN)
        m = moments_by_generation(far, overrides).m[-1]
    drifts = (bias >= 1.0) | (error > 0)
    if spec.pool != "replace":
        drifts = np.zeros_like(drifts)
    zero, one = np.zeros(numbers.cells), np.ones(numbers.cells)
    moments = Moments(np.where(drifts, np.inf, m), zero, zero, zero)
    return Limit(
        moments,
        one,
        False,
        "no fixed point: without real samples the covariance goes to 0 almost surely",
    )


def _end_of_a_long_run(spec: LoopSpec, overrides: Mapping[str, npt.ArrayLike] | None) -> Limit:
    """Pools that grow: total loss where λ < 1 and the real share vanishes, else extrapolation."""
    numbers = Numbers(spec, overrides)
    run = moments_by_generation(dataclasses.replace(spec, generations=LONG_RUN), overrides)
    half, last = LONG_RUN // 2, LONG_RUN
    # What is left to the limit falls as 1 / t, so twice the last less the middle cancels it.
    m, s, alpha, beta = (2.0 * series[last] - series[half] for series in run)
    vanishes = spec.keep is None and not (spec.pool == "subsample" and spec.loop == "fresh")
    collapses = np.full(numbers.cells, vanishes) & (numbers.at("bias") < 1.0)
    collapses &= numbers.at("n_synthetic") > 0
    moments = Moments(
        m, *(np.where(collapses, 0.0, np.maximum(value, 0.0)) for value in (s, alpha, beta))
    )
    note = (
        "no fixed point: the real share goes to 0, and with λ < 1 so does the variance, as a "
        "power of the generation"
        if bool(collapses.any())
        else f"no closed form: extrapolated from {LONG_RUN} generations"
    )
    return Limit(moments, np.ones(numbers.cells), False, note)
