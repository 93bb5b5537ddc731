from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madaudit.errors import ShardError
from madaudit.shards.tar import TarReader
from madaudit.types import Shard
from tests.shards.tar_building import (
    THREE,
    header,
    numbered,
    open_over,
    pack,
    read,
    read_open,
    shard_of,
)


class Failing(io.BytesIO):
    """A file whose medium fails beyond a byte."""

    def __init__(self, data: bytes, *, fails_at: int) -> None:
        super().__init__(data)
        self._fails_at = fails_at

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() + 1 > self._fails_at:
            raise OSError("medium error")
        return super().read(min(size or 0, self._fails_at - self.tell()))


def test_a_cut_image_is_a_truncated_row_and_a_problem_at_its_byte(tmp_path: Path) -> None:
    got = read(tmp_path, THREE[:2148])

    assert got.statuses == ["ok", "truncated"]
    assert got.samples[1].error == "the shard ends after 100 of 700 bytes"
    assert [problem.offset for problem in got.problems] == [2148]


def test_a_cut_of_the_archive_loses_no_sample_before_it(tmp_path: Path) -> None:
    data = numbered(20)

    for cut in range(0, len(data), 997):
        keys = read(tmp_path, data[:cut]).keys
        n_begun = sum(f"{n:09d}.jpg".encode() in data[: cut // 512 * 512] for n in range(20))
        assert len(keys) == n_begun, cut


def test_samples_behind_a_corrupt_header_are_delivered(tmp_path: Path) -> None:
    data = THREE[:1200] + b"?" + THREE[1201:1536] + b"\xff\xff" + THREE[1538:]

    got = read(tmp_path, data)

    assert got.keys == ["a", "c"]
    assert [problem.offset for problem in got.problems if problem.offset == 1536] == [1536]


def test_counting_a_cut_shard_reports_its_problem_once(tmp_path: Path) -> None:
    with TarReader().open(shard_of(tmp_path, THREE[:2148])) as source:
        assert source.count() == 2
        got = read_open(source)

    assert [problem.offset for problem in got.problems] == [2148]


def test_fetch_from_a_shard_that_became_shorter_is_refused(tmp_path: Path) -> None:
    sample = read(tmp_path, THREE).samples[2]

    with (
        TarReader().open(shard_of(tmp_path, THREE[:2000])) as source,
        pytest.raises(ShardError, match="shorter than when it was scanned"),
    ):
        source.fetch(sample)


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("gzip", gzip.compress),
        ("bzip2", bz2.compress),
        ("xz", lzma.compress),
        ("zstd", lambda data: pa.compress(data, codec="zstd", asbytes=True)),
    ],
)
def test_compressed_shards_are_refused_with_advice(
    tmp_path: Path, name: str, compress: Callable[[bytes], bytes]
) -> None:
    shard = shard_of(tmp_path, compress(THREE), "00000.tar.z")

    for read_all in (lambda source: source.count(), lambda source: list(source.samples())):
        with (
            TarReader().open(shard) as source,
            pytest.raises(ShardError, match=f"{name}-compressed.*decompress it first"),
        ):
            read_all(source)


def test_a_member_named_like_a_compressed_file_is_no_compressed_shard(tmp_path: Path) -> None:
    assert read(tmp_path, pack(("BZh9.jpg", b"image"))).keys == ["BZh9"]


def test_a_shard_that_is_gone_is_a_shard_error(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"cannot open x\.tar"):
        TarReader().open(Shard("x.tar", str(tmp_path / "x.tar"), "tar", 0, "1"))


def test_a_folder_named_like_a_shard_is_a_shard_error(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="cannot open"):
        TarReader().open(Shard("x.tar", str(tmp_path), "tar", 0, "1"))


def test_a_medium_that_fails_keeps_the_samples_before_it() -> None:
    source = open_over(Failing(numbered(2000), fails_at=2 << 20))

    got = read_open(source)

    assert 700 < len(got.samples) < 1000
    assert [problem.message for problem in got.problems] == ["reading stopped: medium error"]


def test_a_medium_that_fails_at_once_is_a_shard_error() -> None:
    with pytest.raises(ShardError, match="medium error"):
        list(open_over(Failing(THREE, fails_at=0)).samples())


def test_a_medium_that_fails_while_counting_is_a_shard_error() -> None:
    with pytest.raises(ShardError, match="medium error"):
        open_over(Failing(numbered(2000), fails_at=2 << 20)).count()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(changes=st.lists(st.tuples(st.integers(0, 5119), st.binary(min_size=1, max_size=20))))
def test_a_damaged_shard_never_raises(changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(THREE)
    for at, new in changes:
        data[at : at + len(new)] = new
    counted = open_over(io.BytesIO(data)).count()

    got = read_open(open_over(io.BytesIO(data)))

    assert [sample.ordinal for sample in got.samples] == list(range(counted))


def test_endless_members_of_one_key_do_not_slow_the_walk_down(tmp_path: Path) -> None:
    got = read(tmp_path, pack(*((f"x.part{number}", b"") for number in range(3000))))

    assert got.keys == ["x"] * 12
    assert set(got.statuses) == {"missing_image"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"0"])
@pytest.mark.parametrize("counts", [False, True])
def test_headers_without_samples_take_no_memory(kind: bytes, counts: bool) -> None:
    # Hidden files are no samples, extension headers no members; a medium has room for millions.
    part = header("._hidden", 600, kind=kind) + b"600 a=".ljust(599, b"b") + b"\n" + bytes(424)
    source = open_over(io.BytesIO(part * 4000))
    tracemalloc.start()
    try:
        assert (source.count() if counts else len(list(source.samples()))) == 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 4 << 20
