"""Stuck, crashing and faulty detectors cost one sample, never a shard."""

from __future__ import annotations

from pathlib import Path

import pytest

from madaudit import registry
from madaudit.scanning import batches
from madaudit.scanning.engines import pool
from madaudit.scanning.rows import RowBuffer
from tests.scanning.data_building import rows, samples, scan, write_tar

_REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def stubborn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector of a third party, found through its entry point, in spawned processes too."""
    package = tmp_path / "site" / "stubborn-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: stubborn\nVersion: 1\n")
    (package / "entry_points.txt").write_text(
        "[madaudit.detectors]\nstubborn = tests.scanning.stubborn:Stubborn\n"
    )
    monkeypatch.syspath_prepend(str(_REPOSITORY))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(pool, "_GRACE_S", 0.5)
    registry.third_party.cache_clear()


def _scan(tmp_path: Path, how: str, engine: str, **options: object) -> list[dict[str, object]]:
    write_tar(tmp_path / "a.tar", samples(8))
    (summary,) = scan(
        [tmp_path / "a.tar"],
        tmp_path / "store",
        engine=engine,
        detectors=("stubborn", "a1111"),
        options={"stubborn": {"how": how, **options}},
        image_timeout_s=0.3,
    )
    assert summary.n_rows == 8
    return rows(tmp_path / "store", "a.tar")


@pytest.mark.usefixtures("stubborn")
@pytest.mark.parametrize("engine", ["serial", "pool"])
def test_a_detector_that_raises_is_missing_on_that_sample_alone(
    tmp_path: Path, engine: str
) -> None:
    found = _scan(tmp_path, "raise", engine)
    assert [row["stubborn_state"] for row in found].count("missing") == 1
    assert "the detector's own bug" in str(found[3]["stubborn_detail"])
    assert found[3]["a1111_state"] == "absent"


@pytest.mark.slow
@pytest.mark.usefixtures("stubborn")
@pytest.mark.parametrize("engine", ["serial", "pool"])
def test_python_code_that_does_not_end_is_interrupted(tmp_path: Path, engine: str) -> None:
    found = _scan(tmp_path, "sleep", engine)
    assert found[3]["stubborn_state"] == "missing"
    assert found[4]["stubborn_state"] == "absent"


@pytest.mark.slow
@pytest.mark.usefixtures("stubborn")
def test_a_worker_stuck_in_c_is_killed_and_the_image_is_recorded(tmp_path: Path) -> None:
    found = _scan(tmp_path, "hang", "pool")
    assert [row["status"] for row in found].count("timeout") == 1
    assert (found[3]["status"], found[3]["stubborn_state"]) == ("timeout", "missing")
    assert found[4]["stubborn_state"] == "absent"


@pytest.mark.slow
@pytest.mark.usefixtures("stubborn")
def test_an_image_that_kills_the_process_is_recorded(tmp_path: Path) -> None:
    found = _scan(tmp_path, "die", "pool")
    assert (found[3]["status"], found[4]["status"]) == ("decode_error", "ok")
    assert "exit code 139" in str(found[3]["error"])


@pytest.mark.slow
@pytest.mark.usefixtures("stubborn")
def test_a_stuck_image_does_not_keep_other_shards_waiting(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_tar(tmp_path / "in" / f"{name}.tar", samples(8))
    done = scan(
        [tmp_path / "in"],
        tmp_path / "store",
        engine="pool",
        workers=2,
        detectors=("stubborn",),
        options={"stubborn": {"how": "hang"}},
        image_timeout_s=0.3,
    )
    assert sorted(summary.shard for summary in done) == ["a.tar", "b.tar", "c.tar"]
    assert all(summary.status["timeout"] == 1 for summary in done)


@pytest.mark.slow
@pytest.mark.usefixtures("stubborn")
def test_a_thumbnail_that_hangs_costs_no_evidence(tmp_path: Path) -> None:
    found = _scan(tmp_path, "thumbnail", "pool")
    assert {row["status"] for row in found} == {"ok", "truncated"}
    assert found[0]["a1111_state"] == "present"
    assert not list((tmp_path / "store").rglob("thumbnails/*.parquet"))


@pytest.mark.slow
@pytest.mark.usefixtures("stubborn")
@pytest.mark.parametrize("engine", ["serial", "pool"])
def test_a_shard_that_shrinks_while_it_is_scanned_gives_what_is_left(
    tmp_path: Path, engine: str
) -> None:
    shard = write_tar(tmp_path / "a.tar", samples(2000))
    left_bytes = shard.stat().st_size // 2
    (summary,) = scan(
        [shard],
        tmp_path / "store",
        engine=engine,
        detectors=("stubborn",),
        options={"stubborn": {"how": "shrink", "shard": str(shard), "left_bytes": left_bytes}},
    )
    assert summary.is_done
    assert 100 < summary.n_rows < 2000
    assert summary.problems[0].offset == left_bytes


def test_a_bug_of_ours_costs_one_shard_and_names_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tar(tmp_path / "in" / "a.tar", samples(8))
    write_tar(tmp_path / "in" / "b.tar", samples(9))
    honest = RowBuffer.take

    def faulty(buffer: RowBuffer) -> object:
        return honest(buffer) if len(buffer) == 9 else 1 / 0

    monkeypatch.setattr(RowBuffer, "take", faulty)
    done = {s.shard: s for s in scan([tmp_path / "in"], tmp_path / "store")}
    assert done["b.tar"].is_done
    assert not done["a.tar"].is_done
    assert "please report it: ZeroDivisionError" in done["a.tar"].problems[0].message
    assert "test_misbehaviour.py, line" in done["a.tar"].problems[0].message
    assert not (tmp_path / "store" / "scores" / "a.tar.parquet").exists()


def test_a_bug_in_a_parser_costs_one_row_and_names_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tar(tmp_path / "a.tar", samples(8))
    honest = batches.parse

    def faulty(image: memoryview) -> object:
        return 1 / 0 if bytes(image[:4]) == b"\x89PNG" else honest(image)

    monkeypatch.setattr(batches, "parse", faulty)
    (summary,) = scan([tmp_path / "a.tar"], tmp_path / "store")
    assert summary.status == {"decode_error": 1, "truncated": 1, "ok": 6}
    error = str(rows(tmp_path / "store", "a.tar")[0]["error"])
    assert "please report it: ZeroDivisionError" in error
    assert "test_misbehaviour.py, line" in error
