"""What every reader promises; a new reader is tested by existing."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from madaudit.shards import READERS, OpenShard, load_reader
from madaudit.shards.locate import locate
from madaudit.shards.memory import MemoryReader
from madaudit.types import Shard
from tests.scanning.data_building import jpeg, samples, write_tar


def _open(name: str, tmp_path: Path) -> OpenShard:
    """A shard of twelve images in the reader's own format."""
    if name == "memory":
        return MemoryReader([jpeg(i) for i in range(12)]).open(Shard("m", "", "memory", 0, ""))
    if name == "tar":
        write_tar(tmp_path / "a.tar", samples(12))
        (shard,) = locate([str(tmp_path / "a.tar")]).shards
    elif name == "folder":
        for index in range(12):
            (tmp_path / f"{index:02d}.jpg").write_bytes(jpeg(index))
        (shard,) = locate([str(tmp_path)]).shards
    else:
        pytest.fail(f"teach this test to write a shard for reader {name!r}")
    return load_reader(shard.reader).open(shard)


@pytest.mark.parametrize("name", READERS)
class TestReader:
    def test_ordinals_begin_at_zero_without_gaps(self, name: str, tmp_path: Path) -> None:
        with _open(name, tmp_path) as source:
            assert [sample.ordinal for sample in source.samples()] == list(range(12))

    def test_two_passes_give_the_same_keys_and_bytes(self, name: str, tmp_path: Path) -> None:
        passes = []
        for _ in range(2):
            with _open(name, tmp_path) as source:
                passes.append([(s.key, bytes(s.image or b"")) for s in source.samples()])
        assert passes[0] == passes[1]

    def test_chosen_samples_are_those_of_a_full_pass(self, name: str, tmp_path: Path) -> None:
        with _open(name, tmp_path) as source:
            full = {s.ordinal: bytes(s.image or b"") for s in source.samples()}
        with _open(name, tmp_path) as source:
            chosen = {s.ordinal: bytes(s.image or b"") for s in source.samples({2, 7})}
        assert chosen == {2: full[2], 7: full[7]}

    def test_counting_reads_nothing_and_leaves_the_pass_whole(
        self, name: str, tmp_path: Path
    ) -> None:
        with _open(name, tmp_path) as source:
            assert source.count() == 12
            assert sum(1 for _ in source.samples()) == 12

    def test_an_image_can_be_fetched_again(self, name: str, tmp_path: Path) -> None:
        with _open(name, tmp_path) as source:
            seen = [(s, bytes(s.image or b"")) for s in source.samples()]
            assert all(source.fetch(sample) == image for sample, image in seen)

    def test_a_good_shard_has_no_problem(self, name: str, tmp_path: Path) -> None:
        with _open(name, tmp_path) as source:
            list(source.samples())
            assert source.problems == []

    def test_it_pickles_and_names_itself(self, name: str, tmp_path: Path) -> None:
        reader = load_reader(name)
        assert pickle.loads(pickle.dumps(reader)) == reader
        assert reader.name == name
        assert isinstance(reader.version, int)
