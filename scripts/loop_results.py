"""What `scripts/loop_experiments` and `scripts/loop_interventions` keep: finished seeds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

_DIGITS = 5


def kept(file: Path, experiment: dict[str, Any]) -> dict[str, Any]:
    """What a cell's file holds so far.

    Raises:
        SystemExit: it holds another experiment.
    """
    # As JSON gives it back, in which a tuple is a list.
    experiment = json.loads(json.dumps(experiment))
    if not file.exists():
        return {"experiment": experiment, "metric_names": {}, "seeds": {}}
    content: dict[str, Any] = json.loads(file.read_text("utf-8"))
    if content["experiment"] != experiment:
        raise SystemExit(f"{file} holds another experiment; delete it to run this one")
    return content


def keep(file: Path, content: dict[str, Any]) -> None:
    """Replace a cell's file in one step."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(content, separators=(",", ":"), ensure_ascii=False) + "\n", "utf-8")
    os.replace(part, file)


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a trace with the digits that matter, what is null left out."""
    return {
        name: float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
        for name, value in row.items()
        if name != "seed" and value is not None
    }
