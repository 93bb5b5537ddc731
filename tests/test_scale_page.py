"""The plan in docs/scale.md is what scripts/scale computes from the rates that stand above it."""

from __future__ import annotations

import re
import runpy
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

_REPOSITORY = Path(__file__).parents[1]
_PAGE = (_REPOSITORY / "docs" / "scale.md").read_text(encoding="utf-8")
_OPTIONS = {
    "machines": 16, "processors": 8, "gigabits": 10.0, "price": 0.05, "request_price": 0.0004,
}  # fmt: skip


def _section(name: str) -> str:
    return _PAGE.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0].strip()


def _rates() -> dict[str, float]:
    rows = re.findall(r"^\| ([^|]+) \| ([\d,]+) \|$", _section("rates"), re.MULTILINE)
    return {name: float(rate.replace(",", "")) for name, rate in rows}


@pytest.fixture(scope="module")
def scale() -> dict[str, Any]:
    return runpy.run_path(str(_REPOSITORY / "scripts" / "scale"), run_name="scale")


def test_the_plan_follows_from_the_rates_of_the_page(scale: dict[str, Any]) -> None:
    found = scale["plan"](_rates(), Namespace(**_OPTIONS)).strip()
    words, numbers = (re.compile(r"[\d.,]+").sub, re.compile(r"\d[\d.,]*").findall)
    assert words("#", found) == words("#", _section("plan"))
    # The page's rates are rounded.
    for ours, theirs in zip(numbers(found), numbers(_section("plan")), strict=True):
        told = [float(number.replace(",", "").rstrip(".")) for number in (ours, theirs)]
        assert told[0] == pytest.approx(told[1], rel=1e-3, abs=0.05)


def _rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in row.strip("|").split("|")]
            for row in text.splitlines() if row.startswith("| ")][2:]  # fmt: skip


def test_hours_and_cost_are_the_slower_of_processors_and_network(scale: dict[str, Any]) -> None:
    """Checked by hand for 1,000 samples a second: 5e9 samples are 1,389 processor hours."""
    rates = {"headers, local": 1000.0, "pixels, local, no watermark checks": 1000.0}
    options = Namespace(**{**_OPTIONS, "machines": 1, "processors": 1, "gigabits": 8.0})
    rows = _rows(scale["plan"](rates, options))
    row = next(row for row in rows if row[:2] == ["5e9 samples", "headers"])
    assert row[2] == "205 TB"
    assert row[4:7] == ["1,389", "1,388.9", "processors"]
    # 1,388.9 h at 0.05, and 29.5 million requests at 0.0004 a thousand.
    assert float(row[7]) == pytest.approx(1388.9 * 0.05 + 29.5e3 * 0.0004, abs=1)
    narrow = Namespace(**{**vars(options), "gigabits": 0.08})
    slow = next(r for r in _rows(scale["plan"](rates, narrow)) if r[:2] == row[:2])
    # 205.1 TB at 10 MB/s.
    assert slow[5:7] == [f"{240e12 / 5.85 * 5 / 10e6 / 3600:,.1f}", "network"]
