"""What every reader promises; a new reader is tested by existing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import madaudit
from madaudit.contracts.readers import CHECKS, ReaderCase
from madaudit.shards import READERS, OpenShard, load_reader
from madaudit.shards.locate import locate
from madaudit.shards.memory import MemoryReader
from madaudit.types import Shard
from tests.contracts.promises import promise_of
from tests.scanning.data_building import jpeg, rows, samples, scan, write_tar
from tests.shards.table_building import (
    document_lines,
    image_columns,
    metadata_columns,
    write_embeddings,
    write_lines,
    write_table,
)

N = 12


def _tar(folder: Path) -> Path:
    return write_tar(folder / "a.tar", samples(N))


def _folder(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for index in range(N):
        (folder / f"{index:02d}.jpg").write_bytes(jpeg(index))
    return folder / "00.jpg"


def _parquet(folder: Path) -> Path:
    return write_table(folder / "a.parquet", image_columns([jpeg(i) for i in range(N)]))


def _metadata(folder: Path) -> Path:
    return write_table(folder / "a.parquet", metadata_columns(N))


def _documents(folder: Path) -> Path:
    return write_lines(folder / "a.jsonl.gz", document_lines(N))


def _embeddings(folder: Path) -> Path:
    return write_embeddings(folder, N) / "img_emb" / "img_emb_0.npy"


def _hugging_face(folder: Path) -> Path:
    return write_table(
        folder / "a.parquet", image_columns([jpeg(i) for i in range(N)], "hugging face")
    )


# Reader to what writes twelve samples into a folder; it returns the file to damage.
WRITERS: dict[str, Callable[[Path], Path]] = {
    "tar": _tar,
    "folder": _folder,
    "parquet": _parquet,
    "metadata": _metadata,
    "documents": _documents,
    "embeddings": _embeddings,
    "huggingface": _hugging_face,
}
# A cut folder is a folder with a cut image, which is the row's own trouble; and the package
# `datasets` refuses to begin where the first file is cut.
ONE_FILE = [name for name in WRITERS if name not in ("folder", "huggingface")]


def _input(name: str, folder: Path) -> str:
    """What a person types for the data in a folder."""
    return f"hf:parquet?data_files={folder}/*.parquet" if name == "huggingface" else str(folder)


def _open(name: str, tmp_path: Path) -> OpenShard:
    """A shard of twelve samples in the reader's own format."""
    if name == "memory":
        images = [jpeg(i) for i in range(N)]
        return MemoryReader(images).open(Shard("m", "", "memory", 0, ""))
    if name not in WRITERS:
        pytest.fail(f"teach this test to write a shard for reader {name!r}")
    WRITERS[name](tmp_path / "data")
    (shard,) = locate([_input(name, tmp_path / "data")]).shards
    assert shard.reader == name
    return load_reader(name).open(shard)


@pytest.mark.parametrize("name", READERS)
class TestReader:
    def test_it_gives_the_twelve_samples_with_keys_of_their_own(
        self, name: str, tmp_path: Path
    ) -> None:
        with _open(name, tmp_path) as source:
            assert len({sample.key for sample in source.samples()}) == N

    def test_every_sample_has_something_to_look_at(self, name: str, tmp_path: Path) -> None:
        with _open(name, tmp_path) as source:
            for sample in source.samples():
                assert sample.image or sample.sidecar.url or sample.text
                assert sample.status == "ok"

    def test_a_good_shard_has_no_problem(self, name: str, tmp_path: Path) -> None:
        with _open(name, tmp_path) as source:
            list(source.samples())
            assert source.problems == []


@pytest.mark.parametrize("check", CHECKS, ids=promise_of)
@pytest.mark.parametrize("name", WRITERS)
def test_it_keeps_the_contract(
    check: Callable[[ReaderCase], None], name: str, tmp_path: Path
) -> None:
    WRITERS[name](tmp_path / "data")
    (shard,) = locate([_input(name, tmp_path / "data")]).shards
    check(ReaderCase(name, load_reader(name), shard))


@pytest.mark.parametrize("check", CHECKS, ids=promise_of)
def test_the_fake_for_tests_keeps_the_contract(check: Callable[[ReaderCase], None]) -> None:
    reader = MemoryReader([jpeg(i) for i in range(N)])
    check(ReaderCase("memory", reader, Shard("m", "", "memory", 0, "")))


@pytest.mark.parametrize("name", WRITERS)
class TestScan:
    def test_progress_grows_to_the_end_of_the_shard(self, name: str, tmp_path: Path) -> None:
        WRITERS[name](tmp_path / "data")
        (shard,) = locate([_input(name, tmp_path / "data")]).shards
        with load_reader(name).open(shard) as source:
            positions = [source.position_bytes for _ in source.samples()]
            # An archive's padding lies behind its last sample.
            assert 0.8 * shard.size_bytes < source.position_bytes <= shard.size_bytes
        assert positions == sorted(positions)

    def test_a_scan_is_whole_and_is_not_done_twice(self, name: str, tmp_path: Path) -> None:
        WRITERS[name](tmp_path / "data")
        store = str(tmp_path / "store")

        first = madaudit.scan(_input(name, tmp_path / "data"), store, engine="serial")
        second = madaudit.scan(_input(name, tmp_path / "data"), store, engine="serial")

        assert (first.samples, first.rows, first.shards["quarantined"]) == (N, N, 0)
        assert (second.shards["done"], second.shards["skipped"]) == (0, 1)
        assert madaudit.verify(store).problems == []

    def test_a_sampled_scan_draws_rows_of_the_census(self, name: str, tmp_path: Path) -> None:
        WRITERS[name](tmp_path / "data")
        (full,) = scan([_input(name, tmp_path / "data")], tmp_path / "full")
        (part,) = scan([_input(name, tmp_path / "data")], tmp_path / "part", n_sample=5)

        census = {row["ordinal"]: row for row in rows(tmp_path / "full", full.shard)}
        drawn = rows(tmp_path / "part", part.shard)

        assert len(drawn) == 5
        assert part.n_samples == N
        assert all(row == {**census[row["ordinal"]], "weight": N / 5} for row in drawn)

    def test_a_changed_input_is_scanned_again(self, name: str, tmp_path: Path) -> None:
        damaged = WRITERS[name](tmp_path / "data")
        store = str(tmp_path / "store")
        madaudit.scan(_input(name, tmp_path / "data"), store, engine="serial")

        damaged.write_bytes(damaged.read_bytes() + b"\0")
        again = madaudit.scan(_input(name, tmp_path / "data"), store, engine="serial")

        assert again.stale == 1


@pytest.mark.parametrize("name", ONE_FILE)
class TestDamage:
    @pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.8])
    def test_a_cut_file_is_quarantined_with_the_reason(
        self, name: str, kept: float, tmp_path: Path
    ) -> None:
        path = WRITERS[name](tmp_path / "data")
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * kept)])

        (summary,) = scan([tmp_path / "data"], tmp_path / "store")

        assert summary.problems
        assert all(problem.message for problem in summary.problems)
        if summary.is_done:
            ordinals = [row["ordinal"] for row in rows(tmp_path / "store", summary.shard)]
            assert ordinals == list(range(summary.n_samples))

    def test_another_kind_of_file_under_its_name_is_no_crash(
        self, name: str, tmp_path: Path
    ) -> None:
        path = WRITERS[name](tmp_path / "data")
        path.write_bytes(jpeg(0) * 3)

        (summary,) = scan([tmp_path / "data"], tmp_path / "store")

        assert summary.problems

    @pytest.mark.parametrize("n_flips", [6, pytest.param(100, marks=pytest.mark.slow)])
    def test_flipped_bytes_cost_no_row_of_a_shard_that_is_done(
        self, name: str, n_flips: int, tmp_path: Path
    ) -> None:
        path = WRITERS[name](tmp_path / "data")
        data = path.read_bytes()
        for place in range(7, len(data), max(len(data) // n_flips, 1)):
            path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
            (summary,) = scan([tmp_path / "data"], tmp_path / "store", thumbnails="none")
            if summary.is_done:
                found = rows(tmp_path / "store", summary.shard)
                assert [row["ordinal"] for row in found] == list(range(summary.n_samples))
            assert not any("a bug in madaudit" in p.message for p in summary.problems)
