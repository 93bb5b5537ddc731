import numpy as np
import pytest

from madaudit.errors import OptionError
from madaudit.simulation import Filter, LoopSpec
from madaudit.simulation.generators.normal import Normal
from madaudit.simulation.interventions import Interventions, mark_strength
from madaudit.simulation.trained_loop import InMemory, TrainedLoop
from tests.simulation.test_trained_loop import ENDLESS, _loop


class _Raised:
    """A mark that lifts the first number of every sample by 2."""

    def put(self, values):
        marked = values.copy()
        marked[:, 0] += 2
        return marked

    def agreement(self, values):
        return float((values[:, 0] > 1).mean())


class _Above:
    """A judge that drops samples whose first number is above a cut."""

    def __init__(self, cut):
        self.cut, self.shown = cut, []

    def drops(self, values):
        self.shown.append(len(values))
        return values[:, 0] > self.cut


class _Seen(Normal):
    def __init__(self):
        object.__setattr__(self, "seen", [])

    def fit(self, samples, **options):
        self.seen.append(samples.values.copy())
        return super().fit(samples, **options)


def _with(spec, interventions, generator=None):
    plain = _loop(spec)
    return TrainedLoop(spec, generator or Normal(), ENDLESS, plain.gauge, interventions)


FRESH = LoopSpec("fresh", n_fresh=100, n_synthetic=300, generations=3, dim=3)


def test_draws_are_marked_and_real_samples_are_not():
    generator = _Seen()
    list(_with(FRESH, Interventions(mark=_Raised()), generator).run())

    for seen in generator.seen[1:]:
        assert abs(seen[:100, 0].mean()) < 0.5
        assert seen[100:, 0].mean() > 1.5


def test_a_mark_that_is_learnt_shows_in_draws_that_nobody_marked():
    spec = LoopSpec("synthetic", n_synthetic=2000, generations=2, dim=3)
    steps = list(_with(spec, Interventions(mark=_Raised())).run())

    # Each generation learns the lift of the one before and adds its own.
    assert [round(step.mark_strength) for step in steps] == [0, 1, 2]
    assert steps[0].mark_agreement < 0.3
    assert steps[1].mark_agreement > 0.7


def test_strength_is_one_where_draws_are_marked_samples():
    real = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)

    assert mark_strength(_Raised(), real, _Raised().put(real)) == pytest.approx(1.0, abs=1e-6)
    assert mark_strength(_Raised(), real, real) == 0.0


def test_what_a_judge_drops_is_not_trained_on_and_is_counted():
    generator, judge = _Seen(), _Above(1.0)
    steps = list(_with(FRESH, Interventions(_Raised(), judge), generator).run())

    assert all((seen[:, 0] <= 1.0).all() for seen in generator.seen[1:])
    assert len(generator.seen[0]) == 100, "generation 0 is not filtered"
    for step, seen in zip(steps[1:], generator.seen[1:], strict=True):
        assert step.n_real + step.n_synthetic == len(seen)
        assert step.filter_fpr == pytest.approx(1 - step.n_real / 100)
        assert step.filter_tpr == pytest.approx(1 - step.n_synthetic / 300)
    assert steps[0].filter_tpr is None


def test_a_fixed_set_is_judged_as_it_enters_and_accumulated_draws_once():
    spec = LoopSpec(
        "augmentation", n_fixed=100, n_synthetic=50, pool="accumulate", generations=3, dim=3
    )
    steps = list(_with(spec, Interventions(judge=_Above(1.0))).run())

    assert steps[1].filter_fpr is not None
    assert [step.filter_fpr for step in steps[2:]] == [None, None]
    assert steps[1].n_real == steps[3].n_real < 100
    kept = [steps[g].n_synthetic - steps[g - 1].n_synthetic for g in (1, 2, 3)]
    assert [1 - n / 50 for n in kept] == pytest.approx([step.filter_tpr for step in steps[1:]])


def test_a_filtered_loop_that_was_killed_goes_on_to_the_same_numbers():
    loop = _with(FRESH, Interventions(_Raised(), _Above(1.5)))
    whole, book = list(loop.run(2)), InMemory()
    for step in loop.run(2, ledger=book):
        if step.generation == 1:
            break

    assert list(loop.run(2, ledger=book)) == whole


def test_rows_without_interventions_do_not_speak_of_them():
    plain, judged = (
        list(_with(FRESH, one).run())[1].to_dict()
        for one in (Interventions(), Interventions(judge=_Above(9.0)))
    )

    assert "filter_tpr" not in plain
    assert judged["filter_tpr"] == 0.0
    assert {name: judged[name] for name in plain} == plain


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filters": Filter(0.5, 0.1)}, "give one of the two"),
        ({"pool": "subsample"}, "cannot filter by a detector with pool 'subsample'"),
    ],
)
def test_loops_that_a_judge_cannot_serve_are_refused(change, message):
    spec = LoopSpec("fresh", n_fresh=60, n_synthetic=60, generations=2, dim=3, **change)

    with pytest.raises(OptionError, match=message):
        _with(spec, Interventions(judge=_Above(1.0)))


def test_a_judge_that_leaves_nothing_is_told():
    with pytest.raises(OptionError, match="the filter left 0 samples"):
        list(_with(FRESH, Interventions(judge=_Above(-np.inf))).run())
