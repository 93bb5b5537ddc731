"""What a self-consuming loop is: one validated description, read by every engine.

Generation 0 is trained on real samples alone; generation t ≥ 1 on fixed real, fresh real and
synthetic samples, the last drawn by earlier generations with sampling bias λ. Real data are
N(0, diag(spectrum)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, get_args

from madaudit.errors import OptionError
from madaudit.registry import suggest

Loop = Literal["fresh", "augmentation", "synthetic"]
Pool = Literal["replace", "accumulate", "subsample"]

LOOPS: tuple[Loop, ...] = get_args(Loop)
POOLS: tuple[Pool, ...] = get_args(Pool)


@dataclass(frozen=True, slots=True)
class Filter:
    """A detector that drops samples before training: an intervention in the loop.

    Attributes:
        tpr: share of synthetic samples dropped, [0, 1].
        fpr: share of real samples dropped, [0, 1].
    """

    tpr: float = 0.0
    fpr: float = 0.0

    def __post_init__(self) -> None:
        for name in ("tpr", "fpr"):
            require_number(f"filter's {name}", getattr(self, name), high=1.0)


@dataclass(frozen=True)
class LoopSpec:
    """A self-consuming loop.

    A field marked * may change by generation: one value, or a sequence with one value for each of
    the generations 1, 2, …; generation 0 takes the model error of generation 1.

    Attributes:
        loop: "fresh" (new real samples every generation; a fixed set may be added),
            "augmentation" (a fixed real set), "synthetic" (no real samples after generation 0).
        pool: what becomes of old samples. "replace": only this generation's draws are trained on.
            "accumulate": synthetic samples stay, for `keep` generations. "subsample": all samples
            gathered so far, real ones too, are one pool that grows; the training set keeps its
            size and holds every source by its share of the pool, as new draws.
        memory: number of last models that draw this generation's synthetic samples, in equal
            parts (the paper's K); with pool "replace" only.
        keep: generations that a synthetic sample stays in an accumulating pool; None for ever.
        n_fresh*, n_fixed, n_synthetic*: samples per generation, before a filter.
        n_initial: real samples of generation 0; default n_fixed, else n_fresh, else n_synthetic.
            As many as possible come from the fixed set.
        bias*: λ, factor on the *variance* of what a model draws, [0, 1]; 1 is unbiased.
        real_weight: weight of a real sample beside a synthetic one of weight 1.
        model_error*: ε², squared Wasserstein error that training adds to one generation, as a
            fraction of the real variance tr Σ0; a Gaussian fit has none.
        filters*: detectors that judge samples as they enter the training data.
        dim: dimension d.
        spectrum: eigenvalues of the real covariance; default d ones.
        generations: number of generations after generation 0.

    Raises:
        OptionError: a value out of its range, or one that the loop has no use for.
    """

    loop: Loop
    _: KW_ONLY
    pool: Pool = "replace"
    memory: int = 1
    keep: int | None = None
    n_fresh: int | Sequence[int] = 0
    n_fixed: int = 0
    n_synthetic: int | Sequence[int] = 0
    n_initial: int | None = None
    bias: float | Sequence[float] = 1.0
    real_weight: float = 1.0
    model_error: float | Sequence[float] = 0.0
    filters: Filter | Sequence[Filter] | None = None
    dim: int = 1
    spectrum: Sequence[float] | None = None
    generations: int = 10

    def __post_init__(self) -> None:
        _require_name("loop", self.loop, LOOPS)
        _require_name("pool", self.pool, POOLS)
        require_number("generations", self.generations, low=1, whole=True)
        require_number("dim", self.dim, low=1, whole=True)
        require_number("memory", self.memory, low=1, whole=True)
        require_number("real_weight", self.real_weight, low=1e-12)
        for name in ("n_fixed", "n_initial", "keep"):
            if (value := getattr(self, name)) is not None:
                require_number(name, value, low=1 if name == "keep" else 0, whole=True)
        for name, high in (("n_fresh", math.inf), ("n_synthetic", math.inf), ("bias", 1.0)):
            self._require_schedule(name, high=high, whole=name != "bias")
        self._require_schedule("model_error")
        self._require_spectrum()
        self._require_fitting()

    def at(self, name: str, generation: int) -> Any:
        """The value of a field that may change by generation, at generation ≥ 1 (0 reads 1)."""
        value = getattr(self, name)
        return value[max(generation, 1) - 1] if isinstance(value, Sequence) else value

    def filter_at(self, generation: int) -> Filter:
        return self.at("filters", generation) or _NO_FILTER

    @property
    def initial(self) -> int:
        """Real samples of generation 0."""
        if self.n_initial is not None:
            return self.n_initial
        return self.n_fixed or self.at("n_fresh", 1) or int(self.at("n_synthetic", 1))

    @property
    def eigenvalues(self) -> tuple[float, ...]:
        """Of the real covariance."""
        return (1.0,) * self.dim if self.spectrum is None else tuple(self.spectrum)

    def real_alone(self) -> int:
        """Real samples behind one generation: what training on real data alone would have.

        Those of the last generation, before a filter; of generation 0 in a fully synthetic loop.
        """
        if self.loop == "synthetic":
            return self.initial
        return self.n_fixed + int(self.at("n_fresh", self.generations))

    def _require_schedule(self, name: str, *, high: float = math.inf, whole: bool = False) -> None:
        value = getattr(self, name)
        if isinstance(value, Sequence):
            self._require_length(name, value)
        for item in value if isinstance(value, Sequence) else (value,):
            require_number(name, item, high=high, whole=whole)

    def _require_length(self, name: str, value: Sequence[Any]) -> None:
        if len(value) != self.generations:
            raise OptionError(
                f"{name} has {len(value)} values for {self.generations} generations; give one "
                f"value, or one for each generation after the first model"
            )

    def _require_spectrum(self) -> None:
        if isinstance(self.filters, Sequence):
            self._require_length("filters", self.filters)
        if self.spectrum is None:
            return
        if len(self.spectrum) != self.dim:
            raise OptionError(
                f"spectrum has {len(self.spectrum)} eigenvalues and dim is {self.dim}; "
                f"they must agree"
            )
        for value in self.spectrum:
            require_number("spectrum", value, low=1e-300)

    def _require_fitting(self) -> None:
        """Refuse options that this loop or pool would silently ignore."""
        has_fresh = any(_values(self.n_fresh))
        if has_fresh and self.loop != "fresh":
            raise OptionError(
                f"n_fresh is {self.n_fresh} in the {self.loop} loop, which has no fresh real "
                f"samples; use loop 'fresh'"
            )
        if self.n_fixed and self.loop == "synthetic":
            raise OptionError(
                f"n_fixed is {self.n_fixed} in the synthetic loop, which has no real samples "
                f"after generation 0; use n_initial, or loop 'augmentation'"
            )
        if self.memory > 1 and self.pool != "replace":
            raise OptionError(
                f"memory is {self.memory} with pool {self.pool!r}; the last K models draw anew "
                f"with pool 'replace' only; for samples that stay, use keep with 'accumulate'"
            )
        if self.keep is not None and self.pool != "accumulate":
            raise OptionError(
                f"keep is {self.keep} with pool {self.pool!r}; samples stay with pool "
                f"'accumulate' only"
            )


def require_samples(spec: LoopSpec) -> None:
    """Refuse a loop whose counts cannot be trained on.

    Raises:
        OptionError: fewer than two samples in some generation, or none of the loop's own kind.
    """
    needed = {"fresh": "n_fresh", "augmentation": "n_fixed", "synthetic": "n_synthetic"}
    name = needed[spec.loop]
    if not any(_values(getattr(spec, name))):
        raise OptionError(f"{name} is 0; the {spec.loop} loop needs it: give {flag(name)}")
    if spec.initial < 2:
        raise OptionError(
            f"generation 0 has {spec.initial} samples; a fit needs at least 2: "
            f"give {flag('n_initial')}"
        )


def flag(name: str) -> str:
    """A field's name at the shell."""
    return "--" + name.replace("_", "-")


def require_number(
    name: str, value: Any, *, low: float = 0.0, high: float = math.inf, whole: bool = False
) -> None:
    """Refuse what is no number in [low, high], naming the value and what is allowed.

    Raises:
        OptionError: it is not.
    """
    kind = "a whole number" if whole else "a number"
    top = f"to {high:g}" if math.isfinite(high) else "or more"
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = is_number and math.isfinite(value) and low <= value <= high
    if not fits or (whole and value != int(value)):
        raise OptionError(f"{name} is {value!r}; it must be {kind}, {low:g} {top}")


def _require_name(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise OptionError(f"{what} {value!r} does not exist{suggest(value, list(known))}")


def _values(value: Any) -> Sequence[Any]:
    return value if isinstance(value, Sequence) else (value,)


_NO_FILTER = Filter()
