"""Ranges of remote files come whole, are asked for again, and are not asked for in vain."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from madaudit.limits import MAX_TRIES, MIN_AHEAD_BYTES
from madaudit.shards import remote
from madaudit.shards.files import open_binary
from madaudit.shards.remote import RemoteFile, persist
from madaudit.shards.windows import BLOCK, RemoteWindow, open_window

_DATA = random.Random(1).randbytes(3_000_001)


class _Flaky:
    """A file system that answers each range well only the third time."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self._moods = 0

    def cat_file(self, path: str, *, start: int, end: int) -> bytes:
        self.asked.append((start, end))
        self._moods += 1
        if self._moods % 3 == 1:
            raise ConnectionResetError("reset by peer")
        return _DATA[start : end - (self._moods % 3 == 2)]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(remote.time, "sleep", found.append)
    return found


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/madaudit-remote/file", _DATA)
    yield fs
    fs.rm("/madaudit-remote", recursive=True)


def test_every_stretch_is_that_of_the_file(memory: MemoryFileSystem) -> None:
    places = random.Random(2)
    with open_binary("memory://madaudit-remote/file") as file:
        window = open_window(file, maps=True)
        assert isinstance(window, RemoteWindow)
        for _ in range(200):
            offset, size = places.randrange(3_100_000), places.randrange(200_000)
            assert bytes(window.read(offset, size)) == _DATA[offset : offset + size]
            assert window.block(offset) == _DATA[offset : offset + BLOCK]


def test_a_remote_file_reads_as_any_other(memory: MemoryFileSystem, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(_DATA)
    places = random.Random(3)
    remote_file = open_binary("memory://madaudit-remote/file")
    with remote_file as ours, open(tmp_path / "file", "rb") as real:
        for _ in range(100):
            whence = places.randrange(3)
            offset = places.randrange(3_000_000) if whence == 0 else -places.randrange(1000)
            place = ours.tell() if whence == 1 else 1000
            if place + offset >= 0:
                assert ours.seek(offset, whence) == real.seek(offset, whence)
            assert ours.read(50_000) == real.read(50_000)
            assert ours.readline() == real.readline()
        assert ours.seek(0) == 0
        assert ours.read() == _DATA


def test_resets_and_cut_bodies_are_asked_for_again_with_growing_pauses(
    pauses: list[float],
) -> None:
    fs = _Flaky()
    file = RemoteFile(fs, "x", len(_DATA))
    assert file.read() == _DATA
    assert fs.asked == [(0, len(_DATA))] * 3
    assert 0.05 <= pauses[0] <= 0.1 <= pauses[1] <= 0.2


@pytest.mark.parametrize("n_bytes", [0, 99, 101, 1000])
def test_a_server_that_answers_another_length_is_not_believed(
    n_bytes: int, pauses: list[float]
) -> None:
    class Liar:
        def cat_file(self, path: str, *, start: int, end: int) -> bytes:
            return bytes(n_bytes)

    with pytest.raises(OSError, match=f"{n_bytes} bytes came for the 100 from byte 0 on"):
        RemoteFile(Liar(), "x", 100).read()


def test_what_never_comes_is_an_error_that_says_so(pauses: list[float]) -> None:
    def ask() -> None:
        raise TimeoutError

    with pytest.raises(OSError, match=f"TimeoutError .asked {MAX_TRIES} times"):
        persist(ask)
    assert len(pauses) == MAX_TRIES - 1


@pytest.mark.parametrize(
    "error", [FileNotFoundError("x"), PermissionError("x"), OSError(28, "full"), TypeError("x")]
)
def test_what_asking_again_does_not_mend_is_asked_once(
    error: Exception, pauses: list[float]
) -> None:
    def ask() -> None:
        raise error

    with pytest.raises(OSError, match=r"x|full"):
        persist(ask)
    assert pauses == []


def test_jumps_fetch_little_and_reading_on_fetches_ever_more(memory: MemoryFileSystem) -> None:
    file = RemoteFile(memory, "/madaudit-remote/file", len(_DATA))
    for offset in (0, 1_000_000, 2_000_000):
        file.stretch(offset, 512)
    assert (file.n_requests, file.n_fetched) == (3, 3 * MIN_AHEAD_BYTES)
    file.seek(2_000_000)
    while file.read(1000):
        pass
    assert file.n_requests <= 6


def test_a_server_that_tells_no_length_is_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/madaudit-remote/file", b"text")
    monkeypatch.setattr(MemoryFileSystem, "info", lambda self, path: {"name": path, "size": None})
    with open_binary("memory://madaudit-remote/file") as file:
        assert file.read() == b"text"
