"""Verifying: whatever was changed in a store or in its inputs is noticed."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import madaudit
from tests.commands.invoking import invoke
from tests.commands.store_building import (
    edit_json,
    generated,
    make_store,
    photo,
    scan_into,
    write_shard,
    write_shards,
)


def damage(folder):
    """Places of a store of two shards; shard a is the one to harm."""
    store = make_store(folder, a=[photo(), generated(), photo()], b=[photo()])
    root = Path(store)
    return {
        "store": store,
        "input": folder / "shards" / "a.tar",
        "scores": root / "scores" / "a.tar.parquet",
        "marker": root / "shards" / "a.tar.json",
    }


def problems(store, **options):
    """What is said of shard a; shard b must stay blameless."""
    result = madaudit.verify(store, **options)
    assert result.consistent == (not result.problems)
    assert {problem["shard"] for problem in result.problems} <= {"a.tar"}
    return " | ".join(problem["problem"] for problem in result.problems)


def rewrite_header(path):
    """Rename the first member, keeping the file's length and its time stamp."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[0:1] = b"9"
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_an_untouched_store_is_consistent(tmp_path):
    assert problems(damage(tmp_path)["store"]) == ""


def test_a_changed_input_is_noticed(tmp_path):
    there = damage(tmp_path)
    write_shard(there["input"], [photo()] * 30)
    assert "the input has changed since it was scanned" in problems(there["store"])


def test_an_input_of_the_same_length_with_another_time_stamp_is_noticed(tmp_path):
    there = damage(tmp_path)
    os.utime(there["input"], (1, 1))
    assert "the input has changed since it was scanned" in problems(there["store"])


def test_a_changed_header_is_noticed_though_length_and_time_stamp_are_kept(tmp_path):
    there = damage(tmp_path)
    rewrite_header(there["input"])
    assert "content differs from what was scanned" in problems(there["store"])


def test_an_input_that_is_gone_is_noticed(tmp_path):
    there = damage(tmp_path)
    there["input"].unlink()
    assert "the input is gone" in problems(there["store"])


def test_without_inputs_only_the_store_is_looked_at(tmp_path):
    there = damage(tmp_path)
    there["input"].unlink()
    assert problems(there["store"], inputs=False) == ""


def test_deleted_rows_are_noticed(tmp_path):
    there = damage(tmp_path)
    there["scores"].unlink()
    assert "cannot read scores/a.tar.parquet" in problems(there["store"])


@pytest.mark.parametrize("keep", [0, 3, 100, -1])
def test_a_truncated_parquet_file_is_noticed(tmp_path, keep):
    there = damage(tmp_path)
    there["scores"].write_bytes(there["scores"].read_bytes()[:keep])
    assert "cannot read scores/a.tar.parquet" in problems(there["store"])


def test_a_marker_of_another_plan_is_noticed(tmp_path):
    there = damage(tmp_path)
    edit_json(there["marker"], fingerprint="0" * 64)
    assert "scanned by another plan" in problems(there["store"])


def test_a_deleted_marker_is_noticed(tmp_path):
    there = damage(tmp_path)
    there["marker"].unlink()
    assert "not finished: no marker" in problems(there["store"])


def test_an_edited_row_count_is_noticed(tmp_path):
    there = damage(tmp_path)
    edit_json(there["marker"], n_rows=7)
    assert "3 rows, the marker says 7" in problems(there["store"])


def test_an_edited_sample_count_is_noticed(tmp_path):
    there = damage(tmp_path)
    edit_json(there["marker"], n_samples=7)
    assert "the input holds 3 samples, the marker says 7" in problems(there["store"])


def test_edited_statuses_are_noticed(tmp_path):
    there = damage(tmp_path)
    edit_json(there["marker"], status={"ok": 2, "timeout": 1})
    assert "statuses are {'ok': 3}" in problems(there["store"])


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 0, 2]], ids=["swapped", "repeated"])
def test_rows_out_of_order_or_twice_are_noticed(tmp_path, order):
    there = damage(tmp_path)
    pq.write_table(pq.read_table(there["scores"]).take(order), there["scores"])
    assert "not in order, or one stands twice" in problems(there["store"])


def test_a_shard_that_was_given_up_says_why(tmp_path):
    inputs = write_shards(tmp_path, b=[photo()])
    (tmp_path / "shards" / "a.tar").write_bytes(gzip.compress(b"compressed shards are not read"))
    said = problems(scan_into(tmp_path, inputs))
    assert said.startswith("given up after 1 tries: ")


def test_a_sampled_scan_is_consistent_too(tmp_path):
    inputs = write_shards(tmp_path, a=[photo()] * 5, b=[photo()] * 3)
    assert problems(scan_into(tmp_path, inputs, sample=4)) == ""


def test_json_and_exit_code_say_whether_it_is_consistent(tmp_path):
    there = damage(tmp_path)
    good = invoke("verify", there["store"], "--json")
    there["marker"].unlink()
    bad = invoke("verify", there["store"], "--json")
    assert (good.code, good.json) == (0, {"consistent": True, "shards": 2, "problems": []})
    assert (bad.code, bad.json["consistent"], len(bad.json["problems"])) == (4, False, 1)


def test_the_summary_names_each_shard_and_problem(tmp_path):
    there = damage(tmp_path)
    there["marker"].unlink()
    out = invoke("verify", there["store"]).out
    assert "a.tar: not finished" in out
    assert "2 shards, 1 problems" in out


def test_a_photo_that_is_gone_from_a_folder_is_noticed(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        (photos / f"{number}.jpg").write_bytes(photo(number).data)
    madaudit.scan(str(photos), str(tmp_path / "store"), engine="serial")
    assert madaudit.verify(str(tmp_path / "store")).consistent
    (photos / "1.jpg").unlink()
    (problem,) = madaudit.verify(str(tmp_path / "store")).problems
    assert "a file of it" in problem["problem"]


def test_a_full_digest_notices_a_changed_pixel(tmp_path):
    shard = tmp_path / "a.tar"
    write_shard(shard, [photo()])
    madaudit.scan(str(shard), str(tmp_path / "store"), engine="serial", digest="full")
    before = shard.stat()
    data = bytearray(shard.read_bytes())
    data[1000] ^= 1
    shard.write_bytes(data)
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    (problem,) = madaudit.verify(str(tmp_path / "store")).problems
    assert "content differs" in problem["problem"]
