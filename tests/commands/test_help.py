"""Help: fast, complete and with an example; and the program as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

import madaudit
from madaudit.cli import main
from tests.commands.invoking import invoke
from tests.commands.store_building import generated, photo, write_shards

_VERBS = main.list_commands(click.Context(main))
_HEAVY = ("torch", "ray", "pyarrow", "scipy", "jinja2", "PIL.Image", "open_clip", "onnxruntime")
_PROBE = """
import sys
from madaudit.cli import main
try:
    main({words!r}, "madaudit")
except SystemExit as end:
    assert end.code == 0
print("LOADED", [name for name in {heavy!r} if name in sys.modules])
"""


def run(*words):
    """Python in a process of its own."""
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("words", [["--help"], ["scan", "--help"], ["--version"]], ids=" ".join)
def test_help_loads_no_heavy_package(words):
    done = run("-c", _PROBE.format(words=words, heavy=_HEAVY))
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_importing_the_package_loads_nothing_but_itself():
    done = run("-c", "import sys, madaudit; print([m for m in sys.modules if 'madaudit.' in m])")
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("verb", _VERBS)
def test_every_verb_has_help_with_an_example(verb):
    shown = invoke(verb, "--help")
    assert shown.code == 0
    assert f"\n    madaudit {verb}" in shown.out


@pytest.mark.parametrize("verb", _VERBS)
def test_the_list_of_verbs_begins_as_the_verbs_own_help(verb):
    (line,) = [line for line in invoke("--help").out.splitlines() if line.startswith(f"  {verb} ")]
    first, *_ = main.get_command(click.Context(main), verb).help.splitlines()
    assert first.startswith(line.partition(verb)[2].strip().rstrip("."))


@pytest.mark.parametrize("verb", ["scan", "estimate", "report", "explain", "verify"])
def test_a_verb_without_arguments_shows_its_help(verb):
    shown = invoke(verb)
    assert shown.code == 2
    assert "Usage: madaudit" in shown.out + shown.err


def test_the_exit_codes_are_in_the_help():
    shown = " ".join(invoke("--help").out.split())
    assert "0 done; 1 a bug; 2 a wrong request; 3 a policy broken; 4 incomplete" in shown


def test_the_version_is_the_packages():
    assert invoke("--version").out == f"madaudit, version {madaudit.__version__}\n"


def test_a_process_prints_one_json_object_on_stdout(tmp_path):
    inputs = write_shards(tmp_path, a=[photo(), generated()])
    store = tmp_path / "store"
    done = run("-m", "madaudit", "scan", inputs, "-o", store, "--engine", "serial", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["rows"] == 2


def test_a_process_ends_with_one_line_for_a_wrong_request(tmp_path):
    done = run("-m", "madaudit", "scan", tmp_path / "nowhere", "-o", tmp_path / "store")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: no file or folder matches")
    assert done.stderr.count("\n") == 1


def test_the_program_that_pip_installs_is_the_same():
    program = Path(sys.executable).with_name("madaudit")
    if not program.exists():
        pytest.skip("madaudit is not installed beside this Python")
    done = subprocess.run([str(program), "--version"], check=True, capture_output=True, text=True)
    assert done.stdout == f"madaudit, version {madaudit.__version__}\n"
