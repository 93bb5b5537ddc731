"""clip-retrieval's embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from madaudit.shards import OpenShard, load_reader
from madaudit.shards.locate import locate
from madaudit.types import Sample
from tests.scanning.data_building import scan
from tests.shards.table_building import write_embeddings


def open_one(folder: Path, *, maps: bool = False) -> OpenShard:
    (shard,) = locate([str(folder)]).shards
    return load_reader(shard.reader).open(shard, maps=maps)


def read(folder: Path, *, maps: bool = False) -> list[Sample]:
    with open_one(folder, maps=maps) as source:
        return list(source.samples())


@pytest.mark.parametrize("maps", [False, True])
def test_row_i_of_the_array_belongs_to_row_i_of_the_table(maps: bool, tmp_path: Path) -> None:
    n = 2500  # more than one stretch
    write_embeddings(tmp_path, n)
    vectors = np.load(tmp_path / "img_emb" / "img_emb_0.npy")

    samples = read(tmp_path, maps=maps)

    assert len(samples) == n
    for index in (0, 1023, 1024, 2499):
        assert samples[index].key == f"{index:09d}"
        assert samples[index].sidecar.caption == f"vector {index}"
        assert np.array_equal(samples[index].embedding, vectors[index])
        assert samples[index].image is None


def test_each_array_is_a_shard_and_texts_embeddings_are_left_alone(tmp_path: Path) -> None:
    for number in ("0", "1"):
        write_embeddings(tmp_path, 3, number=number)
    (tmp_path / "text_emb").mkdir()
    np.save(tmp_path / "text_emb" / "text_emb_0.npy", np.zeros((3, 8), np.float16))

    located = locate([str(tmp_path)])

    assert [shard.name for shard in located.shards] == [
        "img_emb/img_emb_0.npy",
        "img_emb/img_emb_1.npy",
    ]
    assert located.shards[1].paths == ("img_emb/img_emb_1.npy", "metadata/metadata_1.parquet")


@pytest.mark.parametrize(("rows", "n_rows", "status"), [(5, 8, "ok"), (10, 10, "truncated")])
def test_lengths_that_differ_are_a_problem_and_no_row_is_lost(
    rows: int, n_rows: int, status: str, tmp_path: Path
) -> None:
    write_embeddings(tmp_path / "in", 8, rows=rows)

    samples = read(tmp_path / "in")
    (summary,) = scan([tmp_path / "in"], tmp_path / "store")

    assert len(samples) == n_rows
    assert samples[-1].status == status
    assert f"8 embeddings, but {rows} rows of metadata" in summary.problems[0].message


def test_a_cut_array_gives_the_rows_that_it_holds(tmp_path: Path) -> None:
    write_embeddings(tmp_path, 8)
    path = tmp_path / "img_emb" / "img_emb_0.npy"
    path.write_bytes(path.read_bytes()[: 128 + 5 * 16 + 3])

    with open_one(tmp_path) as source:
        samples = list(source.samples())
        (problem,) = source.problems

    assert [sample.status for sample in samples] == ["ok"] * 5 + ["truncated"] * 3
    assert (problem.message, problem.offset) == ("cut: 5 of 8 embeddings are there", 128 + 80)


def test_without_a_table_keys_are_ordinals(tmp_path: Path) -> None:
    write_embeddings(tmp_path, 2)
    (tmp_path / "metadata" / "metadata_0.parquet").unlink()

    with open_one(tmp_path) as source:
        assert [sample.key for sample in source.samples()] == ["000000000", "000000001"]
        assert "no metadata table" in source.problems[0].message


@pytest.mark.parametrize("damage", [b"", b"PAR1 cut PAR1"])
def test_a_broken_table_costs_keys_and_not_rows(damage: bytes, tmp_path: Path) -> None:
    write_embeddings(tmp_path, 2)
    (tmp_path / "metadata" / "metadata_0.parquet").write_bytes(damage)

    with open_one(tmp_path) as source:
        assert [sample.status for sample in source.samples()] == ["ok", "ok"]
        assert "its metadata cannot be read" in source.problems[0].message


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 4), np.int64),
        np.zeros(3, np.float32),
        np.zeros((3, 4, 2), np.float32),
        np.asfortranarray(np.zeros((3, 4), np.float32)),
        np.array([[{"a": 1}]], dtype=object),
        np.zeros((0, 0), np.float32),
    ],
    ids=["whole numbers", "one axis", "three axes", "Fortran", "pickled objects", "empty"],
)
def test_other_arrays_are_refused_and_never_unpickled(array: np.ndarray, tmp_path: Path) -> None:
    write_embeddings(tmp_path / "in", 3)
    np.save(tmp_path / "in" / "img_emb" / "img_emb_0.npy", array)

    (summary,) = scan([tmp_path / "in"], tmp_path / "store")

    assert not summary.is_done
    assert "cannot open img_emb/img_emb_0.npy" in summary.problems[0].message


@pytest.mark.parametrize("shape", ["(9223372036854775807, 8)", "(3, 1000000)", "(3, -8)"])
def test_a_shape_that_claims_too_much_is_not_believed(shape: str, tmp_path: Path) -> None:
    write_embeddings(tmp_path / "in", 3)
    path = tmp_path / "in" / "img_emb" / "img_emb_0.npy"
    data = path.read_bytes()
    header = f"{{'descr': '<f2', 'fortran_order': False, 'shape': {shape}, }}"
    path.write_bytes(data[:10] + header.encode().ljust(117) + b"\n" + data[128:])

    (summary,) = scan([tmp_path / "in"], tmp_path / "store")

    assert summary.problems
    assert summary.n_rows in (0, 3)
