"""A self-consuming loop of models that are really trained, one generation after the other.

What a generation is trained on is the theory's own reading of the loop (`training_sets`), so that
prediction and experiment speak of one process. Invariants: every number follows from the loop,
the generator, the data and the seed, so a killed loop that is resumed ends in the same numbers;
no real sample that was to be fresh has been used before; evaluation samples are never trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from madaudit.errors import OptionError, StoreError
from madaudit.simulation.generators.base import (
    DivergenceError,
    Fitted,
    Generator,
    Samples,
    State,
    Values,
)
from madaudit.simulation.interventions import (
    NO_INTERVENTIONS,
    Entered,
    Interventions,
    mark_strength,
    marked,
)
from madaudit.simulation.loop import LoopSpec, require_samples
from madaudit.simulation.measuring import Gauge
from madaudit.simulation.real_data import RealData
from madaudit.simulation.training_sets import (
    AT_FIRST,
    IN_BOTH,
    LATER,
    Numbers,
    Part,
    training_set,
)

#: Fields of a step that interventions alone give.
INTERVENED = ("filter_tpr", "filter_fpr", "mark_agreement", "mark_strength")
# What a seed is for; each use has a stream of its own.
_TRAIN, _DRAW, _EVALUATE, _COMPARE = range(4)


@dataclass(frozen=True)
class Step:
    """One generation of one seed.

    Attributes:
        generation: 0 is the first model.
        seed: of the run.
        n_real, n_synthetic: samples that it was trained on.
        bias: λ, the knob as given, of its draws.
        measures: see `Gauge.measure`; NaN throughout where training diverged.
        measured_bias: variance that draws keep with λ against draws without; None at λ = 1.
        model_error: ε² of one generation on real data, as a share of the real variance; told by
            generation 0 alone.
        has_diverged: training left the finite numbers; the loop ends here.
        filter_tpr, filter_fpr: shares of the synthetic and of the real samples entering that a
            detector dropped; None without one, or where none of them entered.
        mark_agreement: share of the mark's bits that the model's own draws answer, though nobody
            marked them; None without a mark.
        mark_strength: see `interventions.mark_strength`.
    """

    generation: int
    seed: int
    n_real: int
    n_synthetic: int
    bias: float
    measures: Mapping[str, float]
    measured_bias: float | None = None
    model_error: float | None = None
    has_diverged: bool = False
    filter_tpr: float | None = None
    filter_fpr: float | None = None
    mark_agreement: float | None = None
    mark_strength: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values; a number that is not finite is null, an intervention's only with one."""
        measures = {n: v if np.isfinite(v) else None for n, v in self.measures.items()}
        return {
            "generation": self.generation,
            "seed": self.seed,
            "n_real": self.n_real,
            "n_synthetic": self.n_synthetic,
            "bias": self.bias,
            "measured_bias": self.measured_bias,
            "model_error": self.model_error,
            "diverged": self.has_diverged,
            **measures,
            **{name: value for name in INTERVENED if (value := getattr(self, name)) is not None},
        }


class Ledger(Protocol):
    """Where finished generations are kept, so that a killed loop can go on."""

    def step(self, generation: int) -> Step | None:
        """A finished generation, or None."""
        ...

    def state(self, generation: int) -> State:
        """Its model."""
        ...

    def record(self, step: Step, state: State, drawn: Values) -> None:
        """Keep a generation; what is kept is whole."""
        ...


class InMemory:
    """A ledger for loops that need not survive their process."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Step, State]] = {}

    def step(self, generation: int) -> Step | None:
        return self._kept[generation][0] if generation in self._kept else None

    def state(self, generation: int) -> State:
        return self._kept[generation][1]

    def record(self, step: Step, state: State, drawn: Values) -> None:
        self._kept[step.generation] = (step, state)


@dataclass(frozen=True, eq=False)
class TrainedLoop:
    """A loop with what it needs to run.

    Attributes:
        spec: the loop; its model_error, dim and spectrum are the theory's and play no part.
        generator: the family and its options.
        real: data.
        gauge: what measures every generation.
        interventions: what is done to samples before they are trained on, beside the rates of
            `spec.filters`, which drop at random.
    """

    spec: LoopSpec
    generator: Generator
    real: RealData
    gauge: Gauge
    interventions: Interventions = NO_INTERVENTIONS

    def __post_init__(self) -> None:
        require_samples(self.spec)
        self._require_one_filter()
        needed, available = self.n_real_needed(), self.real.n_available(self.gauge.n)
        if available is not None and needed > available:
            raise OptionError(
                f"the loop needs {needed} real samples and {self.real.name} has {available} "
                f"beside {self.gauge.n} for evaluation; none is used twice: give smaller "
                f"--n-fresh, --n-fixed or --n-initial, fewer --generations, or more data"
            )

    def n_real_needed(self) -> int:
        """Different real samples that all generations together are trained on."""
        last = self.spec.generations
        return _fresh_begin(self.spec) + sum(_n_fresh(self.spec, g) for g in range(1, last + 1))

    def run(
        self,
        seed: int = 0,
        *,
        ledger: Ledger | None = None,
        progress: Callable[[int, float], None] | None = None,
    ) -> Iterator[Step]:
        """Generations in order, those that the ledger holds without training.

        Args:
            seed: of the order of real samples, of training and of all draws.
            ledger: where finished generations are kept.
            progress: told the generation and the share of its training that is done.
        """
        book = ledger or InMemory()
        for generation in range(self.spec.generations + 1):
            step = book.step(generation)
            if step is None:
                tell = None if progress is None else _bound(progress, generation)
                step = self._generation(generation, seed, book, tell)
            yield step
            if step.has_diverged:
                return

    def _require_one_filter(self) -> None:
        if self.interventions.judge is None:
            return
        if self.spec.filters is not None:
            raise OptionError(
                "cannot filter by rates and by a detector in one loop: a detector's rates are "
                "measured; give one of the two"
            )
        if self.spec.pool == "subsample":
            raise OptionError(
                "cannot filter by a detector with pool 'subsample', whose shares are reckoned "
                "before anything is drawn; use 'replace' or 'accumulate'"
            )

    def _generation(
        self, generation: int, seed: int, book: Ledger, tell: Callable[[float], None] | None
    ) -> Step:
        data = self._training_data(generation, seed, book)
        bias = float(self.spec.at("bias", max(generation, 1)))
        n_real = len(data.samples) - data.n_synthetic
        counts = (generation, seed, n_real, data.n_synthetic, bias)
        samples = data.samples
        try:
            fitted = self.generator.fit(
                samples,
                seed=_seed(seed, generation, _TRAIN),
                weights=data.weights,
                progress=tell,
            )
            drawn = self._drawn(fitted, bias, _seed(seed, generation, _EVALUATE))
        except DivergenceError:
            step = Step(*counts, dict.fromkeys(_MEASURES, float("nan")), has_diverged=True)
            book.record(step, {}, samples.values[:0])
            return step
        unbiased = drawn
        if bias != 1.0:
            unbiased = self._drawn(fitted, 1.0, _seed(seed, generation, _COMPARE))
        step = Step(
            *counts,
            self.gauge.measure(drawn),
            self.gauge.variance_kept(drawn, unbiased) if bias != 1.0 else None,
            self._model_error(samples.values, unbiased) if generation == 0 else None,
            False,
            *data.entered.rates(),
            *self._mark_left(drawn),
        )
        book.record(step, fitted.state(), drawn)
        return step

    def _training_data(self, generation: int, seed: int, book: Ledger) -> _TrainingData:
        """All samples of a generation, marked and filtered as the loop says."""
        pieces, weights, n_synthetic, entered = [], [], 0, Entered()
        for part in training_set(Numbers(self.spec), generation):
            if part.n[0] <= 0:
                continue
            piece = self._piece(part, generation, seed, book)
            if self.interventions.judge is not None and generation:
                dropped = self.interventions.judge.drops(piece.values)
                if _enters(part, generation):
                    entered.add(dropped, is_synthetic=part.is_synthetic)
                piece = Samples(piece.values[~dropped], piece.labels[~dropped])
            pieces.append(piece)
            weights.append(np.full(len(piece), part.weight[0]))
            n_synthetic += len(piece) if part.is_synthetic else 0
        samples = Samples(*(np.concatenate(column) for column in zip(*pieces, strict=True)))
        if len(samples) < 2:
            raise OptionError(
                f"cannot train generation {generation} of seed {seed}: the filter left "
                f"{len(samples)} samples; give more, or a detector that drops fewer"
            )
        return _TrainingData(samples, np.concatenate(weights), n_synthetic, entered)

    def _mark_left(self, drawn: Values) -> tuple[float | None, float | None]:
        """Agreement and strength of the mark in a model's own draws."""
        mark = self.interventions.mark
        if mark is None:
            return None, None
        return mark.agreement(drawn), mark_strength(mark, self.gauge.real, drawn)

    def _drawn(self, fitted: Fitted, bias: float, seed: int) -> Values:
        values = fitted.sample(self.gauge.n, bias=bias, seed=seed).values
        if not np.isfinite(values).all():
            raise DivergenceError("draws are not finite")
        return values

    def _piece(self, part: Part, generation: int, seed: int, book: Ledger) -> Samples:
        n = int(part.n[0])
        if not part.is_synthetic:
            start = self._start(part, generation)
            return self.real.take(start, n, seed=seed, n_evaluation=self.gauge.n)
        # A kept batch was drawn when the next model was trained; a model's draws are new.
        drawn_at = part.origin + 1 if part.source == "batch" else generation
        fitted = self._restored(book, part.origin)
        draws = _seed(seed, drawn_at * 100_003 + part.origin, _DRAW)
        drawn = fitted.sample(n, bias=float(part.bias[0]), seed=draws)
        return marked(drawn, self.interventions.mark)

    def _restored(self, book: Ledger, generation: int) -> Fitted:
        state = book.state(generation)
        try:
            return self.generator.restore(state)
        except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
            told = str(error).partition("\n")[0]
            raise StoreError(
                f"cannot take up the model of generation {generation}: its arrays are not those "
                f"of this family ({told}); delete its folder and all later ones, and run the same "
                f"command again"
            ) from error

    def _start(self, part: Part, generation: int) -> int:
        """Where a part begins in the seed's order of real samples."""
        both, later, _ = _kept(self.spec)
        if part.source == "kept":
            return {IN_BOTH: 0, LATER: both, AT_FIRST: both + later}[part.origin]
        earlier = sum(_n_fresh(self.spec, g) for g in range(1, generation))
        return _fresh_begin(self.spec) + earlier

    def _model_error(self, trained_on: Values, unbiased: Values) -> float | None:
        """ε²: what the model adds to the error of its own training samples; None for too few."""
        n = self.gauge.n
        if len(trained_on) < n:
            return None
        scale = float(self.gauge.encode(self.gauge.real).var(axis=0, ddof=1).sum())
        own = self.gauge.measure(unbiased)["fid"]
        samples = self.gauge.measure(trained_on[:n])["fid"]
        return max(own - samples, 0.0) / scale


class _TrainingData(NamedTuple):
    """What a generation is trained on: samples, their weights, and what entered."""

    samples: Samples
    weights: npt.NDArray[np.float64]
    n_synthetic: int
    entered: Entered


def _enters(part: Part, generation: int) -> bool:
    """Whether a part is new in this generation; others were judged before."""
    if part.source == "kept":
        return generation == 1
    return part.source != "batch" or part.origin == generation - 1


_MEASURES = (
    "w2_squared",
    "mean_error",
    "variance_ratio",
    "log_det_ratio",
    "fid",
    "kid",
    "precision",
    "recall",
    "density",
    "coverage",
)


def _kept(spec: LoopSpec) -> tuple[int, int, int]:
    parts = training_set(Numbers(spec), 0)
    both, at_first = (int(part.n[0]) for part in parts)
    if spec.pool == "subsample":
        return both, 0, at_first
    later = [p for p in training_set(Numbers(spec), 1) if p.source == "kept" and p.origin == LATER]
    return both, int(later[0].n[0]) if later else 0, at_first


def _fresh_begin(spec: LoopSpec) -> int:
    return sum(_kept(spec))


def _n_fresh(spec: LoopSpec, generation: int) -> int:
    parts = training_set(Numbers(spec), generation)
    return sum(int(part.n[0]) for part in parts if part.source == "fresh")


def _seed(seed: int, generation: int, purpose: int) -> int:
    words = np.random.SeedSequence([seed, generation, purpose]).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))


def _bound(progress: Callable[[int, float], None], generation: int) -> Callable[[float], None]:
    return lambda share: progress(generation, share)
