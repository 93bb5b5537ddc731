"""The doctor: what is installed, and what is not possible without the rest."""

from __future__ import annotations

import platform

import madaudit
from tests.commands.invoking import invoke


def test_json_names_this_machine_and_its_packages():
    content = invoke("doctor", "--json").json
    assert content["python"] == platform.python_version()
    assert content["processors"] >= 1
    assert content["packages"]["madaudit"] == madaudit.__version__
    assert content["packages"]["pyarrow"]


def test_json_is_what_the_python_twin_returns():
    assert invoke("doctor", "--json").json == madaudit.doctor().to_dict()


def test_a_missing_package_comes_with_what_to_install(monkeypatch):
    monkeypatch.setattr("madaudit.commands.doctor._version", lambda package: None)
    out = invoke("doctor").out
    assert "– pyarrow not installed" in out
    assert "pip install 'madaudit[c2pa]'" in out
