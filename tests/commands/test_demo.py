"""The demonstration: everything a curator meets, on shards it makes itself."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import madaudit
from madaudit.errors import MissingExtraError
from tests.commands.invoking import invoke

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("skimage", "c2pa", "cryptography")),
    reason="the extra 'demo' is not installed",
)


def test_the_demonstration_runs_everything_and_says_so_in_json(tmp_path):
    run = invoke("demo", "-o", tmp_path / "demo", "--json")
    assert run.code == 0
    steps = {"scan", "duplicates", "estimate", "risk", "filter", "report"}
    assert set(run.json) == {"inputs", "store", *steps}
    assert run.json["scan"]["rows"] == run.json["scan"]["samples"] == 52
    assert run.json["scan"]["shards"]["quarantined"] == 1
    found = run.json["scan"]["detectors"].items()
    made_here = {"a1111", "c2pa", "comfyui", "dwt_dct", "exif_software", "iptc"}
    assert {name for name, states in found if states["present"]} == made_here
    assert run.json["estimate"]["tiers"]["floor"]["point"] == 8 / 52
    assert run.json["duplicates"]["n"] == 52
    assert run.json["risk"]["tier"] == "floor"
    assert (run.json["filter"]["kept"], run.json["filter"]["dropped"]) == (44, 8)
    assert Path(run.json["report"]["paths"]["html"]).exists()


@pytest.mark.slow
def test_its_summary_ends_with_commands_that_work(tmp_path):
    out = invoke("demo", "-o", tmp_path / "demo").out
    (line,) = [line for line in out.splitlines() if "madaudit explain" in line]
    words = line.partition("madaudit ")[2].split()
    assert "none is lost" in out
    assert invoke(*words).code == 0


@pytest.mark.slow
def test_its_store_is_consistent_and_a_second_run_changes_no_number(tmp_path):
    first = madaudit.demo(str(tmp_path / "demo"))
    second = madaudit.demo(str(tmp_path / "demo"))
    assert madaudit.verify(first.store).consistent
    assert second.estimate == first.estimate


def test_without_its_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'madaudit\[demo\]'"):
        madaudit.demo(str(tmp_path / "demo"))
