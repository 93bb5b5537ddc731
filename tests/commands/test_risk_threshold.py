"""`madaudit risk --calibration`: the cut of a store, who is hurt, and the policy that says it."""

from __future__ import annotations

import numpy as np
import pytest

import madaudit
from madaudit.assessment import MARKS_ONLY, parse_policy
from madaudit.commands.calibration_files import write_calibration
from madaudit.commands.chart_files import cut_picture
from madaudit.commands.risk import risk
from tests.commands.invoking import invoke
from tests.commands.scored_stores import Rows, calibration_of, draw_scores, write_store


def store_of(folder, pi, n=10_000, marked=0, shift=2.0, urls=None):
    generator = np.random.default_rng(1)
    scores, is_synthetic = draw_scores(n, pi, generator, shift)
    marks = [None] * n
    for row in np.flatnonzero(is_synthetic)[: int(marked * n)]:
        marks[row] = "synthetic"
    columns = {} if urls is None else {"url": [f"http://{urls(s)}/x" for s in is_synthetic]}
    return write_store(folder, {"a": Rows(scores, marks, columns=columns)})


def written(factory, found):
    folder = factory.mktemp("calibration")
    write_calibration(found, str(folder))
    return folder


@pytest.fixture(scope="module")
def calibration(tmp_path_factory):
    return written(tmp_path_factory, calibration_of(4000))


@pytest.fixture(scope="module")
def generators(tmp_path_factory):
    found = calibration_of(4000, shifts={"weak": 1.5, "strong": 3.0})
    return written(tmp_path_factory, found)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Nineteen generators left out in turn: the headline has an upper end."""
    return written(tmp_path_factory, calibration_of(4000, least_detected=0.95, n_generators=19))


def test_a_contaminated_store_is_told_where_to_cut(tmp_path, calibration):
    store = store_of(tmp_path, 0.4)
    shown = invoke("risk", store, "--calibration", calibration, "--bias", "0.9", "--json").json
    found = shown["threshold"]
    assert found["action"] == "cut"
    assert found["harm_bound"] <= 0.01
    assert 0 < found["real_lost"]["point"] < 0.5
    assert shown["basis"]["tier"] == "model_based"
    assert "no upper end" in shown["basis"]["assumptions"][0]
    # The headline has no upper end; the interval that the cut rests on has.
    assert (shown["level"], shown["basis"]["level"]) == ("critical", "elevated")
    assert shown["curve"][-1]["cut"] is None


def test_the_drawn_cut_stands_where_its_bound_is_within_the_tolerance(tmp_path, calibration):
    """The band is drawn up to the bound that chooses, so that the picture bears the choice out."""
    found = risk(store_of(tmp_path, 0.4), calibration=str(calibration), bias=0.9).threshold
    shown = cut_picture(found)
    at_cut = next(row for row in shown.rows if row.cut == shown.chosen)
    assert at_cut.harm.high == found.harm_bound <= shown.tolerance


def test_the_cut_loses_what_it_says(tmp_path, calibration):
    """Posteriors of real and synthetic samples whose truth is known here."""
    import pyarrow.parquet as pq

    generator = np.random.default_rng(1)
    scores, is_synthetic = draw_scores(10_000, 0.4, generator)
    store = write_store(tmp_path, {"a": Rows(scores)})
    result = risk(store, calibration=str(calibration), bias=0.9)
    found = result.threshold
    path = f"{store}/posteriors/{result.advice.calibration[:16]}/a.parquet"
    ratios = pq.read_table(path).column("log_ratio").to_numpy()
    lost = np.mean(ratios[~is_synthetic] >= found.cut)
    assert lost == pytest.approx(found.real_lost.point, abs=0.02)


def test_a_measured_detection_gives_the_headline_itself_as_basis(tmp_path, measured):
    result = risk(store_of(tmp_path, 0.1), calibration=str(measured), bias=0.99)
    assert (result.tier, result.advice.basis.tier) == ("model_based", "model_based")
    assert result.advice.basis.least_detected == 0.95
    assert result.risk.level != "critical"


def test_the_plot_of_the_cuts_shows_the_recommended_one(tmp_path, measured):
    risk(store_of(tmp_path, 0.4), calibration=str(measured), bias=0.9, plots=str(tmp_path / "p"))
    assert "recommended" in (tmp_path / "p" / "cuts.svg").read_text(encoding="utf-8")


def test_a_clean_store_is_not_to_be_filtered(tmp_path, measured):
    words = ("--calibration", measured, "--bias", "0.9", "--tolerance", "0.05")
    store = store_of(tmp_path, 0.0)
    assert invoke("risk", store, *words, "--json").json["threshold"] == "do not filter"
    assert "cut: do not filter: the harm stays within" in invoke("risk", store, *words).out


@pytest.mark.slow
def test_no_cut_suffices_where_half_of_the_synthetic_samples_look_real(tmp_path):
    blind = calibration_of(4000, least_detected=0.5, n_generators=19)
    write_calibration(blind, str(tmp_path / "blind"))
    words = ("--calibration", tmp_path / "blind", "--bias", "0.5")
    store = store_of(tmp_path, 0.4)
    shown = invoke("risk", store, *words, "--json").json
    assert shown["threshold"]["action"] == "no cut suffices"
    assert shown["threshold"]["fresh_real_needed"] > 0
    out = invoke("risk", store, *words).out
    assert "no cut suffices" in out
    assert "fresh real samples a generation would do" in out


@pytest.mark.slow
def test_marked_samples_go_alone_where_that_is_enough(tmp_path, measured):
    """A third is synthetic and nearly all of it marked."""
    store = store_of(tmp_path, 0.3, marked=0.299)
    result = risk(store, calibration=str(measured), bias=0.9, tolerance=0.02)
    assert (result.threshold.action, result.threshold.cut) == ("cut", MARKS_ONLY)
    assert result.threshold.real_lost.point == 0.0
    assert (
        "marked samples alone"
        in invoke(
            "risk", store, "--calibration", measured, "--bias", "0.9", "--tolerance", "0.02"
        ).out
    )


@pytest.mark.slow
def test_who_is_hurt_is_told_generator_by_generator_and_stratum_by_stratum(tmp_path, generators):
    store = store_of(tmp_path, 0.4, urls=lambda s: "gen.example" if s else "cam.example")
    result = risk(store, calibration=str(generators), bias=0.9, by=["domain"])
    dropped = {group.name: group.dropped.point for group in result.advice.hurt}
    assert dropped["strong"] > dropped["weak"] > dropped["camera0"]
    assert dropped["domain gen.example"] > dropped["domain cam.example"]
    out = invoke("risk", store, "--calibration", generators, "--bias", "0.9").out
    assert "of generator strong" in out


@pytest.mark.slow
def test_without_lambda_the_cut_is_told_for_each(tmp_path, calibration):
    shown = invoke("risk", store_of(tmp_path, 0.3), "--calibration", calibration, "--json").json
    assert shown["threshold_by_bias"]["1"]["action"] == "do not filter"
    lost = [shown["threshold_by_bias"][key]["real_lost"]["point"] for key in ("0.99", "0.9")]
    assert lost[0] <= lost[1]


def test_the_policy_holds_the_cut_its_calibration_the_weights_and_the_rule(tmp_path, calibration):
    store, path = store_of(tmp_path, 0.4), tmp_path / "policy.yaml"
    words = ("--calibration", calibration, "--bias", "0.9", "--policy-out", path)
    shown = invoke("risk", store, *words, "--json").json
    policy = parse_policy(path.read_text())
    assert policy.cut == shown["threshold"]["cut"]
    assert policy.calibration == shown["basis"]["calibration"]
    assert policy.real_weight == shown["weighting"]["real_weight"] > 1
    assert policy.rules == {"max_harm": 0.01}


def test_levels_and_tolerance_come_from_a_policy(tmp_path):
    store, path = store_of(tmp_path, 0.1, n=200, marked=0.1), tmp_path / "p.yaml"
    path.write_text(
        "version: 1\nrules: {max_harm: 0.3}\n"
        "levels: {none: 1.0e-9, low: 2.0e-9, elevated: 3.0e-9, high: 4.0e-9}\n"
    )
    strict = invoke("risk", store, "--policy", path, "--bias", "0.5", "--json").json
    usual = invoke("risk", store, "--bias", "0.5", "--json").json
    assert strict["level_at_low"] == "critical" != usual["level_at_low"]
    assert strict["trajectory"]["tolerance"] == 0.3
    assert {level for row in strict["phase"]["levels"] for level in row} == {"none", "critical"}
    assert (
        invoke("risk", store, "--policy", path, "--tolerance", "0.2", "--json").json["trajectory"][
            "tolerance"
        ]
        == 0.2
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read policy"),
        ("version: 9", "version is 9"),
        ("\x00", "cannot read|no YAML"),
    ],
)
def test_a_policy_that_cannot_be_read_is_refused(tmp_path, content, message):
    path = tmp_path / "p.yaml"
    if content is not None:
        path.write_text(content)
    run = invoke("risk", store_of(tmp_path, 0.1, n=100), "--policy", path)
    assert run.code == 2
    assert any(part in run.err for part in message.split("|"))


@pytest.mark.slow
def test_json_is_what_the_python_twin_returns(tmp_path, calibration):
    store = store_of(tmp_path, 0.3, n=1000)
    shown = invoke("risk", store, "--calibration", calibration, "--json").json
    assert shown == madaudit.risk(store, calibration=str(calibration)).to_dict()
