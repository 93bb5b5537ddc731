"""--json: exactly one value on stdout, whatever the verb; the rest goes to stderr."""

from __future__ import annotations

import click
import pytest

from madaudit.cli import main
from tests.commands.invoking import invoke
from tests.commands.store_building import generated, make_store, photo

# Words of a quick run by verb; STORE, OUT and POLICY stand for paths.
_RUNS = {
    "check": "STORE --policy POLICY",
    "check-plugin": "a1111",
    "completion": "bash",
    "detectors": "",
    "diff": "STORE STORE",
    "doctor": "",
    "estimate": "STORE",
    "explain": "STORE --key 000000000",
    "filter": "STORE -o OUT/kept.txt",
    "merge": "one=STORE two=STORE -o OUT/both",
    "report": "STORE",
    "risk": "STORE",
    "scan": "OUT/shards -o OUT/store --engine serial",
    "simulate": "gaussian --n-fresh 10 --n-synthetic 10 --generations 2",
    "verify": "STORE",
    "weights": "list",
}
# These need known samples, pixels, an encoder or an extra; tests of their own hold them to it.
_ELSEWHERE = {"bank", "calibrate", "demo", "detectability", "duplicates", "index", "label"}
# One array: what they print has no more to say than its entries.
_LISTS = {"detectors", "weights"}


def test_every_verb_is_held_to_it_here_or_by_its_own_tests():
    assert set(_RUNS) | _ELSEWHERE == set(main.list_commands(click.Context(main)))


@pytest.mark.parametrize("verb", _RUNS)
def test_json_is_one_value_on_stdout(verb, tmp_path):
    store = make_store(tmp_path, a=[photo(), generated()])
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nrules: {max_floor: 1.0}\n")
    places = {"STORE": store, "OUT": tmp_path, "POLICY": policy}
    words = _RUNS[verb]
    for name, place in places.items():
        words = words.replace(name, str(place))
    run = invoke(verb, *words.split(), "--json")
    assert run.code == 0, run.err
    assert isinstance(run.json, list if verb in _LISTS else dict)
