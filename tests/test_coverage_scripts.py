"""What judges the estimator judges rightly: intervals' scores, pairs of shifts, blind targets."""

from __future__ import annotations

import json
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from madaudit.estimation import Histograms, Settings, estimate_tiers

_SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(autouse=True)
def _scripts_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(_SCRIPTS))


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    loader = SourceFileLoader("coverage_blind", str(_SCRIPTS / "coverage_blind"))
    spec = spec_from_loader("coverage_blind", loader)
    assert spec is not None
    module = module_from_spec(spec)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    loader.exec_module(module)
    monkeypatch.setattr(module, "_N_TARGETS", 2)
    return module


def test_winklers_score_adds_forty_times_what_a_miss_is_off_by() -> None:
    from coverage_scores import summary  # type: ignore[import-not-found]

    found = summary([0.1, 0.3, 0.0], [0.15, 0.4, 0.05], [0.3, 0.5, 0.1], 0.2)

    assert found["coverage"] == pytest.approx(1 / 3)
    assert found["false_clean"] == pytest.approx(1 / 3)
    assert found["false_alarm"] == pytest.approx(1 / 3)
    assert found["winkler"] == pytest.approx((0.2 + 0.2 + 0.1 + 40 * (0.1 + 0.1)) / 3)


@pytest.mark.parametrize("axes", [(), ("duplicates", "weak")])
def test_tiers_of_the_pairs_are_those_of_an_estimate(axes: tuple[str, ...]) -> None:
    import coverage_pairs as pairs  # type: ignore[import-not-found]

    chosen = frozenset(axes)
    target = pairs.drawn(chosen, 0.2, np.random.default_rng(3))
    low, point, high, fit = pairs.closed_fits([target])[0][0]
    generator = np.random.default_rng(3)
    real, synthetic = pairs.calibration(chosen, generator)
    counts = np.sum(pairs.drawn_target(chosen, 0.2, generator), axis=0).astype(float)
    none = np.zeros(len(real))
    histograms = Histograms(real, synthetic, counts, none, none, effective_ratio=target.ratio)
    model = estimate_tiers(histograms, Settings())

    assert model.model_based is not None
    assert model.detectable is not None
    closed = model.model_based.closed
    assert [low, point, high] == pytest.approx([closed.low, closed.point, closed.high], abs=1e-9)
    assert fit == pytest.approx(model.model_based.goodness_of_fit)
    assert target.least == pytest.approx(model.detectable.low)


def test_pairs_are_every_axis_alone_and_every_two_of_them() -> None:
    import coverage_pairs as pairs

    assert len(pairs.choices()) == 1 + 8 + 28
    assert len({tuple(axes) for axes in pairs.choices()}) == 37


def test_blind_targets_are_judged_by_the_sealed_answers_alone(
    blind: ModuleType, tmp_path: Path
) -> None:
    released, answers, estimates = (tmp_path / name for name in ("released", "a.json", "e.jsonl"))
    seal = blind.make(released, answers)
    away = answers.rename(tmp_path / "locked away")
    blind.estimate(released, estimates)
    away.rename(answers)

    assert seal in blind.judge(released, estimates, answers)
    hidden = json.loads(answers.read_text(encoding="utf-8"))
    hidden["targets"][0]["pi"] = 0.123456
    other = tmp_path / "other.json"
    other.write_text(json.dumps(hidden), encoding="utf-8")
    with pytest.raises(SystemExit, match="not what was sealed"):
        blind.judge(released, estimates, other)


def test_blind_targets_tell_their_share_nowhere(blind: ModuleType, tmp_path: Path) -> None:
    blind.make(tmp_path / "released", tmp_path / "a.json")

    for path in (tmp_path / "released").glob("target-*.json"):
        assert set(json.loads(path.read_text(encoding="utf-8"))) == set(blind.COUNTS)


def test_an_estimate_of_other_counts_than_the_sealed_is_refused(
    blind: ModuleType, tmp_path: Path
) -> None:
    released, answers, estimates = (tmp_path / name for name in ("released", "a.json", "e.jsonl"))
    blind.make(released, answers)
    path = released / "target-00.json"
    counts = json.loads(path.read_text(encoding="utf-8"))
    counts["target"][50] += 1
    path.write_text(json.dumps(counts), encoding="utf-8")
    blind.estimate(released, estimates)

    with pytest.raises(SystemExit, match="other counts"):
        blind.judge(released, estimates, answers)
