"""The monitor: what was consumed, with its interval, and alarms."""

from __future__ import annotations

import multiprocessing
import pickle
import warnings

import numpy as np
import pytest

from madaudit.assessment.policy import Policy
from madaudit.errors import OptionError
from madaudit.hooks import Monitor
from madaudit.hooks.monitor import MonitorOptions
from madaudit.simulation import LoopSpec
from tests.commands.store_building import generated, make_store, photo
from tests.hooks.posterior_building import write_posteriors

INF = float("inf")
# Shards come by name, so the rows of "books" stand before those of "web".
WEB = 10


@pytest.fixture
def store(tmp_path):
    """Source "web": a quarter marked; source "books": none."""
    web = [(generated if i % 4 == 0 else photo)(i) for i in range(20)]
    books = [photo(i) for i in range(10)]
    return make_store(tmp_path, **{"web/a": web, "books/a": books})


def stream(source, n, first=0):
    return [
        {"__key__": f"{i:09d}", "__url__": f"/x/{source}/a.tar"} for i in range(first, first + n)
    ]


def test_it_hands_samples_on_and_counts_them_by_source(store):
    monitor = Monitor(store)
    samples = stream("web", 20) + stream("books", 10)
    assert list(map(monitor.tap, samples)) == samples
    readings = monitor.readings()
    assert (readings[""].n, readings[""].marked) == (30, 5)
    assert (readings["web"].n, readings["web"].marked) == (20, 5)
    assert (readings["books"].n, readings["books"].marked) == (10, 0)


def test_by_marks_alone_it_gives_an_upper_end_of_p_and_no_point(store):
    monitor = Monitor(store)
    list(map(monitor.tap, stream("web", 20)))
    p = monitor.readings()[""].p
    # Clopper and Pearson's lower end for 5 of 20 at .95: scipy.stats.binomtest's.
    from scipy.stats import binomtest

    low = binomtest(5, 20).proportion_ci(0.95).low
    assert (p.point, p.low) == (None, 0.0)
    assert p.high == pytest.approx(1 - low)


def _score(store):
    """Posteriors .9 for the marked and .1 for the others, and an estimate of p in [.6, .9]."""
    web = [INF if i % 4 == 0 else -4.0 for i in range(20)]
    write_posteriors(store, {"web/a.tar": web, "books/a.tar": [-4.0] * 9 + [None]})


def test_with_posteriors_p_is_one_minus_their_mean(store, tmp_path):
    _score(store)
    monitor = Monitor(store)
    list(map(monitor.tap, stream("web", 20) + stream("books", 10)))
    readings = monitor.readings()
    values = np.array([1.0] * 5 + [0.1] * 24)
    p = readings[""].p
    assert p.point == pytest.approx(1 - values.mean())
    half = 1.959964 * values.std(ddof=1) / np.sqrt(29)
    # The estimate's own interval in the fixture is p in [0, .75, 1].
    assert p.low == pytest.approx(max(0.0, p.point - half - 0.75))
    assert p.high == pytest.approx(min(1.0, p.point + half + 0.25))
    assert readings["books"].p.point == pytest.approx(0.9)


def test_samples_that_the_store_does_not_know_are_counted_and_hurt_nothing(store):
    monitor = Monitor(store)
    for sample in ({"__key__": "no", "__url__": "/x/web/a.tar"}, {}, None, 3):
        assert monitor.tap(sample) is sample
    reading = monitor.readings()[""]
    assert (reading.n, reading.unknown) == (4, 4)


def test_a_batch_and_row_numbers_are_counted_alike(store):
    by_batch, by_rows = Monitor(store), Monitor(store)
    samples = stream("web", 20)
    by_batch.observe({name: [s[name] for s in samples] for name in ("__key__", "__url__")})
    by_rows.observe_rows(range(WEB, WEB + 20))
    assert by_batch.readings() == by_rows.readings()


def test_it_logs_names_and_numbers_each_so_many_steps(store):
    logged = []
    monitor = Monitor(
        store,
        log=lambda numbers, step: logged.append((step, numbers)),
        options=MonitorOptions(every=5),
    )
    list(map(monitor.tap, stream("web", 20)))
    for step in range(11):
        monitor.step(step)
    assert [step for step, _ in logged] == [0, 5, 10]
    assert logged[-1][1]["madaudit/marked"] == 5
    assert logged[-1][1]["madaudit/web/p_high"] < 1


def test_an_alarm_goes_off_once_for_each_rule_that_breaks(store):
    heard = []
    monitor = Monitor(
        store,
        policy=Policy(rules={"max_floor": 0.1, "min_effective_real": 0.2, "max_missing": 0.0}),
        alarm=lambda broken, step: heard.append((broken.rule, step)),
        options=MonitorOptions(every=1),
    )
    list(map(monitor.tap, stream("books", 10)))
    assert monitor.step(1) == ()
    list(map(monitor.tap, stream("web", 20)))
    assert [one.rule for one in monitor.step(2)] == ["max_floor"]
    monitor.step(3)
    assert heard == [("max_floor", 2)]


def test_an_alarm_is_a_warning_unless_told_otherwise(store):
    monitor = Monitor(store, policy=Policy(rules={"max_floor": 0.0}))
    monitor.observe_rows([WEB])
    with pytest.warns(UserWarning, match="step 0.*max_floor"):
        monitor.step(0)


def test_more_synthetic_samples_never_lower_the_risk(store):
    _score(store)
    levels = []
    biased = MonitorOptions(loop=LoopSpec("fresh", bias=0.7))
    for n_marked in range(6):
        monitor = Monitor(store, options=biased)
        monitor.observe_rows([WEB + 4 * i for i in range(n_marked)])
        monitor.observe_rows(range(8))
        levels.append(monitor.numbers()["madaudit/risk_level"])
    assert levels == sorted(levels)
    assert levels[0] < levels[-1]


def _tap(monitor, samples):
    for sample in samples:
        monitor.tap(sample)


@pytest.mark.slow
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_of_a_loader_add_to_the_same_counts(store, start):
    monitor = Monitor(store, log=lambda numbers, step: None)
    context = multiprocessing.get_context(start)
    workers = [
        context.Process(target=_tap, args=(monitor, stream("web", 10, first=10 * i)))
        for i in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (monitor.readings()[""].n, monitor.readings()[""].marked) == (20, 5)


def test_a_copy_in_a_worker_sounds_no_alarm_of_the_trainers(store):
    monitor = Monitor(store, log=lambda numbers, step: None, alarm=lambda broken, step: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(pickle.dumps(monitor)).step(0)


def test_shards_can_be_given_other_sources(store):
    monitor = Monitor(store, options=MonitorOptions(source_of=lambda shard: shard[:1]))
    monitor.observe_rows(range(30))
    assert set(monitor.readings()) == {"", "w", "b"}


@pytest.mark.parametrize("options", [{"every": 0}, {"level": 1.0}])
def test_a_value_out_of_its_range_is_refused(options):
    with pytest.raises(OptionError):
        MonitorOptions(**options)
