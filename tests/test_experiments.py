"""The tables of docs/experiments.md, and how their verdicts are read."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

_ROOT = Path(__file__).parents[1]


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(str(_ROOT / "scripts"))
    import loop_tables

    yield loop_tables
    for name in ("loop_tables", "page_sections"):
        sys.modules.pop(name, None)


def test_the_page_shows_what_the_committed_results_say(tables):
    results = tables.Results(_ROOT / "docs" / "experiments")
    page = (_ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")

    for name, text in tables.sections(results).items():
        shown = page.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0]
        assert shown.strip() == text.strip(), (
            f"run: scripts/loop_experiments table --write ({name})"
        )


def test_an_interval_is_students_over_seeds(tables):
    mean, low, high = tables.interval([1.0, 2.0, 3.0])

    assert mean == 2.0
    # 4.303 is the t quantile of two degrees of freedom.
    assert (high - low) / 2 == pytest.approx(4.303 / np.sqrt(3), rel=1e-3)


@pytest.mark.parametrize(
    ("sign", "values", "verdict"),
    [
        (1, [1.0, 1.1, 0.9], "as in the paper"),
        (-1, [1.0, 1.1, 0.9], "**the reverse**"),
        (1, [1.0, -1.0, 0.2], "not resolved"),
        (0, [1.0, -1.0, 0.2], "no difference seen"),
        (0, [1.0, 1.1, 0.9], "it rises"),
        (0, [-1.0, -1.1, -0.9], "it falls"),
        (1, [1.0], "too few seeds"),
    ],
)
def test_a_verdict_is_read_off_the_interval_alone(tables, sign, values, verdict):
    claim = tables.Claim("says", "number", tables.at("fid", 0), "cell", None, sign)

    assert claim.verdict(values) == verdict


def test_differences_are_taken_seed_by_seed(tables, tmp_path):
    for name, first in (("a", 5.0), ("b", 1.0)):
        seeds = {str(s): [{"generation": 0, "fid": first + s * 100}] for s in (0, 1, 2)}
        if name == "b":
            del seeds["1"]
        (tmp_path / f"{name}.json").write_text(json.dumps({"seeds": seeds}))
    claim = tables.Claim("says", "number", tables.at("fid", 0), "a", "b", 1)

    assert claim.values(tables.Results(tmp_path)) == [4.0, 4.0]
