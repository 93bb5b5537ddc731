"""`madaudit check`: rules that hold, rules that do not, and data sets with a part missing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

import madaudit
from madaudit.commands.calibration_files import write_calibration
from madaudit.types import Interval
from tests.commands.invoking import invoke
from tests.commands.scored_stores import Rows, calibration_of, draw_scores, write_store
from tests.commands.store_building import (
    edit_json,
    generated,
    make_store,
    page,
    photo,
    scan_into,
    write_shards,
)
from tests.commands.test_wrong_requests import refused


@pytest.fixture
def store(tmp_path):
    """A quarter is marked, a quarter broken."""
    return make_store(tmp_path, a=[photo(1), generated(), photo(2), page()])


def policy(folder: Path, rules: str, *more: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text("\n".join(["version: 1", f"rules: {{{rules}}}", *more]))
    return path


def test_rules_that_hold_exit_0(store, tmp_path):
    path = policy(tmp_path, "max_floor: 0.25, min_observable: 0.75, max_quarantined: 0")
    run = invoke("check", store, "--policy", path, "--json")
    assert (run.code, run.json["passed"], run.json["broken"]) == (0, True, [])


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("max_floor: 0.2", 0.25),
        ("max_prevalence: 0.9", 1.0),
        ("min_effective_real: 0.1", 0.0),
        ("min_observable: 0.8", 0.75),
        ("max_missing: 0.2", 0.25),
        ("max_level: low", "critical"),
    ],
)
def test_each_kind_of_rule_can_break_and_is_named_with_its_value(store, tmp_path, rule, value):
    run = invoke("check", store, "--policy", policy(tmp_path, rule), "--json")
    name, _, allowed = rule.partition(": ")
    assert run.code == 3
    assert not run.json["passed"]
    (broken,) = run.json["broken"]
    assert (broken["rule"], broken["value"], str(broken["allowed"])) == (name, value, allowed)


def test_every_broken_rule_is_told_to_people(store, tmp_path):
    path = policy(tmp_path, "max_floor: 0, max_missing: 0.5, max_level: high")
    run = invoke("check", store, "--policy", path)
    assert run.code == 3
    assert "broken: max_floor 0, is 0.25" in run.out
    assert "holds: max_missing 0.5" in run.out
    assert "broken: max_level high, is critical" in run.out


def test_a_missing_shard_exits_4_though_every_rule_holds(tmp_path):
    inputs = write_shards(tmp_path, a=[photo(1)], b=[photo(2)])
    store = scan_into(tmp_path, inputs)
    (Path(store) / "shards/b.tar.json").unlink()
    run = invoke("check", store, "--policy", policy(tmp_path, "max_floor: 0.5"), "--json")
    assert (run.code, run.json["passed"], run.json["unfinished"]) == (4, False, 1)


def test_a_broken_rule_counts_more_than_a_missing_shard(tmp_path):
    store = scan_into(tmp_path, write_shards(tmp_path, a=[generated()], b=[photo()]))
    (Path(store) / "shards/b.tar.json").unlink()
    assert invoke("check", store, "--policy", policy(tmp_path, "max_floor: 0.1")).code == 3


def test_a_sample_is_held_to_the_upper_bound_of_its_marked_share(tmp_path):
    inputs = write_shards(tmp_path, a=[photo(n) for n in range(20)])
    store = scan_into(tmp_path, inputs, sample=10)
    checked = madaudit.check(store, policy=str(policy(tmp_path, "max_floor: 0.1")))
    # Clopper and Pearson for 0 of 10: 1 - 0.025 ** (1 / 10).
    assert checked.values["floor"] == pytest.approx(0.3085, abs=1e-4)
    assert [rule.rule for rule in checked.broken] == ["max_floor"]


@pytest.mark.parametrize(("harm", "code"), [(0.09, 0), (0.11, 3)])
def test_the_policys_own_levels_decide(store, tmp_path, monkeypatch, harm, code):
    # The floor alone leaves harm open, so a bounded one is put in its place.
    at = Interval(0.0, None, harm)
    told = SimpleNamespace(by_generation=(at,), at_convergence=at)
    monkeypatch.setattr("madaudit.assessment.assess_risk", lambda *_, **__: told)
    path = policy(tmp_path, "max_level: none", "levels: {none: .1, low: 2, elevated: 3, high: 4}")
    assert invoke("check", store, "--policy", path).code == code


def test_a_store_of_one_sample_can_be_checked_by_rules_without_a_loop(tmp_path):
    store = make_store(tmp_path, a=[photo()])
    assert invoke("check", store, "--policy", policy(tmp_path, "max_floor: 0")).code == 0


def test_without_rules_nothing_is_called_passed(store, tmp_path):
    (tmp_path / "p.yaml").write_text("version: 1\ncut: {score: 1}\n")
    run = invoke("check", store, "--policy", tmp_path / "p.yaml")
    assert (run.code, run.out) == (2, "")
    assert "has no rules" in run.err


def test_a_policy_that_is_no_text_is_refused(store, tmp_path):
    (tmp_path / "p.yaml").write_bytes(b"\xff\xfe\x00")
    run = invoke("check", store, "--policy", tmp_path / "p.yaml")
    assert run.code == 2
    assert "no text in UTF-8" in run.err


def test_json_is_what_the_python_twin_returns(store, tmp_path):
    path = policy(tmp_path, "max_harm: 0.01")
    shown = invoke("check", store, "--policy", path, "--bias", "0.9", "--json").json
    assert shown == madaudit.check(store, policy=str(path), bias=0.9).to_dict()


def test_a_quarantined_share_is_of_the_shards_listed(tmp_path):
    store = make_store(tmp_path, a=[photo()], b=[photo()])
    edit_json(Path(store) / "manifest.json", shards=["a.tar", "b.tar", "c.tar", "d.tar"])
    checked = madaudit.check(store, policy=str(policy(tmp_path, "max_quarantined: 0.1")))
    assert (checked.values["quarantined"], checked.unfinished) == (0.0, 2)


# --- cuts and weights -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A store with two fifths synthetic, a calibration that fits it, and which ones they are."""
    folder = tmp_path_factory.mktemp("graded")
    scores, is_synthetic = draw_scores(10_000, 0.4, np.random.default_rng(1))
    marks = ["synthetic" if hit and k % 5 == 0 else None for k, hit in enumerate(is_synthetic)]
    found = calibration_of(4000, least_detected=0.95, n_generators=19)
    write_calibration(found, str(folder / "calibration"))
    store = write_store(folder, {"a": Rows(scores, marks)})
    return store, str(folder / "calibration"), is_synthetic


def test_with_a_calibration_rules_hold_of_what_the_cut_leaves(graded, tmp_path):
    store, calibration, is_synthetic = graded
    path = policy(tmp_path, "max_prevalence: 0.2, max_floor: 0.01", "cut: {score: 0.5}")
    before = madaudit.check(store, policy=str(path))
    assert {rule.rule for rule in before.broken} == {"max_prevalence", "max_floor"}
    assert before.of == "the store"
    after = invoke("check", store, "--policy", path, "--calibration", calibration, "--json")
    assert (after.code, after.json["of"]) == (0, "what the cut leaves")
    madaudit.estimate(store, calibration=calibration)
    left = madaudit.filter(
        store, policy=str(path), to="keys", output=str(tmp_path / "kept.parquet")
    )
    rows = pq.read_table(left.output).column("ordinal").to_numpy()
    assert is_synthetic[rows].mean() <= after.json["values"]["prevalence"] < 0.2


def test_a_cut_that_leaves_too_much_is_broken(graded, tmp_path):
    store, calibration, _ = graded
    path = policy(tmp_path, "max_prevalence: 0.2, max_level: low", "cut: {score: 20}")
    run = invoke("check", store, "--policy", path, "--calibration", calibration)
    assert run.code == 3
    assert "held against: what the cut leaves" in run.out
    assert "broken: max_prevalence 0.2, is 0." in run.out
    assert "broken: max_level low, is " in run.out


def test_a_cut_of_another_calibration_is_refused(graded, tmp_path):
    store, calibration, _ = graded
    cut = f"cut: {{score: 1, calibration: '{'ab' * 16}'}}"
    path = policy(tmp_path, "max_floor: 0.5", cut)
    message = refused(invoke("check", store, "--policy", path, "--calibration", calibration))
    assert "give the one that the cut was made with" in message


def test_without_a_calibration_people_are_told_that_the_cut_is_not_applied(graded, tmp_path):
    path = policy(tmp_path, "max_floor: 0.5", "cut: {score: 1}")
    assert "before the policy's cut" in invoke("check", graded[0], "--policy", path).out


def test_weights_change_harm_and_no_share(graded, tmp_path):
    store, calibration, _ = graded
    rules = "max_prevalence: 0.99, max_harm: 1"
    found = [
        madaudit.check(
            store, policy=str(policy(tmp_path, rules, *more)), calibration=calibration, bias=0.99
        )
        for more in ((), ("weight: {real: 3.0}",))
    ]
    plain, weighted = (one.values for one in found)
    assert weighted["prevalence"] == plain["prevalence"]
    assert weighted["harm"] != plain["harm"]
    assert found[1].of == "the store, real samples weighted"
