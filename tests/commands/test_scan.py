"""Scanning: what comes back, what is done again, and what no longer counts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import madaudit
from madaudit.errors import StoreError
from madaudit.scanning.engines.serial import SerialEngine
from madaudit.scanning.store import Store
from tests.commands.invoking import invoke, scan_serially
from tests.commands.store_building import (
    composite,
    generated,
    make_store,
    page,
    photo,
    scan_into,
    stored_files,
    write_shard,
    write_shards,
)

_FIELDS = {"samples", "rows", "status", "shards", "detectors", "fingerprint", "seconds"}
_SHARD_FIELDS = {"total", "done", "skipped", "quarantined"}
_STATE_FIELDS = {"present", "absent", "unobservable", "missing"}


def broken_shard(folder: Path) -> Path:
    """A shard cut inside its only image, whose bytes begin at 512."""
    path = write_shard(folder / "shards" / "cut.tar", [photo()])
    path.write_bytes(path.read_bytes()[:700])
    return path


def test_the_result_counts_every_sample_by_status_and_state(tmp_path):
    inputs = write_shards(tmp_path, a=[photo(), generated(), page()], b=[composite()])
    result = madaudit.scan(inputs, str(tmp_path / "store"), engine="serial")
    assert (result.samples, result.rows) == (4, 4)
    assert result.status == {"ok": 3, "not_an_image": 1}
    assert result.shards == {"total": 2, "done": 2, "skipped": 0, "quarantined": 0}
    assert result.detectors["a1111"] == {
        "present": 1,
        "absent": 2,
        "unobservable": 0,
        "missing": 1,
    }


def test_json_has_the_fields_of_the_interface(tmp_path):
    inputs = write_shards(tmp_path, a=[photo()])
    content = scan_serially(inputs, "-o", tmp_path / "store", "--json").json
    assert set(content) >= _FIELDS
    assert set(content["shards"]) == _SHARD_FIELDS
    assert {frozenset(states) for states in content["detectors"].values()} == {
        frozenset(_STATE_FIELDS)
    }


def test_a_clean_scan_exits_with_0_and_a_summary(tmp_path):
    run = scan_serially(write_shards(tmp_path, a=[photo()]), "-o", tmp_path / "store")
    assert run.code == 0
    assert "1 row for 1 sample in 1 shard" in run.out
    assert f"next: madaudit estimate {tmp_path / 'store'}" in run.out


def test_quiet_prints_nothing(tmp_path):
    run = scan_serially(write_shards(tmp_path, a=[photo()]), "-o", tmp_path / "store", "-q")
    assert (run.code, run.out, run.err) == (0, "", "")


def test_progress_goes_to_stderr_and_leaves_the_json_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("madaudit.commands.progress._LINE_EVERY_S", 0.0)
    inputs = write_shards(tmp_path, a=[photo()], b=[photo()])
    run = scan_serially(inputs, "-o", tmp_path / "store", "--json")
    assert run.json["rows"] == 2
    assert "samples" in run.err


# --- doing it again -------------------------------------------------------------------------


def test_a_second_scan_skips_the_finished_shards(tmp_path):
    store = make_store(tmp_path, a=[photo()], b=[generated()])
    before = stored_files(store)
    result = madaudit.scan(str(tmp_path / "shards"), store, engine="serial")
    assert (result.shards["done"], result.shards["skipped"], result.rows) == (0, 2, 2)
    assert stored_files(store) == before


def test_a_new_shard_is_added_to_those_that_are_done(tmp_path):
    store = make_store(tmp_path, a=[photo()])
    result = madaudit.scan(write_shards(tmp_path, b=[generated()]), store, engine="serial")
    assert (result.shards["done"], result.shards["skipped"], result.rows) == (1, 1, 2)


def test_a_changed_shard_is_scanned_again(tmp_path):
    store = make_store(tmp_path, a=[photo()], b=[photo()])
    result = madaudit.scan(write_shards(tmp_path, b=[photo()] * 3), store, engine="serial")
    assert (result.shards["done"], result.shards["skipped"], result.stale) == (1, 1, 1)
    assert result.rows == 4


def test_a_shard_removed_from_the_inputs_no_longer_counts(tmp_path):
    store = make_store(tmp_path, a=[photo()], b=[generated()] * 2)
    (tmp_path / "shards" / "b.tar").unlink()
    result = madaudit.scan(str(tmp_path / "shards"), store, engine="serial")
    assert (result.rows, result.shards["total"]) == (1, 1)
    assert madaudit.estimate(store).to_dict()["n"] == 1


def test_other_detectors_scan_everything_again(tmp_path):
    store = make_store(tmp_path, a=[photo()], b=[generated()])
    result = madaudit.scan(str(tmp_path / "shards"), store, detectors=["a1111"], engine="serial")
    assert (result.shards["done"], result.shards["skipped"], result.stale) == (2, 0, 2)
    assert list(result.detectors) == ["a1111"]
    assert "iptc_state" not in Store(store).columns("a.tar")


def test_rows_of_another_plan_never_count_while_the_new_scan_is_unfinished(tmp_path):
    store = make_store(tmp_path, a=[photo()], b=[generated()] * 2)
    options = {"detectors": ["a1111"], "engine": "serial", "num_shards": 2}
    result = madaudit.scan(str(tmp_path / "shards"), store, shard_index=0, **options)
    assert (result.rows, result.samples) == (1, 1)
    assert madaudit.estimate(store).to_dict()["n"] == 1


def test_two_jobs_that_share_a_store_scan_all_of_it(tmp_path):
    inputs = write_shards(tmp_path, a=[photo()], b=[photo()], c=[generated()])
    for index in (0, 1):
        store = scan_into(tmp_path, inputs, shard_index=index, num_shards=2)
    assert madaudit.estimate(store).to_dict()["n"] == 3


def test_an_interrupted_scan_exits_with_4_and_goes_on_later(tmp_path, monkeypatch):
    inputs = write_shards(tmp_path, a=[photo()], b=[generated()])
    run_all = SerialEngine.run

    def run_one(self, plan, tasks, store):
        yield next(run_all(self, plan, tasks, store))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SerialEngine, "run", run_one)
        first = scan_serially(inputs, "-o", tmp_path / "store", "--json")
    second = scan_serially(inputs, "-o", tmp_path / "store", "--json")
    assert (first.code, first.json["interrupted"], first.json["rows"]) == (4, True, 1)
    assert (second.code, second.json["shards"]["skipped"], second.json["rows"]) == (0, 1, 2)


# --- quarantine -----------------------------------------------------------------------------


def test_a_cut_shard_is_quarantined_with_its_byte_and_exit_code_4(tmp_path):
    path = broken_shard(tmp_path)
    run = scan_serially(path.parent, "-o", tmp_path / "store", "--json")
    (problem,) = run.json["problems"]
    assert run.code == 4
    assert run.json["shards"]["quarantined"] == 1
    assert (problem["shard"], problem["offset"]) == ("cut.tar", 700)


def test_a_quarantined_shard_is_named_on_stderr(tmp_path):
    run = scan_serially(broken_shard(tmp_path).parent, "-o", tmp_path / "store")
    assert run.code == 4
    assert "quarantined cut.tar at byte" in run.err


def test_a_quarantined_shard_is_left_alone_until_it_is_asked_for(tmp_path):
    path = broken_shard(tmp_path)
    store = tmp_path / "store"
    codes = [scan_serially(path.parent, "-o", store).code for _ in range(2)]
    again = scan_serially(path.parent, "-o", store, "--retry-failed", "--json")
    entry = json.loads((store / "quarantine" / "cut.tar.json").read_text())
    assert codes == [4, 4]
    assert (again.code, again.json["shards"]["done"], entry["attempts"]) == (4, 1, 2)


def test_a_mended_shard_leaves_the_quarantine(tmp_path):
    path = broken_shard(tmp_path)
    scan_serially(path.parent, "-o", tmp_path / "store")
    write_shard(path, [photo()])
    run = scan_serially(path.parent, "-o", tmp_path / "store", "--retry-failed", "--json")
    assert (run.code, run.json["rows"], run.json["problems"]) == (0, 1, [])


# --- dry run and samples --------------------------------------------------------------------


def test_a_dry_run_writes_nothing_and_says_what_it_would_do(tmp_path):
    inputs = write_shards(tmp_path, a=[photo()] * 3)
    run = scan_serially(inputs, "-o", tmp_path / "store", "--dry-run", "--json")
    assert run.code == 0
    assert set(run.json) == {"shards", "bytes", "samples", "seconds", "rate"}
    assert (run.json["shards"], run.json["samples"]) == (1, 3)
    assert not (tmp_path / "store").exists()


def test_a_dry_run_on_a_finished_store_changes_nothing(tmp_path):
    store = make_store(tmp_path, a=[photo()])
    before = stored_files(store)
    run = scan_serially(tmp_path / "shards", "-o", store, "--dry-run")
    assert "would scan 0 shards" in run.out
    assert stored_files(store) == before


def test_a_sampled_scan_weighs_its_rows_up_to_the_whole(tmp_path):
    inputs = write_shards(tmp_path, a=[photo()] * 12, b=[generated()] * 4)
    result = madaudit.scan(inputs, str(tmp_path / "store"), engine="serial", sample=4, seed=1)
    known = madaudit.estimate(str(tmp_path / "store"))
    assert (result.samples, result.rows) == (16, 4)
    assert known.tally.weight == 16
    assert known.floor.all_marks.point == 0.25
    assert known.floor.all_marks.low < 0.25


def test_the_store_of_another_data_set_is_refused_and_left_as_it_was(tmp_path):
    store = make_store(tmp_path / "one", a=[photo()])
    before = stored_files(store)
    with pytest.raises(StoreError, match="one store is one data set"):
        madaudit.scan(write_shards(tmp_path / "two", a=[photo()]), store, engine="serial")
    assert stored_files(store) == before


def test_rows_that_were_deleted_are_made_again(tmp_path):
    store = make_store(tmp_path, a=[photo()], b=[generated()])
    (Path(store) / "scores" / "a.tar.parquet").unlink()
    result = madaudit.scan(str(tmp_path / "shards"), store, engine="serial")
    assert (result.shards["done"], result.shards["skipped"]) == (1, 1)
    assert madaudit.verify(store).consistent


def test_a_folder_may_grow_by_another_folder(tmp_path):
    write_shard(tmp_path / "shards" / "a" / "0.tar", [photo()])
    madaudit.scan(str(tmp_path / "shards"), str(tmp_path / "store"), engine="serial")
    write_shard(tmp_path / "shards" / "b" / "0.tar", [photo()])
    result = madaudit.scan(str(tmp_path / "shards"), str(tmp_path / "store"), engine="serial")
    assert (result.shards["done"], result.shards["skipped"]) == (1, 1)


def test_a_folder_whose_name_is_not_utf8_is_scanned(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    write_shard(folder / "a.tar", [photo()])
    result = madaudit.scan(str(folder / "a.tar"), str(tmp_path / "store"), engine="serial")
    assert (result.rows, result.shards["quarantined"]) == (1, 0)


def test_a_url_whose_package_is_missing_says_what_to_install(tmp_path):
    run = invoke("scan", "s3://bucket/a.tar", "-o", str(tmp_path / "store"))
    assert run.code == 2
    assert "pip install 'madaudit[s3]'" in run.err


def test_rows_of_a_changed_shard_do_not_count_before_it_is_scanned_again(tmp_path, monkeypatch):
    store = make_store(tmp_path, a=[photo()], b=[generated()] * 2)
    write_shards(tmp_path, b=[photo()] * 3)
    monkeypatch.setattr(SerialEngine, "run", _interrupted)
    result = madaudit.scan(str(tmp_path / "shards"), store, engine="serial")
    assert (result.interrupted, result.rows) == (True, 1)


def _interrupted(engine, plan, tasks, store):
    raise KeyboardInterrupt
    yield
