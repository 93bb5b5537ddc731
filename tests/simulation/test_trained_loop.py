import numpy as np
import pytest

from madaudit.errors import OptionError
from madaudit.simulation import Filter, LoopSpec, predict
from madaudit.simulation.generators.base import DivergenceError, Samples
from madaudit.simulation.generators.normal import Normal
from madaudit.simulation.measuring import Gauge
from madaudit.simulation.real_data import Collected, Endless
from madaudit.simulation.trained_loop import InMemory, TrainedLoop

DIM = 3


def _normal(generator, n):
    values = generator.normal(size=(n, DIM)).astype(np.float32)
    return Samples(values, np.zeros(n, np.int64))


ENDLESS = Endless("normal", _normal)


def _identity(values):
    return values.reshape(len(values), -1).astype(np.float64)


def _loop(spec, real=ENDLESS, generator=None, n_evaluation=200):
    gauge = Gauge(real.evaluation(n_evaluation), _identity, "identity")
    return TrainedLoop(spec, generator or Normal(), real, gauge)


SPECS = {
    "fresh": LoopSpec("fresh", n_fresh=40, n_synthetic=80, bias=0.8, generations=4, dim=DIM),
    "augmentation": LoopSpec(
        "augmentation", n_fixed=40, n_synthetic=40, pool="accumulate", generations=4, dim=DIM
    ),
    "synthetic": LoopSpec("synthetic", n_synthetic=50, bias=0.9, generations=4, dim=DIM),
    "memory": LoopSpec("fresh", n_fresh=30, n_synthetic=60, memory=3, generations=4, dim=DIM),
    "subsample": LoopSpec(
        "fresh", n_fresh=30, n_synthetic=60, pool="subsample", generations=4, dim=DIM
    ),
    "filtered": LoopSpec(
        "fresh",
        n_fresh=50,
        n_synthetic=100,
        bias=0.8,
        filters=Filter(tpr=0.6, fpr=0.1),
        generations=4,
        dim=DIM,
    ),
    "late start": LoopSpec(
        "augmentation", n_fixed=60, n_initial=20, n_synthetic=30, generations=3, dim=DIM
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
def test_mean_over_runs_is_the_exact_theory(name):
    spec = SPECS[name]
    truth = predict(spec)
    loop = _loop(spec, n_evaluation=10)
    runs = [_true_moments(loop, seed) for seed in range(200)]
    for generation, row in enumerate(truth.rows):
        for place, expected in enumerate((row.mean_error, row.variance_ratio)):
            values = np.array([run[generation][place] for run in runs])
            error = values.std(ddof=1) / np.sqrt(len(values))
            # 68 comparisons in all tests: 4 standard errors are passed by chance in .4 % of runs.
            assert abs(values.mean() - expected) < 4 * error + 1e-12, (name, generation, place)


def _true_moments(loop, seed):
    """Mean error and variance level of the fitted models themselves, not of draws."""
    book = InMemory()
    list(loop.run(seed, ledger=book))
    states = [book.state(generation) for generation in range(loop.spec.generations + 1)]
    return [(s["mean"] @ s["mean"], np.trace(s["covariance"]) / DIM) for s in states]


@pytest.mark.parametrize("name", SPECS)
def test_a_killed_loop_goes_on_to_the_same_numbers(name):
    loop = _loop(SPECS[name])
    whole = list(loop.run(3))
    book, first = InMemory(), []
    for step in loop.run(3, ledger=book):
        first.append(step)
        if step.generation == 2:
            break

    assert list(loop.run(3, ledger=book)) == whole
    assert first == whole[:3]


def test_seeds_differ():
    loop = _loop(SPECS["fresh"])

    assert next(loop.run(0)).measures != next(loop.run(1)).measures


class _Recording(Normal):
    """Remembers which samples it was trained on."""

    def __init__(self):
        object.__setattr__(self, "seen", [])

    def fit(self, samples, **options):
        self.seen.append(samples.values.copy())
        return super().fit(samples, **options)


def _numbered(n):
    values = np.arange(n, dtype=np.float32).reshape(n, 1)
    return Collected("numbers", Samples(values, np.zeros(n, np.int64)))


def test_fresh_samples_are_new_and_never_evaluate():
    real, generator = _numbered(400), _Recording()
    spec = LoopSpec("fresh", n_fresh=50, n_initial=70, n_synthetic=20, generations=4)
    loop = _loop(spec, real, generator, n_evaluation=100)
    list(loop.run(5))
    trained = np.concatenate(
        [np.concatenate(generator.seen[:1]), *(seen[:50] for seen in generator.seen[1:])]
    )

    assert len(trained) == 70 + 4 * 50
    assert len(np.unique(trained)) == len(trained)
    assert not np.isin(trained, real.evaluation(100)).any()


def test_a_fixed_set_is_the_same_in_every_generation():
    generator = _Recording()
    spec = LoopSpec("augmentation", n_fixed=60, n_synthetic=20, generations=3)
    list(_loop(spec, _numbered(300), generator, n_evaluation=100).run(1))

    for seen in generator.seen[1:]:
        np.testing.assert_array_equal(seen[:60], generator.seen[0])


def test_refuses_to_call_a_repeated_sample_fresh():
    spec = LoopSpec("fresh", n_fresh=100, n_synthetic=20, generations=4)

    with pytest.raises(OptionError, match="needs 500 real samples and numbers has 300 beside 100"):
        _loop(spec, _numbered(400), n_evaluation=100)


class _Diverging(Normal):
    def fit(self, samples, **options):
        if len(samples) > 100:
            raise DivergenceError("loss is nan")
        return super().fit(samples, **options)


def test_divergence_is_a_row_and_the_end():
    spec = LoopSpec("fresh", n_fresh=60, n_synthetic=60, generations=4, dim=DIM)
    steps = list(_loop(spec, generator=_Diverging()).run())

    assert [step.has_diverged for step in steps] == [False, True]
    assert steps[1].to_dict()["fid"] is None


@pytest.mark.slow
def test_sampling_bias_is_measured_where_there_is_any():
    biased, unbiased = (
        list(
            _loop(
                LoopSpec("synthetic", n_synthetic=500, bias=bias, generations=1), n_evaluation=2000
            ).run()
        )
        for bias in (0.5, 1.0)
    )

    assert biased[1].measured_bias == pytest.approx(0.5, rel=0.1)
    assert unbiased[1].measured_bias is None


def test_a_gaussian_has_no_model_error_on_gaussian_data():
    spec = LoopSpec("synthetic", n_synthetic=1000, generations=1)

    assert next(_loop(spec, n_evaluation=1000).run()).model_error < 0.02
