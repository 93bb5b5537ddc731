"""scripts/soak sees growth that is there, and none that is not."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

_SCRIPT = Path(__file__).parents[1] / "scripts" / "soak"


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader("soak", str(_SCRIPT))
    spec = importlib.util.spec_from_loader("soak", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _gauge(soak: ModuleType, rss_kb: list[int], *, fds: int = 0, children: int = 0) -> object:
    gauge = soak.Gauge()
    n = len(rss_kb)
    gauge.rss_kb = rss_kb
    gauge.descriptors = [9 + fds * i // n for i in range(n)]
    gauge.children = [1 + children * i // n for i in range(n)]
    return gauge


def test_large_pictures_now_and_then_are_no_growth(soak: ModuleType) -> None:
    _gauge(soak, [150_000 + 40_000 * (i % 7 == 0) for i in range(100)]).check()


def test_a_leak_of_memory_is_growth(soak: ModuleType) -> None:
    with pytest.raises(soak.Failed, match="memory grew by"):
        _gauge(soak, [150_000 + 400 * i for i in range(100)]).check()


def test_descriptors_and_children_left_behind_are_growth(soak: ModuleType) -> None:
    with pytest.raises(soak.Failed, match="descriptors"):
        _gauge(soak, [150_000] * 100, fds=50).check()
    with pytest.raises(soak.Failed, match="child processes"):
        _gauge(soak, [150_000] * 100, children=50).check()


@pytest.mark.slow
def test_a_short_soak_ends_well() -> None:
    done = subprocess.run(
        [sys.executable, str(_SCRIPT), "--minutes", "0.1"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["rows"] > 100
    assert figures["failed"] is None
