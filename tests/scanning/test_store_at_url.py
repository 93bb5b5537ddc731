"""A store at a URL is asked many things at once, and gives what a local one does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import madaudit
from madaudit.errors import StoreError
from madaudit.limits import MAX_REQUESTS_AT_ONCE
from madaudit.scanning.store import Store
from madaudit.shards import files
from tests.scanning.data_building import samples, write_tar

_N = 12


class _Counter:
    """Calls that run now, the most that ever did, and all of them."""

    def __init__(self) -> None:
        self.lock, self.now, self.most, self.n = threading.Lock(), 0, 0, 0

    def __enter__(self) -> None:
        with self.lock:
            self.now, self.n = self.now + 1, self.n + 1
            self.most = max(self.most, self.now)
        time.sleep(0.005)

    def __exit__(self, *about: object) -> None:
        with self.lock:
            self.now -= 1


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """One scan of many small shards, local and in memory."""
    for number in range(_N):
        write_tar(tmp_path / "data" / f"{number:05d}.tar", samples(2))
    (tmp_path / "data" / "00003.tar").write_bytes(b"no archive")
    madaudit.scan(str(tmp_path / "data"), str(tmp_path / "store"), engine="serial")
    fs = fsspec.filesystem("memory")
    fs.put(str(tmp_path / "store"), "/many", recursive=True)
    yield str(tmp_path / "store"), "memory://many"
    fs.rm("/many", recursive=True)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> _Counter:
    counter, cat_file = _Counter(), MemoryFileSystem.cat_file

    def counted(self: MemoryFileSystem, path: str, **options: Any) -> bytes:
        with counter:
            return cat_file(self, path, **options)

    monkeypatch.setattr(MemoryFileSystem, "cat_file", counted)
    return counter


def test_a_survey_is_that_of_the_local_store_and_asks_many_at_once(
    stores: tuple[str, str], requests: _Counter
) -> None:
    local, remote = (Store(url).survey() for url in stores)
    assert remote == local
    assert len(remote.markers) == _N
    assert list(remote.quarantine) == ["00003.tar"]
    assert 1 < requests.most <= MAX_REQUESTS_AT_ONCE


def test_a_scan_that_goes_on_asks_for_the_files_that_are_there_and_no_others(
    stores: tuple[str, str], requests: _Counter, tmp_path: Path
) -> None:
    write_tar(tmp_path / "data" / "new.tar", samples(2))
    result = madaudit.scan(str(tmp_path / "data"), stores[1], engine="serial")
    assert (result.shards["done"], result.shards["skipped"]) == (1, _N)
    # Twice what stands of each shard, before and after, and twice the manifest.
    assert requests.n <= 2 * (_N + 1) + 4


def test_a_damaged_marker_among_many_is_named(stores: tuple[str, str]) -> None:
    fsspec.filesystem("memory").pipe_file("/many/shards/00007.tar.json", b"{")
    with pytest.raises(StoreError, match=r"cannot read shards/00007\.tar\.json.*not JSON"):
        Store(stores[1]).survey()


def test_answers_come_in_order_and_never_more_than_so_many_are_open() -> None:
    counter = _Counter()

    def ask(number: int) -> int:
        with counter:
            return -number

    assert files.each("s3://x", ask, range(200)) == [-n for n in range(200)]
    assert 1 < counter.most <= MAX_REQUESTS_AT_ONCE


def test_what_fails_first_is_raised_and_the_rest_is_not_begun() -> None:
    begun: list[int] = []

    def ask(number: int) -> int:
        begun.append(number)
        time.sleep(0.005)
        if number == 3:
            raise OSError("gone")
        return number

    with pytest.raises(OSError, match="gone"):
        files.each("s3://x", ask, range(2000))
    assert len(begun) < 1000


def test_local_files_are_read_where_the_caller_is() -> None:
    here = threading.get_ident()
    assert files.each("store", lambda _: threading.get_ident(), range(3)) == [here] * 3
