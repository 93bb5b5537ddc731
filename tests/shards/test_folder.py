from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from madaudit.errors import ShardError
from madaudit.shards import folder as folder_module
from madaudit.shards.folder import FolderReader
from madaudit.shards.locate import locate
from madaudit.types import NO_SIDECAR, Shard
from tests.shards.tar_building import Read, read_open


def write(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def shard_of(folder: Path, *paths: str) -> Shard:
    return Shard("images-00000", str(folder), "folder", 0, "1", paths)


def read(folder: Path, *paths: str, wanted: set[int] | None = None) -> Read:
    with FolderReader().open(shard_of(folder, *paths)) as source:
        return read_open(source, wanted=wanted)


def test_every_path_of_the_shard_is_a_sample_in_order(tmp_path: Path) -> None:
    write(tmp_path, {"b/2.png": b"two", "a/1.jpg": b"one"})

    got = read(tmp_path, "a/1.jpg", "b/2.png")

    assert got.images == [b"one", b"two"]
    assert [(s.ordinal, s.key, s.offset, s.size) for s in got.samples] == [
        (0, "a/1", 0, 3),
        (1, "b/2", 0, 3),
    ]


def test_a_caption_and_a_record_of_the_same_stem_belong_to_the_image(tmp_path: Path) -> None:
    record = json.dumps({"url": "u", "caption": "from the record"}).encode()
    write(tmp_path, {"1.jpg": b"i", "1.txt": b"caption", "1.json": record})

    sidecar = read(tmp_path, "1.jpg").samples[0].sidecar

    assert (sidecar.url, sidecar.caption) == ("u", "caption")


def test_an_image_alone_has_no_sidecar(tmp_path: Path) -> None:
    write(tmp_path, {"1.jpg": b"i", "2.txt": b"another's"})

    assert read(tmp_path, "1.jpg").samples[0].sidecar == NO_SIDECAR


def test_a_folder_named_like_a_sidecar_is_a_problem_and_the_image_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"1.jpg": b"i", "1.txt/inside": b""})

    got = read(tmp_path, "1.jpg")

    assert (got.statuses, got.images) == (["ok"], [b"i"])
    assert ["1.txt" in problem.message for problem in got.problems] == [True]


def test_a_sidecar_beyond_the_limit_counts_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "MAX_SIDECAR_BYTES", 10)
    write(tmp_path, {"1.jpg": b"i", "1.txt": b"x" * 11, "2.jpg": b"i", "2.txt": b"x" * 10})

    got = read(tmp_path, "1.jpg", "2.jpg")

    assert [sample.sidecar.caption for sample in got.samples] == [None, "x" * 10]


def test_an_image_that_is_gone_is_a_row_and_a_problem(tmp_path: Path) -> None:
    write(tmp_path, {"2.jpg": b"i"})

    got = read(tmp_path, "1.jpg", "2.jpg")

    assert (got.statuses, got.images) == (["missing_image", "ok"], [None, b"i"])
    assert got.samples[0].error == "FileNotFoundError: No such file or directory"
    assert ["1.jpg" in problem.message for problem in got.problems] == [True]


def test_an_image_beyond_the_limit_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "MAX_IMAGE_BYTES", 10)
    write(tmp_path, {"1.jpg": b"x" * 11, "2.jpg": b"x" * 10})

    got = read(tmp_path, "1.jpg", "2.jpg")

    assert (got.statuses, got.images) == (["too_large", "ok"], [None, b"x" * 10])


def test_only_wanted_samples_are_handed_over_and_all_are_counted(tmp_path: Path) -> None:
    names = [f"{n}.jpg" for n in range(5)]
    write(tmp_path, {name: name.encode() for name in names})
    full = read(tmp_path, *names)

    with FolderReader().open(shard_of(tmp_path, *names)) as source:
        n_samples = source.count()
        got = read_open(source, wanted={1, 4, 9})

    assert (n_samples, got.samples) == (5, [full.samples[1], full.samples[4]])


def test_fetch_gives_the_bytes_that_the_pass_gave(tmp_path: Path) -> None:
    write(tmp_path, {"1.jpg": b"one", "2.jpg": b"two"})

    with FolderReader().open(shard_of(tmp_path, "1.jpg", "2.jpg")) as source:
        samples = list(source.samples())

        assert [source.fetch(sample) for sample in samples[::-1]] == [b"two", b"one"]


@pytest.mark.parametrize("now", ["longer", "gone", "a folder"])
def test_fetch_of_an_image_that_changed_is_refused(tmp_path: Path, now: str) -> None:
    write(tmp_path, {"1.jpg": b"one"})
    with FolderReader().open(shard_of(tmp_path, "1.jpg")) as source:
        (sample,) = source.samples()
        (tmp_path / "1.jpg").unlink()
        if now != "gone":
            write(tmp_path, {"1.jpg": b"longer"} if now == "longer" else {"1.jpg/x": b""})

        with pytest.raises(ShardError, match="changed or is gone"):
            source.fetch(sample)


def test_the_header_digest_follows_names_and_lengths(tmp_path: Path) -> None:
    write(tmp_path, {"1.jpg": b"one", "2.jpg": b"one", "3.jpg": b"four"})
    digests = [read(tmp_path, f"{n}.jpg").digest for n in (1, 2, 3)]

    assert digests[0] == read(tmp_path, "1.jpg").digest
    assert len(set(digests)) == 3


def test_names_that_are_not_utf8_give_rows_that_can_be_written(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    try:
        Path(os.fsdecode(path)).write_bytes(b"image")
    except OSError:
        pytest.skip("this file system holds UTF-8 names only")

    (shard,) = locate([str(tmp_path)]).shards
    got = read(tmp_path, *shard.paths)

    assert (got.images, got.keys) == ([b"image"], ["caf?"])


def test_located_folders_are_read_to_the_last_image(tmp_path: Path) -> None:
    write(tmp_path, {f"{n % 3}/{n}.jpg": b"%d" % n for n in range(20)})

    (shard,) = locate([str(tmp_path)]).shards
    with FolderReader().open(shard) as source:
        got = read_open(source)

    assert sorted(str(image) for image in got.images) == sorted(str(b"%d" % n) for n in range(20))
