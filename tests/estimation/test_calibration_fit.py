"""A calibration tells what a generator left out would suffer, and never judges what it fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from madaudit.errors import InputError, OptionError
from madaudit.estimation.calibration import Calibration
from madaudit.estimation.calibration_fit import Request, fit_calibration
from madaudit.estimation.known_samples import KnownSamples, SourceName, split_halves

_REQUEST = Request({"a": "1" * 64}, "pixels", "none")


def _world(
    shifts: Mapping[str, float],
    *,
    n: int = 200,
    seed: int = 0,
    real: tuple[str, ...] = ("camera",),
) -> KnownSamples:
    """Real scores are standard normal, a generator's lie so many deviations higher."""
    random = np.random.default_rng(seed)
    sources = [SourceName(name, "real") for name in real]
    sources += [SourceName(name, "synthetic") for name in shifts]
    scores = [random.normal(size=n) for _ in real]
    scores += [random.normal(size=n) + shift for shift in shifts.values()]
    total = n * len(sources)
    return KnownSamples(
        detectors=("a",),
        scores=np.concatenate(scores)[:, None],
        sources=tuple(sources),
        source=np.repeat(np.arange(len(sources)), n),
        marked=np.zeros(total, dtype=bool),
        contents=[None] * total,
        hashes=[None] * total,
    )


def _calibrated(known: KnownSamples, request: Request = _REQUEST) -> Calibration:
    return fit_calibration(known, split_halves(known), request)


def test_a_generator_like_the_others_is_detected_and_a_weak_one_is_not() -> None:
    made = _calibrated(_world({"x": 2.0, "y": 2.0, "weak": 0.3}, n=400))
    shares = {
        name: one["detected"]["point"]
        for name, one in made.performance["combination"]["leave_one_out"].items()
    }
    assert min(shares["x"], shares["y"]) > 0.8
    assert shares["weak"] < 0.35
    assert made.least_detected == min(shares.values())
    assert made.n_generators == 3


def test_half_an_undetectable_generator_is_half_detected() -> None:
    # Of the left-out one's samples half look real: ρ = .5 by estimation.md §2(g).
    known = _world({"x": 2.5, "y": 2.5, "z": 2.5}, n=600, real=("camera", "scans"))
    scores = known.scores.copy()
    rows = np.flatnonzero(known.of(SourceName("z", "synthetic")))[::2]
    scores[rows] -= 2.5
    told = _calibrated(replace(known, scores=scores)).performance["combination"]
    found = told["leave_one_out"]["z"]["detected"]
    assert found["low"] < 0.5 < found["high"]
    assert abs(found["point"] - 0.5) < 0.1


def test_one_generator_alone_has_nobody_to_be_left_out_against() -> None:
    made = _calibrated(_world({"x": 2.0}))
    assert (made.least_detected, made.n_generators) == (None, 0)


def test_a_generator_of_few_samples_is_not_left_out_in_turn() -> None:
    known = _world({"x": 2.0, "y": 2.0, "few": 2.0}, n=100)
    rows = np.flatnonzero(known.of(SourceName("few", "synthetic")))[6:]
    known = replace(known, marked=np.isin(np.arange(len(known)), rows))
    made = _calibrated(known)
    assert made.n_generators == 2
    assert made.synthetic["few"].n == 3


class _Memory:
    """A detector that learns its samples by heart, and says 0 of all others."""

    def __init__(self, known: KnownSamples) -> None:
        self._known = known
        self.fitted: list[np.ndarray] = []

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        self.fitted.append(rows.copy())
        sign = np.where(self._known.is_synthetic, 5.0, -5.0)
        random = np.random.default_rng(int(rows.sum()))
        return np.where(rows, sign, 0.0) + random.normal(size=len(rows)) * 0.1


def test_a_detector_that_only_remembers_is_found_out() -> None:
    known = _world({"x": 0.0, "y": 0.0}, n=200, real=("camera", "scans"))
    memory = _Memory(known)
    made = _calibrated(known, replace(_REQUEST, trainers={"a": memory}))
    told = made.performance
    for name in ("a", "combination"):
        assert told[name]["auc"]["low"] < 0.5 < told[name]["auc"]["high"]
    # The combiner saw it as it scores strangers, so it says of nobody that he is known.
    assert abs(made.combiner.log_ratio(np.array([[5.0]]))[0]) < 1.0


def test_nothing_is_trained_on_what_is_counted_or_left_out() -> None:
    known = _world({"x": 1.0, "y": 1.0}, n=60)
    memory = _Memory(known)
    halves = split_halves(known)
    fit_calibration(known, halves, replace(_REQUEST, trainers={"a": memory}))
    assert not any((rows & halves.counting).any() for rows in memory.fitted)
    for name in ("x", "y"):
        own = known.of(SourceName(name, "synthetic"))
        assert any(not (rows & own).any() for rows in memory.fitted)


def test_false_alarms_of_a_photo_source_show_when_it_stands_apart() -> None:
    known = _world({"x": 2.0}, n=300, real=("camera", "scans", "drawings"))
    scores = known.scores.copy()
    scores[known.of(SourceName("drawings", "real"))] += 1.5
    alarms = _calibrated(replace(known, scores=scores)).performance["combination"]["false_alarms"]
    assert alarms["drawings"]["0.05"] > 0.3
    assert alarms["camera"]["0.05"] < 0.05


def test_missing_scores_are_counted_and_not_judged() -> None:
    known = _world({"x": 2.0}, n=100)
    scores = known.scores.copy()
    scores[::4] = np.nan
    made = _calibrated(replace(known, scores=scores))
    told = made.performance["a"]
    assert (told["n_real"], told["missing_real"]) == (75, 25)
    assert made.real_counts.missing > 0


def test_a_low_rate_is_told_once_there_are_enough_real_samples() -> None:
    known = _world({"x": 2.0}, n=6000)
    told = _calibrated(known, replace(_REQUEST, fpr=(0.05, 0.005))).performance["a"]["tpr"]
    assert told["0.005"]["point"] < told["0.05"]["point"]
    with pytest.raises(OptionError, match="needed are 30000"):
        _calibrated(known, replace(_REQUEST, fpr=(0.001,)))


def test_a_side_without_scores_is_refused() -> None:
    known = _world({"x": 2.0}, n=100)
    scores = known.scores.copy()
    scores[known.is_synthetic] = np.nan
    with pytest.raises(InputError, match="0 synthetic samples in one half have a score"):
        _calibrated(replace(known, scores=scores))


@pytest.mark.slow
def test_the_counted_half_is_not_sharper_than_strangers() -> None:
    """Sketches tell the classes apart as well as on fresh samples, on average over 40 worlds."""
    gaps = []
    for seed in range(40):
        made = _calibrated(_world({"x": 1.0}, n=80, seed=seed))
        fresh = _world({"x": 1.0}, n=400, seed=1000 + seed)
        ratio = made.combiner.log_ratio(fresh.scores)
        counted = [
            (sketch.counts * np.arange(len(sketch.counts))).sum() / sketch.counts.sum() / 64
            for sketch in (made.real_counts, made.synthetic_counts)
        ]
        truth = fresh.is_synthetic
        gaps.append(counted[1] - counted[0] - ratio[truth].mean() + ratio[~truth].mean())
    standard_error = np.std(gaps, ddof=1) / np.sqrt(len(gaps))
    assert abs(np.mean(gaps)) < 3.5 * standard_error
