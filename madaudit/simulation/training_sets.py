"""What each generation is trained on: the one reading of a loop that all engines share.

A training set is a list of parts; the samples of a part are independent given their source. Counts
carry a last axis of cells, so that many loops that differ in numbers alone are one computation.
Counts are whole: a filter's and a pool's shares are rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.simulation.loop import LoopSpec

Array = npt.NDArray[np.float64]

# "kept": real samples drawn once. "fresh": real, new in this generation. "batch": synthetic, drawn
# once from a model and kept. "model": synthetic, drawn anew in this generation.
Source = Literal["kept", "fresh", "batch", "model"]

# Kept real samples by where they are trained on: in generation 0 and later, later, generation 0.
IN_BOTH, LATER, AT_FIRST = range(3)


class Part(NamedTuple):
    """Samples of one source in a training set.

    Attributes:
        source: see `Source`.
        origin: which kept piece, or the generation of the model that drew the samples.
        n: (cells,) number of samples, whole, may be 0.
        weight: (cells,) of one sample.
        bias: (cells,) λ of the draw; 1 for real samples.
    """

    source: Source
    origin: int
    n: Array
    weight: Array
    bias: Array

    @property
    def is_synthetic(self) -> bool:
        return self.source in ("batch", "model")


class Numbers:
    """A loop's numbers by generation, each (cells,); overrides hold for all generations.

    Attributes:
        spec: the loop that the numbers belong to.
        cells: number of loops computed at once.
    """

    def __init__(self, spec: LoopSpec, overrides: Mapping[str, npt.ArrayLike] | None = None):
        self.spec = spec
        given = {name: np.asarray(value, dtype=float) for name, value in (overrides or {}).items()}
        shape = np.broadcast_shapes((1,), *(value.shape for value in given.values()))
        self._given = {name: np.broadcast_to(value, shape) for name, value in given.items()}
        self.cells = int(shape[0])

    def at(self, name: str, generation: int = 1) -> Array:
        """A number of the loop at a generation."""
        if name in self._given:
            return self._given[name]
        value = self.spec.initial if name == "n_initial" else self.spec.at(name, generation)
        return np.full(self.cells, float(value))

    def initial(self) -> Array:
        """Real samples of generation 0, following what was overridden."""
        if self.spec.n_initial is not None or "n_initial" in self._given:
            return np.round(self.at("n_initial"))
        fixed, fresh = self.at("n_fixed"), self.at("n_fresh")
        first = np.where(fixed > 0, fixed, fresh)
        return np.asarray(np.round(np.where(first > 0, first, self.at("n_synthetic"))))


def training_set(numbers: Numbers, generation: int) -> list[Part]:
    """The parts that a generation is trained on."""
    if generation and numbers.spec.pool == "subsample":
        return _drawn_from_the_pool(numbers, generation)
    real = real_parts(numbers, generation)
    return real + _synthetic(numbers, generation) if generation else real


def real_parts(numbers: Numbers, generation: int) -> list[Part]:
    """The real parts of a training set, of pools that keep all real samples as the loop says."""
    both, later, at_first = kept_real(numbers)
    one = np.ones(numbers.cells)
    if generation == 0:
        return [
            Part("kept", IN_BOTH, both, one, one),
            Part("kept", AT_FIRST, at_first, one, one),
        ]
    weight = numbers.at("real_weight")
    return [
        Part("kept", IN_BOTH, both, weight, one),
        Part("kept", LATER, later, weight, one),
        Part("fresh", generation, entering_real(numbers, generation), weight, one),
    ]


def kept_real(numbers: Numbers) -> tuple[Array, Array, Array]:
    """Sizes of the kept pieces; generation 1's filter decides which fixed samples stay."""
    fixed, initial = np.round(numbers.at("n_fixed")), numbers.initial()
    passed = 1.0 - numbers.spec.filter_at(1).fpr
    both = np.round(np.minimum(fixed, initial) * passed)
    return both, np.round(fixed * passed) - both, initial - both


def entering_real(numbers: Numbers, generation: int) -> Array:
    """Fresh real samples that enter in a generation, after its filter, (cells,)."""
    passed = 1.0 - numbers.spec.filter_at(generation).fpr
    return np.round(numbers.at("n_fresh", generation) * passed)


def entering_synthetic(numbers: Numbers, generation: int) -> Array:
    """Synthetic samples that enter in a generation, after its filter, (cells,)."""
    passed = 1.0 - numbers.spec.filter_at(generation).tpr
    return np.round(numbers.at("n_synthetic", generation) * passed)


def _synthetic(numbers: Numbers, generation: int) -> list[Part]:
    """Draws of the last models, or the batches that have been kept."""
    spec, one = numbers.spec, np.ones(numbers.cells)
    if spec.pool == "accumulate":
        first = 1 if spec.keep is None else max(1, generation - spec.keep + 1)
        return [
            Part("batch", g - 1, entering_synthetic(numbers, g), one, numbers.at("bias", g))
            for g in range(first, generation + 1)
        ]
    models = range(max(0, generation - spec.memory), generation)
    total, bias = entering_synthetic(numbers, generation), numbers.at("bias", generation)
    return [
        Part("model", index, n, one, bias)
        for index, n in zip(models, _shared_out(total, len(models)), strict=True)
    ]


def _shared_out(total: Array, n_parts: int) -> list[Array]:
    """Whole parts that differ by at most one and add up to the total."""
    return [np.floor((total + place) / n_parts) for place in range(n_parts - 1, -1, -1)]


def _drawn_from_the_pool(numbers: Numbers, generation: int) -> list[Part]:
    """A training set of constant size, each source by its share of all that was gathered.

    Every draw counts as new, of fixed real samples too: the pool is taken to be so much larger
    than the training set that two generations share few samples. Numbers are rounded so that
    their sum is that of the whole.
    """
    both, later, _ = kept_real(numbers)
    one, gathered = np.ones(numbers.cells), range(1, generation + 1)
    real = sum((entering_real(numbers, g) for g in gathered), both + later)
    ends = np.cumsum([real, *(entering_synthetic(numbers, g) for g in gathered)], axis=0)
    first = both + later + entering_real(numbers, 1) + entering_synthetic(numbers, 1)
    share = np.minimum(1.0, first / np.maximum(ends[-1], 1.0))
    sizes = np.diff(np.round(ends * share), axis=0, prepend=0.0)
    return [
        Part("fresh", generation, sizes[0], numbers.at("real_weight"), one),
        *(
            Part("model", g - 1, n, one, numbers.at("bias", g))
            for g, n in zip(gathered, sizes[1:], strict=True)
        ),
    ]
