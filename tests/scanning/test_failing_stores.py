"""A store that cannot be written is one clear error, and what stands in it stays true."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import madaudit
from madaudit.errors import StoreError
from madaudit.scanning.store import Store
from madaudit.shards import remote
from tests.scanning.data_building import all_files, samples, write_tar

_FOLDERS = ("scores", "sketches", "thumbnails")


def _data(folder: Path) -> Path:
    for number in range(2):
        write_tar(folder / f"{number:05d}.tar", samples(12))
    return folder


def _scan(data: Path, store: Path | str) -> madaudit.ScanResult:
    return madaudit.scan(str(data), str(store), engine="serial")


def _is_true(store: Path | str) -> int:
    """The number of finished shards, each of which must have all of its rows."""
    survey = Store(str(store)).survey()
    for marker in survey.markers:
        batches = Store(str(store)).row_batches(marker["shard"])
        assert sum(batch.num_rows for batch in batches) == marker["n_rows"]
    return len(survey.markers)


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
# Manifest, then rows, sketch, thumbnails and marker of each of two shards.
@pytest.mark.parametrize("n_written", [1, 2, 4, 5, 8])
def test_a_disk_that_fails_at_any_file_leaves_a_store_to_go_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, n_written: int
) -> None:
    data = _data(tmp_path / "data")
    _scan(data, tmp_path / "whole")
    n_calls = 0
    fsync = os.fsync

    def failing(descriptor: int) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls > n_written:
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    store = tmp_path / "store"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(StoreError, match=os.strerror(number)) as caught:
            _scan(data, store)
    assert "\n" not in str(caught.value)
    assert "run the same command again" in str(caught.value)
    assert not list(store.rglob("*.partial"))
    n_finished = _is_true(store)
    assert n_finished == (n_written - 1) // 4
    assert _scan(data, store).shards["skipped"] == n_finished
    assert all_files(store, *_FOLDERS) == all_files(tmp_path / "whole", *_FOLDERS)


@pytest.mark.slow
def test_a_file_that_finds_no_room_ends_the_command_with_one_line(tmp_path: Path) -> None:
    data = _data(tmp_path / "data")
    words = ["scan", str(data), "-o", str(tmp_path / "s"), "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "madaudit", *words],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)),
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 2, done.stderr
    assert "cannot write scores/" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert _is_true(tmp_path / "s") == 0
    assert not list((tmp_path / "s").rglob("*.partial"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into read-only folders")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir(mode=0o555)
    with pytest.raises(StoreError, match=r"cannot write manifest\.json.*Permission denied"):
        _scan(_data(tmp_path / "data"), tmp_path / "store")


@pytest.mark.parametrize("n_written", [0, 1, 3, 5])
def test_a_url_that_dies_half_way_leaves_a_store_to_go_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_written: int
) -> None:
    data = _data(tmp_path / "data")
    _scan(data, tmp_path / "whole")
    monkeypatch.setattr(remote.time, "sleep", lambda seconds: None)
    pipe_file, n_calls = MemoryFileSystem.pipe_file, 0

    def failing(self: MemoryFileSystem, *words: object, **options: object) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls > n_written:
            raise ConnectionResetError("reset by peer")
        pipe_file(self, *words, **options)

    store = f"memory://dying-{n_written}"
    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "pipe_file", failing)
        with pytest.raises(StoreError, match=r"reset by peer .asked 8 times.*run the same"):
            _scan(data, store)
    n_finished = _is_true(store) if n_written else 0
    assert n_finished == max(n_written - 1, 0) // 4
    assert _scan(data, store).shards["skipped"] == n_finished
    fs = fsspec.filesystem("memory")
    whole = all_files(tmp_path / "whole", *_FOLDERS)
    assert {name: fs.cat_file(f"/dying-{n_written}/{name}") for name in whole} == whole


def test_a_store_at_a_url_that_is_read_only_is_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(self: MemoryFileSystem, *words: object, **options: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refusing)
    monkeypatch.setattr(remote.time, "sleep", lambda seconds: pytest.fail("asked again"))
    with pytest.raises(StoreError, match=r"cannot write manifest\.json.*NotImplementedError"):
        _scan(_data(tmp_path / "data"), "memory://read-only")
