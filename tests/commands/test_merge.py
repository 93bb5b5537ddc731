"""Stores scanned in different places become one that says what one scan would have said."""

from __future__ import annotations

from pathlib import Path

import pytest

import madaudit
from madaudit.scanning.store import Store
from tests.commands.invoking import invoke
from tests.commands.store_building import (
    edit_json,
    generated,
    make_store,
    photo,
    scan_into,
    stored_files,
    write_shards,
)
from tests.commands.test_wrong_requests import refused

_ROWS = ("scores/", "sketches/", "thumbnails/")


def _shards(folder: Path) -> str:
    return write_shards(
        folder, a=[generated(1), photo(2)], b=[photo(3)], c=[generated(4)], d=[photo(5)]
    )


def _in_parts(folder: Path, inputs: str, n_parts: int) -> list[str]:
    return [
        scan_into(folder / str(part), inputs, shard_index=part, num_shards=n_parts)
        for part in range(n_parts)
    ]


def test_parts_of_one_data_set_make_the_store_of_one_scan(tmp_path: Path) -> None:
    inputs = _shards(tmp_path)
    whole = scan_into(tmp_path / "whole", inputs)
    result = madaudit.merge(_in_parts(tmp_path, inputs, 2), str(tmp_path / "merged"))
    merged, expected = stored_files(tmp_path / "merged"), stored_files(whole)
    assert {path: merged[path] for path in expected if path.startswith(_ROWS)} == {
        path: data for path, data in expected.items() if path.startswith(_ROWS)
    }
    assert madaudit.estimate(result.store).to_dict() == madaudit.estimate(whole).to_dict()
    assert madaudit.verify(result.store).consistent
    assert (result.shards, result.rows, result.unfinished) == (4, 5, [])


def test_what_no_store_has_finished_is_named_and_exits_4(tmp_path: Path) -> None:
    first, _ = _in_parts(tmp_path, _shards(tmp_path), 2)
    finished = {marker["shard"] for marker in Store(first).survey().markers}
    run = invoke("merge", first, "-o", tmp_path / "merged", "--json")
    assert run.code == 4
    assert set(run.json["unfinished"]) == {"a.tar", "b.tar", "c.tar", "d.tar"} - finished


def test_a_shard_that_two_have_finished_counts_once(tmp_path: Path) -> None:
    inputs = _shards(tmp_path)
    stores = [scan_into(tmp_path / name, inputs) for name in ("one", "two")]
    result = madaudit.merge(stores, str(tmp_path / "merged"))
    assert (result.rows, result.twice) == (5, 4)
    assert [one["rows"] for one in result.stores] == [5, 0]


def test_two_data_sets_that_share_a_shard_name_must_be_named(tmp_path: Path) -> None:
    one = make_store(tmp_path / "one", a=[generated(1), photo(2)])
    two = make_store(tmp_path / "two", a=[photo(3)])
    message = refused(invoke("merge", one, two, "-o", tmp_path / "merged"))
    assert "shard 'a.tar' is not the same in" in message
    result = madaudit.merge([f"x={one}", f"y={two}"], str(tmp_path / "merged"))
    shards = {marker["shard"] for marker in Store(result.store).survey().markers}
    (rows,) = Store(result.store).row_batches("y/a.tar")
    assert shards == {"x/a.tar", "y/a.tar"}
    assert rows.column("shard").to_pylist() == ["y/a.tar"]
    assert madaudit.estimate(result.store).to_dict()["n"] == 3
    assert madaudit.verify(result.store).consistent


def test_a_named_store_may_hold_an_empty_shard(tmp_path: Path) -> None:
    one = make_store(tmp_path / "one", a=[generated(1)], b=[])
    two = make_store(tmp_path / "two", a=[photo(3)])
    result = madaudit.merge([f"x={one}", f"y={two}"], str(tmp_path / "merged"))
    assert list(Store(result.store).row_batches("x/b.tar")) == []
    assert Store(result.store).columns("x/b.tar") == Store(one).columns("b.tar")
    assert (result.shards, result.rows) == (3, 2)
    assert madaudit.verify(result.store).consistent
    assert madaudit.estimate(result.store).n == 2


def test_stores_of_two_plans_are_refused_with_the_difference(tmp_path: Path) -> None:
    inputs = _shards(tmp_path)
    one = scan_into(tmp_path / "one", inputs)
    two = scan_into(tmp_path / "two", inputs, thumbnails="none")
    message = refused(invoke("merge", one, two, "-o", tmp_path / "merged"))
    assert "thumbnails: blurred there, none here" in message
    assert not (tmp_path / "merged").exists()


def test_a_store_is_not_merged_into_itself(tmp_path: Path) -> None:
    store = make_store(tmp_path, a=[photo(1)])
    assert "into itself" in refused(invoke("merge", store, "-o", f"{store}/"))


def test_an_interrupted_merge_goes_on(tmp_path: Path) -> None:
    parts = _in_parts(tmp_path, _shards(tmp_path), 2)
    first = madaudit.merge(parts, str(tmp_path / "merged"))
    before = stored_files(first.store)
    (tmp_path / "merged/shards/b.tar.json").unlink()
    (tmp_path / "merged/scores/b.tar.parquet").unlink()
    madaudit.merge(parts, str(tmp_path / "merged"))
    assert stored_files(first.store) == before


def test_rows_that_are_gone_are_one_clear_error(tmp_path: Path) -> None:
    store = make_store(tmp_path, a=[photo(1)])
    (Path(store) / "scores/a.tar.parquet").unlink()
    message = refused(invoke("merge", store, "-o", tmp_path / "merged"))
    assert "scores/a.tar.parquet" in message
    assert "scan that shard again" in message


@pytest.mark.parametrize("finished_first", [True, False])
def test_a_shard_given_up_in_one_place_counts_where_it_was_finished(
    tmp_path: Path, finished_first: bool
) -> None:
    inputs = write_shards(tmp_path, a=[photo(1)], b=[photo(2)])
    whole = scan_into(tmp_path / "whole", inputs)
    failing = scan_into(tmp_path / "failing", inputs)
    (Path(failing) / "shards/a.tar.json").unlink()
    entry = {
        "shard": "a.tar",
        "uri": "",
        "version": "",
        "fingerprint": Store(failing).manifest()["fingerprint"],
        "attempts": 2,
        "problems": [{"message": "cannot be opened", "offset": None}],
    }
    Store(failing).write_json("quarantine/a.tar.json", entry)
    stores = [whole, failing] if finished_first else [failing, whole]
    survey = Store(madaudit.merge(stores, str(tmp_path / "merged")).store).survey()
    assert [marker["shard"] for marker in survey.markers] == ["a.tar", "b.tar"]
    assert survey.quarantine == {}


def test_a_foreign_schema_is_refused(tmp_path: Path) -> None:
    store = make_store(tmp_path, a=[photo(1)])
    edit_json(Path(store) / "manifest.json", schema=99)
    assert "schema 99" in refused(invoke("merge", store, "-o", tmp_path / "merged"))
