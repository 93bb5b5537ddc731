"""`madaudit check-plugin`: ours pass, a stranger's is found, and each broken promise is told."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import madaudit
from madaudit.contracts import FAMILIES
from madaudit.contracts.detectors import CHECKS, check_detector
from madaudit.detectors import build_detector, known_detectors
from madaudit.detectors.base import Detector
from madaudit.errors import OptionError, RequestError
from madaudit.types import ABSENT, MISSING, Detail, Evidence
from tests.commands.invoking import invoke
from tests.scanning.data_building import samples, write_tar

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "madaudit-example"


@pytest.mark.parametrize(
    "name", ["a1111", "c2pa", "constant", "iptc", "stealth", "optout_training"]
)
def test_our_own_detectors_keep_the_contract(name):
    result = madaudit.check_plugin(name)
    assert [check for check in result.checks if check.problem] == []
    assert len(result.checks) == len(CHECKS)


class _Base(Detector):
    """A detector that breaks one promise, by subclass."""

    name: ClassVar[str] = "odd"
    version: ClassVar[int] = 1
    kind: ClassVar[str] = "one-sided"
    tier: ClassVar[str] = "headers"
    verified: ClassVar[str] = "a fake for tests"

    def detect(self, batch):
        return [MISSING if look.container is None else self.said(look) for look in batch.looks]

    def said(self, look):
        return ABSENT


@dataclass(frozen=True)
class _Sound(_Base):
    pass


@dataclass(frozen=True)
class _Forgets(_Base):
    def detect(self, batch):
        return super().detect(batch)[1:]


@dataclass(frozen=True)
class _Counts(_Base):
    def detect(self, batch):
        return [
            item._replace(score=float(len(batch.looks))) if item.state != "missing" else item
            for item in super().detect(batch)
        ]


@dataclass(frozen=True)
class _Accuses(_Base):
    def said(self, look):
        return Evidence("present", detail=Detail("it is", label="synthetic"))


@dataclass(frozen=True)
class _Clears(_Base):
    def detect(self, batch):
        return [ABSENT for _ in batch.looks]


@dataclass(frozen=True)
class _Whispers(_Base):
    def said(self, look):
        return Evidence("present", detail=Detail("x\x1b[31m"))


@dataclass
class _Melts(_Base):
    pass


@dataclass(frozen=True)
class _Falls(_Base):
    def said(self, look):
        raise ZeroDivisionError("by nothing")


def broken(detector):
    return {c.promise: c.problem for c in check_detector("odd", detector) if c.problem}


def test_a_sound_one_passes():
    assert broken(_Sound()) == {}


@pytest.mark.parametrize(
    ("detector", "promise", "says"),
    [
        (_Forgets(), "it says one thing of each sample", "answers to"),
        (_Counts(), "the size of the batch does not matter", "alone and in a batch"),
        (_Accuses(), "a detector has no hit on a plain image", "3 hits"),
        (_Clears(), "what is no image is missing", "absent"),
        (_Whispers(), "what is present says why in words", "x1b"),
        (_Melts(), "it is a frozen dataclass", "frozen=True"),
        (_Falls(), "it says the same twice", "ZeroDivisionError: by nothing"),
    ],
)
def test_a_broken_promise_is_told_with_what_was_seen(detector, promise, says):
    assert says in broken(detector)[promise]


def _install_example(folder):
    """The example's package and its entry points, as pip would leave them."""
    info = folder / "madaudit_example-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: madaudit-example\nVersion: 0.1.0\n"
    )
    (info / "entry_points.txt").write_text(
        "[madaudit.detectors]\nexample_gen = madaudit_example:ExampleGen\n"
    )
    return os.pathsep.join([str(ROOT), str(folder), str(EXAMPLE / "src")])


@pytest.mark.slow
def test_the_example_package_is_found_and_keeps_the_contract(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "madaudit", "check-plugin", "example_gen", "--json"],
        env={**os.environ, "PYTHONPATH": _install_example(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["passed"]


def test_the_example_is_the_one_that_the_docs_explain():
    page = (ROOT / "docs" / "extending.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0]
    assert (EXAMPLE / "src" / "madaudit_example" / "__init__.py").read_text() == code


def test_a_reader_is_checked_on_a_shard_of_its_format(tmp_path):
    shard = write_tar(tmp_path / "a.tar", samples(20))
    run = invoke("check-plugin", "tar", "--family", "readers", "--input", shard, "--json")
    assert run.code == 0
    assert run.json["passed"]
    assert len(run.json["checks"]) == 9


def test_a_shard_of_another_format_breaks_the_promises(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"no archive")
    run = invoke("check-plugin", "tar", "--family", "readers", "--input", tmp_path / "a.tar")
    assert run.code == 3
    assert "✗ ordinals begin at zero without gaps" in run.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["a1112"], "did you mean 'a1111'"),
        (["tar", "--family", "readers"], "--input FILE"),
        (["tar", "--family", "readers", "--input", "nowhere.tar"], "does not exist"),
        (["constant", "--option", "scor=1"], "'score'"),
    ],
)
def test_a_wrong_request_is_one_line(words, says):
    run = invoke("check-plugin", *words)
    assert run.code == 2
    assert says in run.err


@pytest.mark.parametrize(("family", "name"), [("renderers", "json"), ("engines", "serial")])
def test_a_plugin_of_another_family_is_checked_by_that_contract(family, name):
    result = madaudit.check_plugin(name, family=family)
    assert [check for check in result.checks if check.problem] == []
    assert len(result.checks) == len(importlib.import_module(FAMILIES[family]).CHECKS)


def test_an_encoder_is_checked_with_its_weights():
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra onnx)")
    weights = ROOT / "tests" / "encoders" / "tower.onnx"
    words = ("clip-onnx", "--family", "encoders", "--option", f"weights={weights}")
    run = invoke("check-plugin", *words)
    assert run.code == 0
    assert "encoder clip-onnx keeps its promises" in run.out


@pytest.mark.torch
def test_a_generator_is_checked_on_samples_that_it_takes():
    pytest.importorskip("torch", reason="needs torch: pip install 'madaudit[loops]'")
    small = {"epochs": 2, "batch": 64, "hidden": 8}
    assert madaudit.check_plugin("flow", family="generators", option=small).passed
    assert madaudit.check_plugin("normal", family="generators").passed


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["json", "--family", "renderers", "--input", "x"], "--input goes with"),
        (["json", "--family", "renderers", "--option", "a=1"], "--option goes with"),
        (["clip-onx", "--family", "encoders"], "did you mean 'clip-onnx'"),
        (["jason", "--family", "renderers"], "did you mean 'json'"),
        (["cereal", "--family", "engines"], "did you mean 'serial'"),
        (["norml", "--family", "generators"], "did you mean 'normal'"),
    ],
)
def test_a_wrong_request_to_another_family_is_one_line(words, says):
    run = invoke("check-plugin", *words)
    assert run.code == 2
    assert says in run.err


def test_an_unknown_family_is_refused():
    with pytest.raises(OptionError, match="allowed: detectors, encoders"):
        madaudit.check_plugin("x", family="verbs")


def test_a_detector_that_cannot_run_here_is_refused_with_why():
    cannot = next(
        (n for n in known_detectors() if build_detector(n).why_unavailable() is not None), None
    )
    if cannot is None:
        pytest.skip("every detector can run here")
    with pytest.raises(RequestError, match="cannot run here"):
        madaudit.check_plugin(cannot)


def test_the_families_of_the_command_are_those_with_a_contract():
    from madaudit.commands.check_plugin import _CHECKED

    assert _CHECKED.keys() == FAMILIES.keys()
    for module in FAMILIES.values():
        assert importlib.import_module(module).CHECKS


def test_every_family_that_a_stranger_can_join_has_a_contract():
    code = "\n".join(path.read_text() for path in (ROOT / "madaudit").rglob("__init__.py"))
    joined = set(re.findall(r'registry\.build\("(\w+)"', code))
    assert joined == FAMILIES.keys()
