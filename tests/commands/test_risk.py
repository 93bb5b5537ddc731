"""`madaudit risk`: from a store to a level, with what is known of it."""

from __future__ import annotations

import pytest

import madaudit
from madaudit.assessment import parse_policy
from tests.commands.invoking import invoke
from tests.commands.store_building import generated, make_store, photo


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path, a=[photo(), photo(), photo(), generated()], b=[photo(), photo()])


def test_the_floor_alone_leaves_the_upper_end_open(store):
    shown = invoke("risk", store, "--bias", "0.9", "--json").json
    assert shown["tier"] == "floor"
    assert shown["level"] == "critical"
    assert shown["level_at_low"] != "critical"
    assert shown["harm"]["convergence"]["point"] is None
    assert shown["threshold"] is None


def test_json_is_what_the_python_twin_returns(store):
    shown = invoke("risk", store, "--json", "--by", "shard").json
    assert shown == madaudit.risk(str(store), by=["shard"]).to_dict()
    assert shown["tail"]["share_possible"] == 1.0


def test_an_unknown_bias_is_a_wider_interval(store):
    known = invoke("risk", store, "--bias", "0.9", "--json").json["harm"]["generation"][-1]
    unknown = invoke("risk", store, "--json").json["harm"]["generation"][-1]
    assert unknown["low"] <= known["low"]


def test_people_are_told_level_rule_and_assumptions(store):
    out = invoke("risk", store, "--by", "shard").out
    assert "to critical (tier of the estimate: floor)" in out
    assert "λ = 1:" in out
    assert "assumes: every later data set" in out
    assert "rule: harm is the larger of" in out


def test_the_policy_can_be_read_back(store, tmp_path):
    invoke("risk", store, "--policy-out", tmp_path / "policy.yaml", "--tolerance", "0.02")
    assert parse_policy((tmp_path / "policy.yaml").read_text()).rules == {"max_harm": 0.02}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tolerance", "2"], "tolerance is 2.0; it must be a number, 0 to 1"),
        (["--bias", "-1"], "bias is -1.0"),
        (["--by", "colour"], "cannot group by 'colour'"),
        (["--loop", "stale"], "'stale' is not one of"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(store, words, message):
    run = invoke("risk", store, *words)
    assert (run.code, run.out) == (2, "")
    assert message in run.err


def test_plots_are_the_reports_charts_as_files(store, tmp_path):
    invoke("risk", store, "--bias", "0.9", "--plots", tmp_path / "plots", "--json")
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        "harm.svg",
        "variance.svg",
        "phase.svg",
    }
    assert "this data set" in (tmp_path / "plots" / "phase.svg").read_text(encoding="utf-8")
