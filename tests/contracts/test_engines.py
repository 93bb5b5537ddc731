"""What every engine promises: the rows of `serial`, bit for bit, at any number of workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from madaudit.scanning.engines import ENGINES
from tests.scanning.data_building import all_files, jpeg, samples, scan, write_tar

_FOLDERS = ("scores", "sketches", "thumbnails")
# Those that run on a package of their own are tested where that is installed.
_MARKS = {"ray": (pytest.mark.ray,)}
_ENGINES = [pytest.param(name, marks=_MARKS.get(name, ())) for name in ENGINES]


@pytest.fixture(autouse=True)
def package(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an engine needs besides ourselves."""
    if request.node.get_closest_marker("ray"):
        pytest.importorskip("ray", reason="ray (extra ray) is not installed")
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


def _data_set(folder: Path) -> Path:
    """Shards with every kind of trouble, and a folder of photos."""
    for number in range(5):
        write_tar(folder / f"{number:05d}.tar", samples(40 + number))
    cut = write_tar(folder / "cut.tar", samples(30))
    cut.write_bytes(cut.read_bytes()[:-20_000])
    write_tar(folder / "empty.tar", [])
    (folder / "zip.tar").write_bytes(b"\x1f\x8b" + b"\0" * 100)
    (folder / "photos").mkdir()
    for index in range(7):
        (folder / "photos" / f"{index}.jpg").write_bytes(jpeg(index))
    return folder


@pytest.mark.parametrize("engine", _ENGINES)
@pytest.mark.parametrize("workers", [1, 3])
def test_rows_equal_those_of_serial(tmp_path: Path, engine: str, workers: int) -> None:
    data = _data_set(tmp_path / "data")
    expected = scan([data], tmp_path / "serial")
    found = scan([data], tmp_path / "other", engine=engine, workers=workers)
    assert all_files(tmp_path / "other", *_FOLDERS) == all_files(tmp_path / "serial", *_FOLDERS)
    keys = ("shard", "n_samples", "n_rows", "status", "states", "n_hits", "problems", "is_done")
    as_tuples = [
        sorted(repr([getattr(summary, key) for key in keys]) for summary in summaries)
        for summaries in (expected, found)
    ]
    assert as_tuples[0] == as_tuples[1]


@pytest.mark.parametrize("engine", _ENGINES)
def test_every_task_ends_in_one_summary(tmp_path: Path, engine: str) -> None:
    data = _data_set(tmp_path / "data")
    names = [summary.shard for summary in scan([data], tmp_path / "s", engine=engine, workers=2)]
    assert sorted(names) == sorted(set(names))
    assert len(names) == 9


@pytest.mark.slow
@pytest.mark.parametrize("engine", _ENGINES)
def test_a_drawn_sample_is_the_same_with_every_engine(tmp_path: Path, engine: str) -> None:
    data = _data_set(tmp_path / "data")
    scan([data], tmp_path / "serial", n_sample=50, seed=3)
    scan([data], tmp_path / "other", engine=engine, workers=2, n_sample=50, seed=3)
    assert all_files(tmp_path / "other", "scores") == all_files(tmp_path / "serial", "scores")
