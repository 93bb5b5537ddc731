"""Manners of the command line: suggestions, completion, colours, and a page that says it all."""

from __future__ import annotations

import os
import pty
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import madaudit
from madaudit.cli import main
from madaudit.errors import OptionError
from tests.commands.invoking import invoke
from tests.commands.store_building import make_store, photo

_REPOSITORY = Path(__file__).parents[2]
_VERBS = main.list_commands(None)


@pytest.mark.parametrize(
    ("word", "meant"), [("scna", "scan"), ("estimte", "estimate"), ("reprot", "report")]
)
def test_a_misspelt_command_is_refused_with_the_nearest(word, meant):
    run = invoke(word)
    assert (run.code, run.out) == (2, "")
    assert f"no command '{word}'" in run.err
    assert f"did you mean '{meant}'?" in run.err


def test_a_word_like_no_command_lists_them_all():
    err = invoke("zzzz").err
    assert all(verb in " ".join(err.split()) for verb in _VERBS)
    assert "did you mean" not in err


def test_a_misspelt_flag_is_refused_with_the_nearest():
    assert "--policy" in invoke("check", "store", "--polcy", "x").err
    assert "--detectors" in invoke("scan", "x", "--detektors", "x").err


def test_a_misspelt_name_in_a_config_is_refused_with_the_nearest(tmp_path):
    (tmp_path / "c.toml").write_text("tolerence = 0.1\n")
    err = invoke("report", tmp_path, "--config", tmp_path / "c.toml").err
    assert "did you mean 'tolerance'?" in " ".join(err.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(shell):
    run = invoke("completion", shell, "--json")
    assert run.json == madaudit.completion(shell).to_dict()
    assert "_MADAUDIT_COMPLETE" in run.json["script"]
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=run.json["script"], text=True, check=False)
        assert done.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "expected"), [("madaudit est", "estimate"), ("madaudit report --tol", "--tolerance")]
)
def test_completion_knows_verbs_and_flags(words, expected):
    code = "from madaudit.cli import main; main(prog_name='madaudit')"
    count = len(words.split()) - 1
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "_MADAUDIT_COMPLETE": "bash_complete", "COMP_WORDS": words,
             "COMP_CWORD": str(count), "PYTHONPATH": str(_REPOSITORY)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"plain,{expected}" in done.stdout.split()


def test_another_shell_is_refused():
    with pytest.raises(OptionError, match="allowed: bash, zsh, fish"):
        madaudit.completion("tcsh")


@pytest.mark.slow
@pytest.mark.parametrize(("no_color", "is_coloured"), [("", True), ("1", False)])
def test_colours_are_for_terminals_that_want_them(tmp_path, no_color, is_coloured):
    store = make_store(tmp_path, a=[photo()])
    words = [sys.executable, "-m", "madaudit", "explain", store, "--key", "000000000"]
    env = {**os.environ, "NO_COLOR": no_color, "PYTHONPATH": str(_REPOSITORY)}
    ours, theirs = pty.openpty()
    subprocess.run(words, env=env, stdout=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 10_000)
    os.close(ours)
    assert (b"\x1b[" in shown) == is_coloured
    piped = subprocess.run(words, env=env, capture_output=True, check=True)
    assert b"\x1b[" not in piped.stdout


def test_the_page_of_commands_is_up_to_date():
    page = runpy.run_path(str(_REPOSITORY / "scripts" / "commands_page"))["page"]
    known = (_REPOSITORY / "docs" / "commands.md").read_text(encoding="utf-8")
    assert page() == known, "run scripts/commands_page --write"


@pytest.mark.parametrize("verb", _VERBS)
def test_every_verb_takes_its_section_of_a_shared_config(verb, tmp_path):
    sections = "\n".join(f"[{name}]\njson = true" for name in _VERBS)
    (tmp_path / "c.toml").write_text(f"quiet = false\n{sections}\n")
    run = invoke(verb, "--config", tmp_path / "c.toml", "--no-such-flag")
    assert "No such option" in run.err
    assert "is no flag" not in run.err
