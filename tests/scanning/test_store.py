"""Files of a store are whole or not there, and never code."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import madaudit
from madaudit.errors import StoreError
from madaudit.scanning import partial_files
from madaudit.scanning.plan import SCHEMA_VERSION, Plan
from madaudit.scanning.resume import write_manifest
from madaudit.scanning.store import Store
from tests.scanning.data_building import all_files, samples, scan, write_tar


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with store.create("a/b.bin") as file:
        file.write(b"half")
        assert not (tmp_path / "a" / "b.bin").exists()
    assert (tmp_path / "a" / "b.bin").read_bytes() == b"half"


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write_json("x.json", {"old": True})
    with pytest.raises(ZeroDivisionError), store.create("x.json") as file:
        file.write(b"%d" % (1 // 0))
    assert store.read_json("x.json") == {"old": True}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match=r"cannot write x\.bin.*No space left.*run the same"),
        Store(str(tmp_path)).create("x.bin"),
    ):
        raise OSError(28, "No space left on device")


def test_half_written_files_of_dead_writers_are_swept(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / "scores").mkdir()
    names = {
        "dead": f".a.tar.parquet.{partial_files._HOST}.{gone.pid}.partial",
        "living": f".b.tar.parquet.{partial_files._HOST}.{os.getpid()}.partial",
        "elsewhere": f".c.tar.parquet.another-host.{gone.pid}.partial",
    }
    for name in names.values():
        (tmp_path / "scores" / name).write_bytes(b"half")
    Store(str(tmp_path)).sweep()
    left = {path.name for path in (tmp_path / "scores").iterdir()}
    assert left == {names["living"], names["elsewhere"]}


def test_a_store_of_another_schema_is_refused(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write_json("manifest.json", {"schema": 999})
    with pytest.raises(StoreError, match="schema 999"):
        store.manifest()


def test_a_store_at_a_url_holds_the_same_files(tmp_path: Path) -> None:
    import fsspec

    write_tar(tmp_path / "a.tar", samples(20))
    scan([tmp_path / "a.tar"], tmp_path / "local")
    memory = fsspec.filesystem("memory")
    scan([tmp_path / "a.tar"], "memory://madaudit-test")
    local = all_files(tmp_path / "local", "scores", "sketches", "thumbnails")
    for name, data in local.items():
        assert memory.cat_file(f"/madaudit-test/{name}") == data


def test_sketches_count_every_row_once_and_load_without_pickle(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", samples(50))
    (summary,) = scan([tmp_path / "a.tar"], tmp_path / "store")
    with np.load(tmp_path / "store" / "sketches" / "a.tar.npz", allow_pickle=False) as sketch:
        assert sketch["a1111_states"].tolist() == [
            summary.states["a1111"].get(state, 0)
            for state in ("present", "absent", "unobservable", "missing")
        ]
        assert sketch["a1111_scores"].sum() == 50


def test_graded_scores_fall_into_their_bins(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", samples(20))
    scan(
        [tmp_path / "a.tar"],
        tmp_path / "store",
        detectors=("constant",),
        options={"constant": {"score": 1.5}},
    )
    with np.load(tmp_path / "store" / "sketches" / "a.tar.npz") as sketch:
        counts = sketch["constant_scores"]
    # Edges −8, −8 + 1/64, …: 1.5 is the edge with number 608, so it opens bin 608 (+1: below).
    assert counts[609] == 20
    assert counts.sum() == 20


def test_a_manifest_is_not_written_again_for_another_time_alone(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    plan = Plan(("a1111", "iptc")).to_dict()
    content = {
        "schema": SCHEMA_VERSION,
        "madaudit": "1",
        "python": "3",
        "fingerprint": "f",
        "plan": plan,
        "detectors": {"a1111": 1, "iptc": 1},
        "looks_at": {"a1111": "metadata", "iptc": "metadata"},
        "identities": {"a1111": "0", "iptc": "1"},
        "root": "/x",
        "inputs": ["/x"],
        "shards": ["a.tar"],
    }
    write_manifest(store, {**content, "created": "yesterday"})
    write_manifest(store, {**content, "created": "today"})
    assert store.manifest()["created"] == "yesterday"
    write_manifest(store, {**content, "created": "today", "plan": {**plan, "seed": 1}})
    assert store.manifest()["created"] == "today"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shards": ["../../etc/passwd"]}, "'shards' is"),
        ({"shards": ["a.tar", "a.tar"]}, "a shard stands in it twice"),
        ({"shards": None}, "'shards' is 'None'"),
        ({"plan": {}}, "'plan' is"),
        ({"identities": {"a1111": 1}}, "'identities' is"),
        ({"identities": {"a1111": "0"}}, "its identities are not those of its detectors"),
    ],
)
def test_a_manifest_that_is_damaged_or_a_strangers_is_refused(
    tmp_path: Path, change: dict[str, object], says: str
) -> None:
    write_tar(tmp_path / "a.tar", samples(3))
    madaudit.scan(str(tmp_path / "a.tar"), str(tmp_path / "s"), engine="serial")
    store = Store(str(tmp_path / "s"))
    store.write_json("manifest.json", {**store.manifest(), **change})
    with pytest.raises(StoreError, match=re.escape(says)):
        store.manifest()


def test_a_damaged_marker_is_mended_by_the_next_scan(tmp_path: Path) -> None:
    write_tar(tmp_path / "in" / "a.tar", samples(3))
    write_tar(tmp_path / "in" / "b.tar", samples(4))
    inputs, url = str(tmp_path / "in"), str(tmp_path / "s")
    madaudit.scan(inputs, url, engine="serial")
    marker = tmp_path / "s" / "shards" / "a.tar.json"
    marker.write_bytes((tmp_path / "s" / "shards" / "b.tar.json").read_bytes())
    with pytest.raises(StoreError, match=r"a\.tar\.json.*it is that of shard 'b\.tar'"):
        madaudit.estimate(url)
    assert not madaudit.verify(url).consistent
    assert madaudit.scan(inputs, url, engine="serial").rows == 7
    assert madaudit.verify(url).consistent


def test_a_scan_killed_before_the_marker_of_a_damaged_shard_is_taken_up(tmp_path: Path) -> None:
    # Its quarantine entry is there already, but the shard was not given up.
    path = write_tar(tmp_path / "a.tar", samples(20))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    before = madaudit.scan(str(path), str(tmp_path / "s"), engine="serial")
    (tmp_path / "s" / "shards" / "a.tar.json").unlink()
    assert "no marker" in madaudit.verify(str(tmp_path / "s")).problems[0]["problem"]
    after = madaudit.scan(str(path), str(tmp_path / "s"), engine="serial")
    assert (after.rows, after.shards["done"]) == (before.rows, 1)


def test_a_flipped_bit_in_stored_rows_is_noticed(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", samples(50))
    madaudit.scan(str(tmp_path / "a.tar"), str(tmp_path / "s"), engine="serial")
    path = tmp_path / "s" / "scores" / "a.tar.parquet"
    metadata = pq.read_metadata(path)
    keys = metadata.row_group(0).column(2)  # which no marker repeats
    data = bytearray(path.read_bytes())
    data[(keys.dictionary_page_offset or keys.data_page_offset) + 60] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(StoreError, match=r"cannot read scores/a\.tar\.parquet"):
        list(Store(str(tmp_path / "s")).row_batches("a.tar", ["key"]))


def test_row_groups_that_come_together_are_the_same_rows(tmp_path: Path) -> None:
    path = tmp_path / "scores" / "a.tar.parquet"
    path.parent.mkdir()
    status = pa.array(["ok", "ok", "truncated", "ok", "timeout"]).dictionary_encode()
    rows = pa.table({"key": list("abcde"), "status": status})
    pq.write_table(rows, path, row_group_size=2)
    store = Store(str(tmp_path))
    for at_once, sizes in ((1, [2, 2, 1]), (2, [4, 1]), (8, [5])):
        batches = list(store.row_batches("a.tar", ["key", "status"], groups_at_once=at_once))
        assert [len(batch) for batch in batches] == sizes
        assert [row for batch in batches for row in batch.to_pylist()] == rows.to_pylist()
