"""A scan killed at any moment goes on to the same rows."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.scanning.data_building import all_files, samples, write_tar

_FOLDERS = ("scores", "sketches", "thumbnails")


def _start(data: Path, store: Path) -> subprocess.Popen[bytes]:
    words = ["scan", str(data), "-o", str(store), "--engine", "pool", "--workers", "2", "-q"]
    return subprocess.Popen(
        [sys.executable, "-m", "madaudit", *words],
        start_new_session=True,
        cwd=data.parent,
        preexec_fn=_hear_interrupts,  # noqa: PLW1509 — no other thread is there
    )


def _hear_interrupts() -> None:
    """What a shell starts in the background ignores them, and so would what the tests start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _data(folder: Path, n_shards: int) -> Path:
    members = samples(400)
    for number in range(n_shards):
        write_tar(folder / f"{number:05d}.tar", members)
    return folder


@pytest.mark.slow
def test_twenty_kills_at_random_moments_lose_and_change_nothing(tmp_path: Path) -> None:
    data = _data(tmp_path / "data", 12)
    began = time.monotonic()
    assert _start(data, tmp_path / "whole").wait() == 0
    seconds = time.monotonic() - began
    expected = all_files(tmp_path / "whole", *_FOLDERS)
    moments = random.Random(7)
    n_interrupted = 0
    for trial in range(20):
        store = tmp_path / f"killed-{trial}"
        process = _start(data, store)
        time.sleep(moments.uniform(0.1 * seconds, 0.9 * seconds))
        if trial % 2:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        n_interrupted += process.wait() != 0
        assert _start(data, store).wait() == 0
        assert all_files(store, *_FOLDERS) == expected
    assert n_interrupted >= 5


@pytest.mark.slow
def test_an_interrupted_scan_exits_with_four_and_leaves_a_valid_store(tmp_path: Path) -> None:
    data = _data(tmp_path / "data", 160)
    process = _start(data, tmp_path / "store")
    while not list((tmp_path / "store").rglob("shards/*.json")):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=20) == 4
    words = ["verify", str(tmp_path / "store"), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "madaudit", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 4
    assert set(_problems(done.stdout)) == {"not finished: no marker; run the scan again"}
    assert not list((tmp_path / "store").rglob("*.partial"))


def _problems(text: str) -> list[str]:
    import json

    return [item["problem"] for item in json.loads(text)["problems"]]
