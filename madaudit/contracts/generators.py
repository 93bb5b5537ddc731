"""What every family of generators promises, checked on a small set of samples.

Training takes as long as the options say, and happens about ten times: give small ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from madaudit.contracts.base import (
    Checked,
    require,
    require_frozen,
    require_named,
    require_same,
    run_checks,
)
from madaudit.errors import MadauditError, OptionError
from madaudit.simulation.generators import DivergenceError, Fitted, Generator, Samples

_N = 96
_POINTS, _IMAGES = (2,), (1, 8, 8)


class GeneratorCase(NamedTuple):
    """A family with its options, and samples of its kind.

    Attributes:
        name: that it is registered by.
        generator: itself, before training.
        samples: images or points that it takes.
    """

    name: str
    generator: Generator
    samples: Samples

    def fit(self) -> Fitted:
        return self.generator.fit(self.samples, seed=3)


def check_generator(name: str, generator: Generator) -> list[Checked]:
    """Every promise of the family, checked on images, or on points where it refuses images."""
    return run_checks(CHECKS, GeneratorCase(name, generator, samples_for(generator)))


def samples_for(generator: Generator) -> Samples:
    """96 images of 8 × 8 pixels in three classes; points where a family takes no images."""
    images = small_samples(_IMAGES)
    try:
        generator.fit(images.part(0, 16), seed=0)
    except OptionError:
        return small_samples(_POINTS)
    except MadauditError:
        return images  # the checks will say what is wrong
    return images


def small_samples(shape: tuple[int, ...]) -> Samples:
    """Samples of that shape, values in [−1, 1]."""
    values = np.random.default_rng(0).normal(0, 0.4, size=(_N, *shape))
    return Samples(np.clip(values, -1, 1).astype(np.float32), np.arange(_N) % 3)


def the_same_seed_gives_the_same_model_and_draws(case: GeneratorCase) -> None:
    first, second = (case.fit().sample(10, bias=1.0, seed=4) for _ in range(2))
    require_same(first.values, second.values, "trained twice")
    require_same(first.labels, second.labels, "trained twice")


def the_seed_of_a_draw_matters(case: GeneratorCase) -> None:
    fitted = case.fit()
    first, second = (fitted.sample(8, bias=1.0, seed=seed).values for seed in (4, 5))
    require(bool((first != second).any()), "seeds 4 and 5 draw the same")


def draws_have_the_shape_of_the_samples(case: GeneratorCase) -> None:
    drawn = case.fit().sample(21, bias=1.0, seed=0)
    shape = (21, *case.samples.values.shape[1:])
    require(drawn.values.shape == shape, f"shape {drawn.values.shape}; expected {shape}")
    kinds = (drawn.values.dtype.name, drawn.labels.dtype.name)
    require(kinds == ("float32", "int64"), f"dtypes {kinds}; expected float32 and int64")
    require(drawn.labels.shape == (21,), f"labels of shape {drawn.labels.shape}")
    require(bool(np.isfinite(drawn.values).all()), "values that are not finite")


def a_restored_model_draws_the_same(case: GeneratorCase) -> None:
    fitted = case.fit()
    state = fitted.state()
    odd = [key for key, value in state.items() if not _is_plain(value)]
    require(not odd, f"state {odd[:3]} is no array of numbers")
    again = case.generator.restore({key: value.copy() for key, value in state.items()})
    drawn = [one.sample(9, bias=1.0, seed=1).values for one in (fitted, again)]
    require_same(drawn[0], drawn[1], "before and after its state was stored")


def weights_decide_what_is_learnt_from(case: GeneratorCase) -> None:
    weights = np.r_[np.ones(_N // 2), np.zeros(_N - _N // 2)]
    plain, equal, unequal = (
        case.generator.fit(case.samples, seed=3, weights=one).sample(4, bias=1.0, seed=0).values
        for one in (None, np.full(_N, 2.0), weights)
    )
    require_same(plain, equal, "without weights and with equal ones")
    require(bool((plain != unequal).any()), "samples of weight 0 change nothing")


def sampling_bias_changes_draws_or_is_refused(case: GeneratorCase) -> None:
    fitted = case.fit()
    plain = fitted.sample(4, bias=1.0, seed=0).values
    try:
        biased = fitted.sample(4, bias=0.5, seed=0).values
    except OptionError:
        return
    require(bool((biased != plain).any()), "λ = .5 draws the same as λ = 1 and is not refused")


def samples_that_are_not_finite_are_a_divergence(case: GeneratorCase) -> None:
    broken = Samples(np.full_like(case.samples.values, np.nan), case.samples.labels)
    try:
        case.generator.fit(broken, seed=0)
    except DivergenceError:
        return
    require(False, "training on NaN ends without a DivergenceError")


def one_sample_is_refused(case: GeneratorCase) -> None:
    try:
        case.generator.fit(case.samples.part(0, 1), seed=0)
    except OptionError:
        return
    require(False, "training on one sample ends without an OptionError")


def it_is_a_frozen_dataclass(case: GeneratorCase) -> None:
    require_frozen(case.generator)


def it_names_itself_as_the_registry_does(case: GeneratorCase) -> None:
    require_named(case.generator, case.name)
    require(bool(case.generator.knob), "knob is empty; say what λ is for it")


CHECKS: tuple[Callable[[GeneratorCase], None], ...] = (
    the_same_seed_gives_the_same_model_and_draws,
    the_seed_of_a_draw_matters,
    draws_have_the_shape_of_the_samples,
    a_restored_model_draws_the_same,
    weights_decide_what_is_learnt_from,
    sampling_bias_changes_draws_or_is_refused,
    samples_that_are_not_finite_are_a_divergence,
    one_sample_is_refused,
    it_is_a_frozen_dataclass,
    it_names_itself_as_the_registry_does,
)


def _is_plain(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
