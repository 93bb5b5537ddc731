"""The list of detectors: what runs here, and why not."""

from __future__ import annotations

import pytest

import madaudit
from madaudit.detectors import DETECTORS
from madaudit.errors import MissingExtraError
from tests.commands.invoking import invoke

_FIELDS = {"name", "kind", "version", "available", "why", "verified", "weights"}


def test_every_detector_is_listed_with_the_fields_of_the_interface():
    content = invoke("detectors", "--json").json
    assert {item["name"] for item in content} >= set(DETECTORS)
    assert all(set(item) >= _FIELDS for item in content)


def test_json_is_what_the_python_twin_returns():
    assert invoke("detectors", "--json").json == madaudit.list_detectors().to_dict()


def test_a_detector_says_what_it_was_verified_on():
    out = invoke("detectors").out
    assert "✓ a1111" in out
    assert "one-sided, needs headers; verified on" in out


def test_a_detector_that_cannot_run_still_says_what_it_was_verified_on():
    (line,) = [line for line in invoke("detectors").out.splitlines() if " trustmark " in line]
    assert line.startswith("✗")
    assert "unverified: adobe/trustmark" in line
    assert "it needs weights, and none are downloaded" in line


def test_a_detector_without_its_package_is_listed_with_what_to_install(monkeypatch):
    def build(name):
        raise MissingExtraError(f"run {name}", package="torch", extra="clip")

    monkeypatch.setattr("madaudit.commands.detectors.build_detector", build)
    content = invoke("detectors", "--json").json
    assert all(set(item) >= _FIELDS for item in content)
    assert not any(item["available"] for item in content)
    assert "pip install 'madaudit[clip]'" in invoke("detectors").out


@pytest.mark.parametrize("word", ["-q", "-v"])
def test_common_flags_are_taken(word):
    assert invoke("detectors", word).code == 0


def test_a_plug_in_that_cannot_be_loaded_is_listed_with_the_reason(monkeypatch):
    monkeypatch.setitem(DETECTORS, "broken", "no.such.module:Nothing")
    by_name = {item["name"]: item for item in madaudit.list_detectors().detectors}
    assert by_name["broken"]["available"] is False
    assert "ModuleNotFoundError" in by_name["broken"]["why"]
    assert by_name["a1111"]["available"] is True
