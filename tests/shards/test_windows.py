"""A mapped file and a read one give the same bytes."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from madaudit.shards import windows
from madaudit.shards.windows import BLOCK, MappedWindow, ReadWindow, open_window


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(random.Random(1).randbytes(3_000_001))
    return path


@pytest.mark.parametrize("maps", [False, True])
def test_every_stretch_is_that_of_the_file(file: Path, maps: bool) -> None:
    data = file.read_bytes()
    places = random.Random(2)
    with open(file, "rb", buffering=0) as opened:
        window = open_window(opened, maps=maps)
        for _ in range(200):
            offset, size = places.randrange(3_100_000), places.randrange(200_000)
            assert bytes(window.read(offset, size)) == data[offset : offset + size]
            assert window.block(offset) == data[offset : offset + BLOCK]


def test_pages_that_were_given_back_can_be_read_again(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "KEPT_BYTES", 1 << 16)
    data = file.read_bytes()
    with open(file, "rb", buffering=0) as opened:
        window = open_window(opened, maps=True)
        first = window.read(0, 1000)
        for offset in range(0, 3_000_000, 50_000):
            window.read(offset, 10)
        assert bytes(first) == data[:1000]
        assert bytes(window.read(5, 10)) == data[5:15]


def test_only_local_files_that_are_not_empty_are_mapped(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "full").write_bytes(b"x")
    assert isinstance(open_window(io.BytesIO(b"x"), maps=True), ReadWindow)
    with open(tmp_path / "empty", "rb", buffering=0) as empty:
        assert isinstance(open_window(empty, maps=True), ReadWindow)
    with open(tmp_path / "full", "rb", buffering=0) as full:
        assert isinstance(open_window(full, maps=True), MappedWindow)
        assert isinstance(open_window(full, maps=False), ReadWindow)
