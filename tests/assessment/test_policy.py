"""The policy file: read back as written, refused by name where it is wrong."""

from __future__ import annotations

import json

import pytest

from madaudit.assessment.policy import BOUNDS, SCHEMA, Policy, parse_policy
from madaudit.errors import OptionError

FULL = Policy(1.25, 1.6, {"max_prevalence": 0.05, "max_level": "low"})


@pytest.mark.parametrize("policy", [Policy(), FULL, Policy(cut=-3.0), Policy(real_weight=2.0)])
def test_it_is_read_back_as_written(policy):
    assert parse_policy(policy.to_yaml()) == policy


def test_json_is_read_too():
    text = json.dumps({"version": 1, "cut": {"score": 2}, "rules": {"max_floor": 0}})
    assert parse_policy(text) == Policy(cut=2.0, rules={"max_floor": 0})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 2", "p.yaml: version is 2; this madaudit reads 1"),
        ("{}", "version is None"),
        ("- a", "must hold names and values"),
        ("version: [", "it is no YAML"),
        ("version: 1\nruls: {}", "no entry 'ruls' .*did you mean 'rules'"),
        ("version: 1\nrules: {max_prevalance: .1}", "did you mean 'max_prevalence'"),
        ("version: 1\nrules: {max_prevalence: 5}", "rules.max_prevalence is 5; .* 0 to 1"),
        ("version: 1\nrules: {max_harm: yes}", "rules.max_harm is True"),
        ("version: 1\nrules: {max_level: lo}", "max_level is 'lo' .*did you mean 'low'"),
        ("version: 1\ncut: {}", "cut has no 'score'"),
        ("version: 1\ncut: {score: .nan}", "cut.score is nan"),
        ("version: 1\nweight: {real: 0}", "weight.real is 0"),
        ("version: 1\nlevels: {none: .1, low: .01, elevated: .2, high: .3}", "ascending"),
        ("version: 1\nlevels: {none: .1}", "levels are"),
        ("version: 1\ncut: !!python/object/apply:os.getcwd []", "it is no YAML"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(OptionError, match=message):
        parse_policy(text, name="p.yaml")


def test_broken_rules_come_with_value_and_bound():
    broken = FULL.broken_by({"prevalence": 0.06, "level": "elevated"})
    assert [rule.to_dict() for rule in broken] == [
        {"rule": "max_prevalence", "value": 0.06, "allowed": 0.05},
        {"rule": "max_level", "value": "elevated", "allowed": "low"},
    ]
    assert FULL.broken_by({"prevalence": 0.05, "level": "none"}) == ()


def test_what_is_not_known_fulfils_no_rule():
    assert [rule.rule for rule in FULL.broken_by({})] == ["max_prevalence", "max_level"]


def test_lower_bounds_are_bounds_from_below():
    policy = Policy(rules={"min_effective_real": 0.9})
    assert policy.broken_by({"effective_real": 0.89})
    assert not policy.broken_by({"effective_real": 0.9})


def test_the_schema_knows_every_rule():
    assert set(SCHEMA["properties"]["rules"]["properties"]) == {*BOUNDS, "max_level"}
    json.dumps(SCHEMA)
