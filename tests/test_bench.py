"""`scripts/bench all` runs every verb, goes on where it was ended, and tells what it lacks."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

_REPOSITORY = Path(__file__).parents[1]
_SCRIPTS = _REPOSITORY / "scripts"

# Verbs that cost nothing: one measures, one lacks a package, one has a fault, one says little.
_MODULE = """
from bench_rounds import figure

def good(n):
    print("noise")
    figure(f"speed: {n} | twice the peer's")

def lacking(n):
    import no_such_package

def faulty(n):
    raise ZeroDivisionError("a fault")

def terse(n):
    print("took 3 s")
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(_SCRIPTS))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "bench_made_up.py").write_text(_MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    module = __import__("bench_all")
    # The script with other verbs in it, which is what a new verb is.
    names = {"good": 7, "lacking": 1, "faulty": 1, "terse": 1}
    verbs = {n: (n, [(f"bench_made_up:{n}", {"n": default})]) for n, default in names.items()}
    source = (_SCRIPTS / "bench").read_text(encoding="utf-8")
    start, end = source.index("VERBS = {"), source.index("\n}\n") + 3
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for name in ("bench_all.py", "bench_rounds.py", "page_sections.py"):
        (scripts / name).write_text((_SCRIPTS / name).read_text(encoding="utf-8"))
    script = source[:start] + f"VERBS = {verbs!r}\n" + source[end:]
    (scripts / "bench").write_text(
        script.replace("parents[1]", f"parents[1] / {str(_REPOSITORY)!r}")
    )
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return Namespace(all=module.bench_all, verbs=verbs, results=tmp_path / "results")


def _options(bench: Any, **changes: Any) -> Namespace:
    defaults = {"photos": [], "only": [], "again": [], "write": False}
    return Namespace(results=bench.results, **{**defaults, **changes})


@pytest.mark.slow
def test_every_verb_is_one_row_whatever_became_of_it(bench: Any, capsys: Any) -> None:
    assert bench.all(bench.verbs, _options(bench)) == 1
    out = capsys.readouterr()
    rows = {row.split(" | ")[0].strip("| `"): row for row in out.out.splitlines() if "`" in row}
    assert list(rows) == list(bench.verbs)
    assert r"| speed: 7 \| twice the peer's |" in rows["good"]
    assert "not measured: left out: No module named 'no_such_package'" in rows["lacking"]
    assert "not measured: ZeroDivisionError: a fault" in rows["faulty"]
    assert "| took 3 s |" in rows["terse"]
    assert "not measured: faulty" in out.err
    assert f"Python {sys.version.split()[0]}" in out.out


@pytest.mark.slow
def test_what_was_measured_is_kept_and_what_was_not_is_tried_again(bench: Any) -> None:
    bench.all(bench.verbs, _options(bench))
    told = bench.results / "good.json"
    kept = json.loads(told.read_text())
    told.write_text(json.dumps({**kept, "figures": ["kept"]}))
    (bench.results / "lacking.json").unlink()
    bench.all(bench.verbs, _options(bench))
    assert json.loads(told.read_text())["figures"] == ["kept"]
    assert (bench.results / "lacking.json").exists()
    bench.all(bench.verbs, _options(bench, only=["good"], again=["good"]))
    assert json.loads(told.read_text())["figures"] == kept["figures"]


@pytest.mark.slow
def test_a_fault_keeps_the_documents_as_they_are(bench: Any, tmp_path: Path) -> None:
    bench.all(bench.verbs, _options(bench, write=True))
    assert not (tmp_path / "docs").exists()


@pytest.mark.slow
def test_the_table_and_readmes_figures_are_written(bench: Any, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "performance.md").write_text("a\n<!-- all -->\nold\n<!-- /all -->\nb\n")
    (tmp_path / "README.md").write_text("a\n<!-- figures -->\n<!-- /figures -->\n")
    verbs = {name: bench.verbs[name] for name in ("good", "lacking")}
    assert bench.all(verbs, _options(bench, write=True)) == 0
    page = (tmp_path / "docs" / "performance.md").read_text()
    assert "old" not in page
    assert "no_such_package" in page
    readme = (tmp_path / "README.md").read_text()
    assert r"| `good` | speed: 7 \| twice the peer's |" in readme
    assert "lacking" not in readme


def test_every_verb_of_the_script_names_functions_that_exist(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(_SCRIPTS))
    verbs = runpy.run_path(str(_SCRIPTS / "bench"), run_name="bench")["VERBS"]
    for _, calls in verbs.values():
        for target, _ in calls:
            module, _, function = target.partition(":")
            text = (_SCRIPTS / f"{module}.py").read_text(encoding="utf-8")
            assert re.search(rf"^def {function}\(", text, re.MULTILINE), target


def test_readmes_figures_are_those_of_the_table() -> None:
    """Both are written at once, so neither can be changed alone."""
    readme = (_REPOSITORY / "README.md").read_text(encoding="utf-8")
    page = (_REPOSITORY / "docs" / "performance.md").read_text(encoding="utf-8")
    section = readme.partition("<!-- figures -->")[2].partition("<!-- /figures -->")[0]
    rows = [row.strip("| ").split(" | ") for row in section.splitlines() if row.startswith("| `")]
    assert len(rows) > 1
    for verb, figure in rows[1:]:
        assert f"| {verb} | {figure}" in page


def test_bench_all_is_told_of_by_the_command() -> None:
    done = subprocess.run(
        [sys.executable, str(_SCRIPTS / "bench"), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"^\s+all\s+every verb in turn", done.stdout, re.MULTILINE)
