from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madaudit.shards import files
from madaudit.shards import tar as tar_module
from madaudit.shards.tar import TarReader
from madaudit.types import NO_SIDECAR, Shard
from tests.shards.tar_building import (
    FORMATS,
    THREE,
    by_tarfile,
    header,
    numbered,
    open_over,
    pack,
    read,
    read_open,
    shard_of,
    special,
)

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "laion"


def write_table(folder: Path, columns: Mapping[str, Any]) -> None:
    pq.write_table(pa.table(dict(columns)), folder / "00000.parquet")


def test_neighbouring_members_with_one_key_are_one_sample(tmp_path: Path) -> None:
    got = read(tmp_path, pack(("1.jpg", b"image"), ("1.txt", b"caption"), ("2.jpg", b"i")))

    assert got.keys == ["1", "2"]
    assert got.samples[0].sidecar.caption == "caption"


def test_a_sidecar_may_come_before_its_image(tmp_path: Path) -> None:
    got = read(tmp_path, pack(("1.txt", b"caption"), ("1.jpg", b"image")))

    assert (got.images, got.samples[0].sidecar.caption) == ([b"image"], "caption")


def test_folders_are_part_of_the_key(tmp_path: Path) -> None:
    got = read(tmp_path, pack(("x.y/1.jpg", b"a"), ("z/1.jpg", b"b")))

    assert got.keys == ["x.y/1", "z/1"]


def test_suffixes_are_compared_in_lower_case(tmp_path: Path) -> None:
    got = read(tmp_path, pack(("1.JPG", b"image"), ("1.TXT", b"caption")))

    assert (got.statuses, got.samples[0].sidecar.caption) == (["ok"], "caption")


def test_a_repeated_key_gives_two_rows(tmp_path: Path) -> None:
    entries = [("1.jpg", b"x"), ("1.txt", b"first"), ("1.jpg", b"y"), ("1.txt", b"second")]

    got = read(tmp_path, pack(*entries))

    assert got.keys == ["1", "1"]
    assert got.images == [b"x", b"y"]
    assert [sample.sidecar.caption for sample in got.samples] == ["first", "second"]


def test_a_dotted_image_name_is_cut_at_its_first_dot(tmp_path: Path) -> None:
    got = read(tmp_path, pack(("img.v2.jpg", b"image")))

    assert (got.keys, got.images) == (["img"], [b"image"])


def test_of_several_images_under_one_key_the_first_is_looked_at(tmp_path: Path) -> None:
    got = read(tmp_path, pack(("1.jpg", b"first"), ("1.png", b"second"), ("1.mask.png", b"third")))

    assert (got.images, got.statuses) == ([b"first"], ["ok"])
    assert got.samples[0].error == "3 images under one key; only the first was looked at"


def test_a_sample_without_an_image_is_missing_image(tmp_path: Path) -> None:
    sample = read(tmp_path, pack(("1.json", b"{}"), ("1.txt", b"only text"))).samples[0]

    assert (sample.status, sample.image, sample.offset) == ("missing_image", None, -1)
    assert sample.sidecar.caption == "only text"


@pytest.mark.parametrize("name", ["../x.jpg", "/etc/x.jpg", "a/../../x.jpg", "a\\x.jpg", "../x"])
def test_names_that_leave_their_folder_are_unsafe_members(tmp_path: Path, name: str) -> None:
    got = read(tmp_path, header(name, 0) + pack(("after.jpg", b"a")))

    assert got.statuses == ["unsafe_member", "ok"]
    assert got.images == [None, b"a"]
    assert repr(name) in str(got.samples[0].error)


@pytest.mark.parametrize(
    ("kind", "what"),
    [(tarfile.SYMTYPE, "symbolic link"), (tarfile.LNKTYPE, "hard link")],
)
def test_links_are_unsafe_members(tmp_path: Path, kind: bytes, what: str) -> None:
    sample = read(tmp_path, pack(special("x.jpg", kind, linkname="/etc/passwd"))).samples[0]

    assert (sample.key, sample.status, sample.image) == ("x", "unsafe_member", None)
    assert str(sample.error).startswith(f"{what} refused")


def test_a_linked_sidecar_makes_its_sample_unsafe(tmp_path: Path) -> None:
    link = special("1.json", tarfile.SYMTYPE, linkname="/etc/passwd")

    got = read(tmp_path, pack(("1.jpg", b"image"), link))

    assert (got.statuses, got.images) == (["unsafe_member"], [None])


def test_an_unsafe_sample_stays_unsafe_when_its_image_is_cut(tmp_path: Path) -> None:
    link = special("1.json", tarfile.SYMTYPE, linkname="/etc/passwd")

    got = read(tmp_path, pack(link, ("1.jpg", b"i" * 900))[:1300])

    assert (got.statuses, got.images) == (["unsafe_member"], [None])


def test_hidden_files_and_files_without_extension_are_counted_only(tmp_path: Path) -> None:
    entries = [("._1.jpg", b"mac"), ("README", b"text"), ("f/.DS_Store", b""), ("1.jpg", b"image")]

    got = read(tmp_path, pack(*entries))

    assert (got.keys, got.n_ignored) == (["1"], 3)


def test_an_ignored_file_between_two_members_does_not_part_them(tmp_path: Path) -> None:
    got = read(tmp_path, pack(("1.jpg", b"image"), ("._1.txt", b"mac"), ("1.txt", b"caption")))

    assert (got.keys, got.samples[0].sidecar.caption) == (["1"], "caption")


def test_an_image_beyond_the_limit_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tar_module, "MAX_IMAGE_BYTES", 10)

    got = read(tmp_path, pack(("1.jpg", b"x" * 11), ("2.jpg", b"x" * 10)))

    assert (got.statuses, got.images) == (["too_large", "ok"], [None, b"x" * 10])


def test_a_sidecar_beyond_the_limit_counts_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tar_module, "MAX_SIDECAR_BYTES", 10)

    got = read(tmp_path, pack(("1.jpg", b"image"), ("1.txt", b"x" * 11)))

    assert (got.statuses, got.samples[0].sidecar) == (["ok"], NO_SIDECAR)
    assert got.samples[0].error == "caption of 11 bytes not read; at most 10 are"


@pytest.mark.parametrize("form", FORMATS)
def test_ordinals_run_from_0_without_gaps(tmp_path: Path, form: str) -> None:
    entries = [("1.jpg", b"x"), ("README", b""), ("2.txt", b"t"), ("2.txt", b"u"), ("3.png", b"y")]

    got = read(tmp_path, pack(*entries, special("4.jpg", tarfile.FIFOTYPE), form=form))

    assert [sample.ordinal for sample in got.samples] == [0, 1, 2, 3, 4]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(wanted=st.sets(st.integers(0, 45)))
def test_wanted_samples_are_those_of_a_full_pass(wanted: set[int]) -> None:
    data = numbered(40, seed=3)
    full = read_open(open_over(io.BytesIO(data)))

    got = read_open(open_over(io.BytesIO(data)), wanted=wanted)

    assert got.samples == [sample for sample in full.samples if sample.ordinal in wanted]
    assert (got.digest, got.problems) == (full.digest, full.problems)


def test_counting_leaves_the_samples_as_they_were(tmp_path: Path) -> None:
    data = numbered(12)
    plain = read(tmp_path, data)

    with TarReader().open(shard_of(tmp_path, data)) as source:
        n_samples = source.count()
        again = read_open(source)

    assert (n_samples, again) == (12, plain)


def test_fetch_gives_the_bytes_that_the_pass_gave(tmp_path: Path) -> None:
    with TarReader().open(shard_of(tmp_path, numbered(30))) as source:
        got = read_open(source)
        fetched = [source.fetch(sample) for sample in reversed(got.samples)]

    assert fetched == got.images[::-1]


def test_offset_and_size_name_the_bytes_of_the_image(tmp_path: Path) -> None:
    data = numbered(5)

    got = read(tmp_path, data)

    assert [data[s.offset : s.offset + s.size] for s in got.samples] == got.images


def test_the_header_digest_is_the_same_in_every_pass(tmp_path: Path) -> None:
    data = numbered(300)
    with TarReader().open(shard_of(tmp_path, data)) as source:
        source.count()
        counted_first = read_open(source).digest

    assert counted_first == read(tmp_path, data).digest == read(tmp_path, data, wanted=[7]).digest


@pytest.mark.parametrize("form", FORMATS)
def test_the_header_digest_changes_with_a_header(tmp_path: Path, form: str) -> None:
    one, other = pack(("é.jpg", b"x"), form=form), pack(("è.jpg", b"x"), form=form)

    assert read(tmp_path, one).digest != read(tmp_path, other).digest


def test_stats_beside_the_shard_say_how_many_samples_to_expect(tmp_path: Path) -> None:
    (tmp_path / "00000_stats.json").write_text(json.dumps({"count": 9, "successes": 7}))

    assert read(tmp_path, THREE).n_expected == 7


@pytest.mark.parametrize("stats", [b"", b"[]", b'{"successes": "7"}', b"\xff", b"[" * 200_000])
def test_stats_that_say_nothing_are_no_expectation(tmp_path: Path, stats: bytes) -> None:
    (tmp_path / "00000_stats.json").write_bytes(stats)

    assert read(tmp_path, THREE).n_expected is None


def test_stats_that_cannot_be_opened_are_a_problem(tmp_path: Path) -> None:
    (tmp_path / "00000_stats.json").mkdir()

    got = read(tmp_path, THREE)

    assert (got.keys, got.n_expected) == (["a", "b", "c"], None)
    assert ["_stats.json" in problem.message for problem in got.problems] == [True]


def test_the_json_member_describes_its_sample(tmp_path: Path) -> None:
    record = json.dumps({"url": "http://x/1", "caption": "c", "uid": "0" * 32}).encode()

    sidecar = read(tmp_path, pack(("1.jpg", b"i"), ("1.json", record))).samples[0].sidecar

    assert (sidecar.url, sidecar.caption, sidecar.uid) == ("http://x/1", "c", "0" * 32)


def test_the_parquet_beside_the_shard_serves_where_there_is_no_json(tmp_path: Path) -> None:
    write_table(tmp_path, {"key": ["c", "a", "b"], "url": ["u/c", "u/a", "u/b"]})

    got = read(tmp_path, THREE)

    assert [sample.sidecar.url for sample in got.samples] == ["u/a", "u/b", "u/c"]


def test_failed_downloads_in_the_parquet_do_not_matter(tmp_path: Path) -> None:
    status = ["failed_to_download", "success", "failed_to_resize", "success"]
    table = {"key": ["0", "a", "aa", "c"], "status": status, "url": ["u/0", "u/a", "u/aa", "u/c"]}
    write_table(tmp_path, table)

    got = read(tmp_path, THREE)

    assert [sample.sidecar.url for sample in got.samples] == ["u/a", None, "u/c"]


def test_the_json_member_wins_over_the_parquet(tmp_path: Path) -> None:
    write_table(tmp_path, {"key": ["1"], "url": ["parquet"]})

    got = read(tmp_path, pack(("1.jpg", b"i"), ("1.json", b'{"url": "json"}')))

    assert got.samples[0].sidecar.url == "json"


def test_a_broken_parquet_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "00000.parquet").write_bytes(b"PAR1 but no more")

    got = read(tmp_path, THREE)

    assert (got.statuses, got.samples[0].sidecar) == (["ok", "ok", "ok"], NO_SIDECAR)


def test_an_empty_shard_has_no_samples_and_no_problem(tmp_path: Path) -> None:
    got = read(tmp_path, pack())

    assert (got.samples, got.problems) == ([], [])


def test_an_image_of_no_bytes_is_handed_over(tmp_path: Path) -> None:
    got = read(tmp_path, pack(("1.jpg", b"")))

    assert (got.statuses, got.images) == (["ok"], [b""])


def test_a_shard_behind_a_url_gives_the_same_samples(tmp_path: Path) -> None:
    data = numbered(50)
    fs, path = files.filesystem("memory://tests-shards-tar/00000.tar")
    fs.pipe_file(path, data)
    try:
        with TarReader().open(
            Shard("00000.tar", "memory://tests-shards-tar/00000.tar", "tar", len(data), "1")
        ) as source:
            got = read_open(source)
    finally:
        fs.rm("/tests-shards-tar", recursive=True)

    assert got == read(tmp_path, data)


@pytest.mark.skipif(not DATA.exists(), reason="shared/data/laion is not beside the checkout")
def test_published_shards_give_a_row_for_every_image(tmp_path: Path) -> None:
    for path in sorted(DATA.rglob("*.tar")):
        data = path.read_bytes()
        images = [content for name, _, content in by_tarfile(data) if name.endswith(".jpg")]

        assert [image for image in read(tmp_path, data).images if image] == images, path.name


def test_images_that_share_a_key_with_nobody_are_not_apart() -> None:
    members = [
        ("a.jpg", b"1"),
        ("b.json", b"{}"),
        ("c.jpg", b"2"),
        ("c.txt", b"c"),
        ("c.jpg", b"3"),
    ]
    source = open_over(io.BytesIO(pack(*members)))
    assert [sample.key for sample in source.samples()] == ["a", "b", "c", "c"]
    assert source.problems == []


def test_keys_of_halves_are_held_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("madaudit.shards.tar.MAX_LONE_KEYS", 1)
    members = [("a.jpg", b"1"), ("b.jpg", b"2"), ("a.txt", b"a"), ("b.txt", b"b")]
    source = open_over(io.BytesIO(pack(*members)))
    assert len(list(source.samples())) == 4
    assert "interleaved: 1 records stand apart" in source.problems[0].message
