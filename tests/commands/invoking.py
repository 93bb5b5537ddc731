"""Running the command line inside the test's process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner

from madaudit.cli import main


class Run(NamedTuple):
    """What a command left behind: exit code and both streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on stdout; anything beside it is an error."""
        return json.loads(self.out)


def invoke(*words: str | Path) -> Run:
    result = CliRunner().invoke(main, [str(word) for word in words], prog_name="madaudit")
    return Run(result.exit_code, result.stdout, result.stderr)


def scan_serially(*words: str | Path) -> Run:
    """`madaudit scan` without the price of starting processes."""
    return invoke("scan", *words, "--engine", "serial")
