"""Inputs on which a parser once failed, and the fuzzer's seeds, through the fuzzer's targets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fuzz_targets import REGRESSIONS, TARGETS

_KEPT = sorted(path for path in REGRESSIONS.glob("*-*"))


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_read(name):
    for seed in TARGETS[name].seeds():
        TARGETS[name].run(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_cut_and_changed_seeds_are_read_or_malformed(name):
    for seed in TARGETS[name].seeds():
        for at in range(0, len(seed), max(1, len(seed) // 40)):
            TARGETS[name].run(seed[:at])
            TARGETS[name].run(seed[:at] + b"\xff" + seed[at + 1 :])


@pytest.mark.parametrize("path", _KEPT, ids=lambda path: path.name)
def test_a_finding_stays_mended(path: Path):
    TARGETS[path.name.partition("-")[0]].run(path.read_bytes())


def test_the_fuzzer_says_how_to_install_atheris_as_it_is_pinned():
    root = Path(__file__).parents[3]
    script = (root / "scripts" / "fuzz").read_text(encoding="utf-8")
    pinned = (root / "scripts" / "constraints.txt").read_text(encoding="utf-8")
    assert "pip install -c scripts/constraints.txt atheris" in script
    assert re.search(r"^atheris==", pinned, re.MULTILINE)
