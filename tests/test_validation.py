"""What `scripts/validate_risk` predicts, how it judges, and its whole path in small."""

from __future__ import annotations

import importlib
import json
import math
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from madaudit.simulation import LoopSpec, predict

_SCRIPTS = Path(__file__).parents[1] / "scripts"


def _module(monkeypatch, name: str) -> ModuleType:
    monkeypatch.syspath_prepend(str(_SCRIPTS))
    return importlib.import_module(name)


@pytest.fixture
def cells(monkeypatch) -> ModuleType:
    return _module(monkeypatch, "validation_cells")


@pytest.fixture
def prediction(monkeypatch) -> ModuleType:
    return _module(monkeypatch, "validation_prediction")


@pytest.fixture
def tables(monkeypatch) -> ModuleType:
    return _module(monkeypatch, "validation_tables")


def _evidence(prediction: ModuleType, spec: LoopSpec, *, error: float = 0.0, bias: float = 1.0):
    return prediction.Evidence(spec, {"all": bias, "within": 0.5}, error, 2 * error, 3.0)


_FRESH = LoopSpec("fresh", n_fresh=300, n_synthetic=300, generations=4)


def test_without_bias_the_prediction_is_the_theory_s_own_distance(prediction):
    found = prediction.predicted(_evidence(prediction, _FRESH, error=0.05))
    rows = predict(replace(_FRESH, dim=3, model_error=0.05)).rows[1:]
    # Generation 0's error stands apart: see `_by_generation`.
    assert found[-1] == pytest.approx(rows[-1].w2_squared / 3, rel=0.02)


def test_a_draw_of_less_variance_is_told_as_draws_are_measured(prediction):
    spec = LoopSpec("fresh", n_fresh=10**9, n_synthetic=10**9, generations=60)
    level = 0.5 / (1 - 0.5 * 0.6)
    found = prediction.predicted(_evidence(prediction, spec, bias=0.6))
    assert found[-1] == pytest.approx((1 - math.sqrt(0.6 * level)) ** 2, rel=1e-4)


@pytest.mark.parametrize(("alike", "growth"), [(0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (1.0, 1.25)])
def test_errors_add_up_by_how_much_they_are_alike_and_grow(prediction, alike, growth):
    spec = LoopSpec("fresh", n_fresh=10**9, n_synthetic=3 * 10**9, generations=5)
    evidence = _evidence(prediction, spec, error=0.01)
    found = prediction.predicted(evidence, prediction.Correction("all", alike, growth, 2))
    powers = (0.75 * growth) ** np.arange(6)
    expected = 0.01 * ((1 - alike) * np.sum(powers**2) + alike * powers.sum() ** 2)
    # The share of variance that displaced synthetic samples bring is of second order.
    assert found[-1] == pytest.approx(expected, rel=0.02)


def test_the_first_generation_s_prediction_holds_too(prediction):
    spec = LoopSpec("synthetic", n_synthetic=10**9, generations=1)
    evidence = _evidence(prediction, spec, error=0.01)
    found = prediction.predicted(evidence, prediction.Correction("all", 1.0, 1.0, 2))
    assert found[0] == pytest.approx(0.01 * 4, rel=1e-6)


@pytest.mark.slow
def test_a_planted_correction_is_found_again(prediction):
    planted = prediction.Correction("within", 0.5, 1.25, 8)
    specs = [
        LoopSpec("fresh", n_fresh=100, n_synthetic=n, generations=5) for n in (30, 100, 400)
    ] + [LoopSpec("synthetic", n_synthetic=200, generations=5)]
    evidence = [
        prediction.Evidence(
            spec,
            {"all": 0.95, "within": within, "pixels_all": 0.9, "pixels_within": 0.99},
            0.02,
            0.03,
            4.0,
        )
        for spec, within in zip(specs, (0.4, 0.8, 0.6, 0.9), strict=True)
    ]
    pairs = [(one, float(prediction.predicted(one, planted)[-1])) for one in evidence]
    assert prediction.fit_correction(pairs) == planted


def test_agreement_is_spearman_s_with_the_exact_chance_of_pairing_as_well(prediction):
    found = prediction.agreement([1, 2, 3, 4, 5], [1, 2, 3, 5, 4])
    # Of 120 orders, the identity and the four swaps of neighbours reach .9.
    assert found.rho == pytest.approx(0.9)
    assert found.p == pytest.approx(5 / 120)


def test_a_cell_that_diverged_ranks_last(prediction):
    assert prediction.agreement([1, 2, 3, 4], [0.1, 0.2, 0.3, math.inf]).rho == pytest.approx(1)
    assert prediction.agreement([1, 2, 3, 4], [0.1, math.inf, 0.2, 0.3]).rho < 0.5


def test_a_constant_order_has_no_correlation(prediction):
    assert math.isnan(prediction.agreement([1, 1, 1], [1, 2, 3]).rho)


def test_seeds_that_agree_give_a_narrow_interval_and_one_seed_gives_none(prediction):
    narrow = prediction.over_seeds([1, 2, 3, 4], [[1, 1.1], [2, 2.1], [3, 3.1], [4, 4.1]])
    wide = prediction.over_seeds([1, 2, 3, 4], [[1, 4], [2, 3], [3, 1], [4, 2]])
    assert narrow == (1.0, 1.0)
    assert wide[0] < 0.5
    assert prediction.over_seeds([1, 2, 3], [[1], [2], [3]]) is None


def test_halves_are_even_in_every_loop_and_do_not_follow_the_order_of_cells(cells):
    core = cells.core_cells()
    sides = cells.halves(core)
    assert sides == cells.halves(core[::-1])
    for loop in ("synthetic", "augmentation", "fresh"):
        judged = [sides[cell.name] == "judge" for cell in core if cell.spec.loop == loop]
        assert abs(2 * sum(judged) - len(judged)) <= 1


def test_cells_that_are_trained_longer_are_the_same_loops(cells):
    for usual, longer in zip(cells.core_cells(), cells.longer_cells(), strict=True):
        assert longer.spec == usual.spec
        assert longer.name.removesuffix(cells.LONGER) == usual.name
        assert longer.settings["steps"] == 3 * usual.settings["steps"]


def test_the_queue_has_every_cell_with_every_seed_once_and_all_loops_early(cells):
    queue = [(cell.name, seed) for cell, seed in cells.queue()]
    everything = [*cells.core_cells(), *cells.longer_cells(), *cells.other_cells()]
    assert len(queue) == len(set(queue)) == len(cells.SEEDS) * len(everything)
    early = {cell.spec.loop for cell, _ in list(cells.queue())[:6]}
    assert early == {"synthetic", "augmentation", "fresh"}
    assert len(cells.core_cells()) >= 12


def _file(folder: Path, cell, seed: int, distance: float) -> None:
    row = dict.fromkeys(("precision", "recall", "variance_ratio", "within_ratio"), 0.5)
    rows = [
        {**row, "fid": 100 * distance * share + 3, "diverged": False}
        for share in np.linspace(0.5, 1, cell.spec.generations + 1)
    ]
    bias = float(cell.spec.at("bias", 1))
    content = {
        "measured_bias": dict.fromkeys(("all", "within", "pixels_all", "pixels_within"), bias),
        "model_error": 0.05,
        "floor": {"fid": 3.0},
        "real": {"trace_all": 100.0, "dimension_all": 6.0},
        "generations": rows,
    }
    (folder / f"{cell.name}-seed-{seed}.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.slow
def test_what_follows_a_corrected_theory_is_judged_as_following_it(
    tmp_path, cells, prediction, tables
):
    planted = prediction.Correction("within", 1.0, 1.5, 4)
    names = ("all", "within", "pixels_all", "pixels_within")
    for cell in cells.core_cells():
        bias = dict.fromkeys(names, float(cell.spec.at("bias", 1)))
        evidence = prediction.Evidence(cell.spec, bias, 0.05, 0.1, 6.0)
        value = float(prediction.predicted(evidence, planted)[-1])
        for seed in (0, 1):
            _file(tmp_path, cell, seed, value * (1 + 0.01 * seed))
    judged = tables.judge(tables.finished(tmp_path, cells.core_cells()))
    assert judged.correction.growth == 1.5
    text = tables.agreement_table(judged)
    corrected = next(line for line in text.splitlines() if "corrected" in line)
    assert corrected.count("| 1.00 [") + corrected.count("| .99 [") == 4
    picture = tables.figure(judged)
    assert picture.count("<circle") == 2 * len(judged.cells) + 3


def test_a_few_finished_cells_give_tables_that_say_how_few(tmp_path, cells, tables):
    for cell in cells.core_cells()[:2]:
        _file(tmp_path, cell, 0, 0.2)
    assert "2 of 48 runs are in" in tables.status(tmp_path)
    judged = tables.judge(tables.finished(tmp_path, cells.core_cells()))
    assert judged.correction is None
    assert "–" in tables.agreement_table(judged)
    assert "No correction" in tables.correction_text(judged)


@pytest.mark.slow
@pytest.mark.torch
def test_a_killed_run_goes_on_and_finishes_with_the_same_file(monkeypatch, tmp_path, cells):
    pytest.importorskip("torch", reason="trains with torch")
    pytest.importorskip("sklearn", reason="the digits are scikit-learn's")
    run = _module(monkeypatch, "validation_run")
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    mnist = tmp_path / "mnist.npz"
    np.savez(mnist, x_train=images, y_train=digits.target)
    spec = LoopSpec("fresh", n_fresh=60, n_synthetic=60, bias=0.5, generations=1)
    settings = {**cells.DDPM, "steps": 6, "batch": 8, "n_draw_steps": 2}
    cell = cells.Cell("tiny", "ddpm", spec, settings, 8, 20)
    monkeypatch.setattr(run, "N_BIAS", 40)
    contents = []
    for name in ("killed", "whole"):
        place = run.Place(tmp_path / name, tmp_path / f"{name}-work", mnist)
        place.results.mkdir()
        if name == "killed":
            with monkeypatch.context() as patched:
                patched.setattr(run.Measured, "bias", _killed)
                with pytest.raises(KeyboardInterrupt):
                    run.train(cell, 0, place)
            assert not run.result_file(place.results, cell, 0).exists()
        run.train(cell, 0, place)
        content = json.loads(run.result_file(place.results, cell, 0).read_text("utf-8"))
        contents.append({k: v for k, v in content.items() if k not in ("seconds", "cpu_s")})
    assert contents[0] == contents[1]
    assert contents[0]["measured_bias"]["all"] != 1.0
    assert len(contents[0]["generations"]) == 2


def _killed(self) -> None:
    raise KeyboardInterrupt
