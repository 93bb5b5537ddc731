"""The tutorial runs as it is printed: every command, its exit code, and the output it promises."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

_REPOSITORY = Path(__file__).parents[1]
_EXIT = re.compile(r"\s+# exit (\d|any)$")


class Step(NamedTuple):
    """A command of the tutorial, its exit code (None for any), and parts of its output."""

    command: str
    code: int | None
    promised: list[str]


def steps_of(text: str) -> list[Step]:
    """All commands of a document, in order."""
    steps: list[Step] = []
    for block in re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found = _EXIT.search(line)
                code = 0 if found is None else None if found[1] == "any" else int(found[1])
                steps.append(Step(_EXIT.sub("", line[2:]), code, []))
            elif line.strip():
                steps[-1].promised.append(line.strip())
    return steps


def files_of(text: str) -> dict[str, str]:
    """Programs that a document tells its reader to save, by name."""
    return dict(re.findall(r"```python file=(\S+)\n(.*?)```", text, flags=re.DOTALL))


def run(command: str, folder: Path, programs: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "COLUMNS": "200"}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


@pytest.fixture
def programs(tmp_path):
    """A folder with the program `madaudit` of this checkout."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "madaudit"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={_REPOSITORY} exec {sys.executable} -m madaudit "$@"\n'
    )
    program.chmod(0o755)
    # No link: an interpreter finds its packages by its own path.
    python = folder / "python3"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return folder


@pytest.mark.slow
def test_every_command_of_the_tutorial_does_what_it_says(tmp_path, programs):
    for package in ("c2pa", "cryptography", "skimage"):
        pytest.importorskip(package, reason="the extra demo is not installed")
    folder = tmp_path / "empty"
    folder.mkdir()
    text = (_REPOSITORY / "docs/tutorial.md").read_text(encoding="utf-8")
    for name, content in files_of(text).items():
        (folder / name).write_text(content, encoding="utf-8")
    for step in steps_of(text):
        done = run(step.command, folder, programs)
        # Numbers keep their units by a narrow space that cannot break; a reader sees a space.
        said = re.sub(r"[\u00a0\u202f]", " ", done.stdout + done.stderr)
        if step.code is not None:
            assert done.returncode == step.code, f"{step.command}\n{said}"
        assert "Traceback" not in said
        for line in step.promised:
            assert line in said, f"{step.command}: {line!r} is not in\n{said}"


def test_a_step_that_does_not_keep_its_promise_would_be_noticed():
    text = "```console\n$ echo one   # exit 3\none\ntwo\n$ true\n```"
    assert steps_of(text) == [Step("echo one", 3, ["one", "two"]), Step("true", 0, [])]


def test_the_tutorial_names_every_step_of_an_audit():
    steps = steps_of((_REPOSITORY / "docs/tutorial.md").read_text(encoding="utf-8"))
    verbs = {step.command.split()[1] for step in steps if step.command.startswith("madaudit")}
    assert verbs >= {
        "scan", "estimate", "explain", "risk", "report", "check", "diff", "merge", "calibrate",
        "label", "filter",
    }  # fmt: skip
