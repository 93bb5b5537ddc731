"""Kept embeddings: clip-retrieval's layout, resumable, and the same with every engine."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import madaudit
from madaudit.commands.scan import ScanResult
from madaudit.detectors import build_detector
from madaudit.encoders import build_encoder
from madaudit.errors import OptionError, StoreError
from madaudit.scanning.embedding_files import array_path, read_embeddings, table_path
from madaudit.scanning.store import Store, marker_path
from madaudit.shards.locate import locate
from tests.commands.invoking import invoke
from tests.detectors.probes.probe_building import TOWER, write_probe
from tests.scanning.data_building import all_files, rows, samples, write_tar

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra onnx)")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name, n in (("a", 30), ("b", 41)):
        write_tar(tmp_path / "data" / f"{name}.tar", samples(n))
    write_tar(tmp_path / "data" / "empty.tar", [])
    return tmp_path / "data"


def _scan(data: Path, store: Path, **more: object) -> ScanResult:
    options = {"clip_probe": write_probe(store.parent)}
    asked = {"tier": "model", "keep_embeddings": True, "engine": "serial", **more}
    return madaudit.scan(str(data), str(store), detectors=["clip_probe"], options=options, **asked)


def test_each_row_is_the_unit_length_feature_of_its_sample(data, tmp_path):
    _scan(data, tmp_path / "store")
    found = read_embeddings(Store(str(tmp_path / "store")), "a.tar")
    evidence = rows(tmp_path / "store", "a.tar")
    scored = [row["ordinal"] for row in evidence if row["clip_probe_state"] == "present"]
    assert found.ordinals.tolist() == scored
    # Each tenth sample is cut.
    assert len(scored) == 27
    np.testing.assert_allclose(np.linalg.norm(found.features, axis=1), 1, atol=2e-3)
    table = pq.read_table(tmp_path / "store" / table_path("a.tar")).to_pydict()
    keys = {row["ordinal"]: row["key"] for row in evidence}
    assert set(table["shard"]) == {"a.tar"}
    assert table["key"] == [keys[ordinal] for ordinal in table["ordinal"]]


def test_features_are_those_of_the_encoder_itself(tmp_path):
    (tmp_path / "data").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "data" / "one.png")
    _scan(tmp_path / "data", tmp_path / "store")
    (shard,) = Store(str(tmp_path / "store")).manifest()["shards"]
    found = read_embeddings(Store(str(tmp_path / "store")), shard)
    encoder = build_encoder("clip-onnx", {"weights": str(TOWER)})
    # (40 − 8)/2 = 16, on the grid.
    expected = encoder.encode([pixels[16:24, 16:24]]).astype(np.float16)
    np.testing.assert_array_equal(found.features, expected)


@pytest.mark.slow
def test_pool_and_serial_keep_the_same_bytes(data, tmp_path):
    for engine in ("serial", "pool"):
        _scan(data, tmp_path / engine, engine=engine, workers=2)
    kept = all_files(tmp_path / "serial", "embeddings", "scores")
    assert kept == all_files(tmp_path / "pool", "embeddings", "scores")
    assert len([path for path in kept if path.endswith(".npy")]) == 2


def test_a_second_run_makes_what_is_missing_and_nothing_else(data, tmp_path):
    store = tmp_path / "store"
    _scan(data, store)
    before = all_files(store, "embeddings")
    (store / marker_path("b.tar")).unlink()
    (store / array_path("b.tar")).unlink()
    again = _scan(data, store)
    assert (again.shards["done"], again.shards["skipped"]) == (1, 2)
    assert all_files(store, "embeddings") == before


def test_the_layout_is_read_back_as_an_embedding_data_set_with_the_same_scores(data, tmp_path):
    _scan(data, tmp_path / "store")
    kept = tmp_path / "store" / "embeddings"
    about = json.loads((kept / "encoder.json").read_text())
    options = {"clip_probe": write_probe(tmp_path)}
    assert about["space"] == build_detector("clip_probe", options["clip_probe"]).space().key
    result = madaudit.scan(
        str(kept),
        str(tmp_path / "again"),
        detectors=["clip_probe"],
        options=options,
        tier="model",
        engine="serial",
    )
    assert result.detectors["clip_probe"]["present"] == result.rows == 27 + 37 - 1 + 1
    first = {row["key"]: row["clip_probe_score"] for row in rows(tmp_path / "store", "b.tar")}
    shard = next(
        s.name for s in locate([str(kept)]).shards if array_path("b.tar").endswith(s.name)
    )
    for row in rows(tmp_path / "again", shard):
        assert row["clip_probe_score"] == pytest.approx(first[row["key"]], abs=1e-2)


def test_embeddings_that_do_not_say_their_encoder_are_unobservable(data, tmp_path):
    _scan(data, tmp_path / "store")
    kept = tmp_path / "store" / "embeddings"
    (kept / "encoder.json").unlink()
    run = invoke(
        "scan",
        str(kept),
        "-o",
        str(tmp_path / "again"),
        "--detectors",
        "clip_probe",
        "--tier",
        "model",
        *(f"--option=clip_probe.{k}={v}" for k, v in write_probe(tmp_path).items()),
        "--engine",
        "serial",
        "--json",
    )
    counts = run.json["detectors"]["clip_probe"]
    assert counts["present"] == 0
    assert counts["unobservable"] == run.json["rows"] > 0


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"space": 1, "dimension": 4}', b'{"space": "x", "dimension": 5}']
)
def test_an_encoder_file_that_is_none_is_told_and_not_used(data, tmp_path, content):
    _scan(data, tmp_path / "store")
    kept = tmp_path / "store" / "embeddings"
    (kept / "encoder.json").write_bytes(content)
    options = {"clip_probe": write_probe(tmp_path)}
    result = madaudit.scan(
        str(kept),
        str(tmp_path / "x"),
        detectors=["clip_probe"],
        options=options,
        tier="model",
        engine="serial",
    )
    assert result.detectors["clip_probe"]["present"] == 0
    assert all("encoder.json" in problem["message"] for problem in result.problems)
    assert result.problems


@pytest.mark.parametrize("detectors", [["constant"], ["clip_probe", "constant"]])
def test_a_scan_without_one_encoder_cannot_keep_embeddings(data, tmp_path, detectors):
    options = {"clip_probe": write_probe(tmp_path)} if "clip_probe" in detectors else {}
    asked = {"tier": "model", "keep_embeddings": True, "engine": "serial"}
    if detectors == ["constant"]:
        with pytest.raises(OptionError, match="need features of 0 encoders"):
            madaudit.scan(str(data), str(tmp_path / "s"), detectors=detectors, **asked)
        assert not (tmp_path / "s").exists()
    else:
        madaudit.scan(
            str(data), str(tmp_path / "s"), detectors=detectors, options=options, **asked
        )
        assert (tmp_path / "s" / array_path("a.tar")).is_file()


def test_verify_misses_embeddings_that_are_gone_or_damaged(data, tmp_path):
    store = tmp_path / "store"
    _scan(data, store)
    assert madaudit.verify(str(store)).consistent
    (store / table_path("a.tar")).unlink()
    array = store / array_path("b.tar")
    array.write_bytes(array.read_bytes()[:-8])
    problems = {p["shard"]: p["problem"] for p in madaudit.verify(str(store)).problems}
    assert set(problems) == {"a.tar", "b.tar"}
    with pytest.raises(StoreError, match="cannot read embeddings/img_emb"):
        read_embeddings(Store(str(store)), "a.tar")


def test_merged_stores_have_the_embeddings_of_both(data, tmp_path):
    for part in (0, 1):
        _scan(data, tmp_path / f"part{part}", shard_index=part, num_shards=2)
    _scan(data, tmp_path / "whole")
    madaudit.merge([str(tmp_path / "part0"), str(tmp_path / "part1")], str(tmp_path / "merged"))
    assert all_files(tmp_path / "merged", "embeddings") == all_files(
        tmp_path / "whole", "embeddings"
    )
    _scan(data / "a.tar", tmp_path / "one")
    madaudit.merge([f"x={tmp_path / 'one'}"], str(tmp_path / "renamed"))
    assert madaudit.verify(str(tmp_path / "renamed"), inputs=False).consistent
    found = read_embeddings(Store(str(tmp_path / "renamed")), "x/a.tar")
    assert len(found.ordinals) == 27
    table = pq.read_table(tmp_path / "renamed" / table_path("x/a.tar")).to_pydict()
    assert set(table["shard"]) == {"x/a.tar"}
