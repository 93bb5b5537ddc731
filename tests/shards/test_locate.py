from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from madaudit.errors import InputError, ShardError
from madaudit.shards import files, load_reader
from madaudit.shards import locate as locate_module
from madaudit.shards.locate import Located, locate
from tests.shards.tar_building import pack, read_open


def touch(folder: Path, *names: str, content: bytes = b"x") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def names(located: Located) -> list[str]:
    return [shard.name for shard in located.shards]


@pytest.fixture
def remote(request: pytest.FixtureRequest) -> Iterator[str]:
    """A folder of its own in fsspec's memory, gone afterwards."""
    url = f"memory://tests-locate/{request.node.name}"
    fs = fsspec.filesystem("memory")
    fs.makedirs(f"/tests-locate/{request.node.name}")
    yield url
    fs.rm("/tests-locate", recursive=True)


def put(url: str, *paths: str, content: bytes = b"x") -> None:
    for path in paths:
        with fsspec.open(f"{url}/{path}", "wb") as file:
            file.write(content)


def test_one_tar_alone_is_named_by_its_basename(tmp_path: Path) -> None:
    touch(tmp_path, "deep/00000.tar", content=b"12345")

    located = locate([str(tmp_path / "deep" / "00000.tar")])

    assert names(located) == ["00000.tar"]
    assert located.root == str(tmp_path / "deep")
    assert (located.shards[0].reader, located.shards[0].size_bytes) == ("tar", 5)
    assert located.shards[0].uri == str(tmp_path / "deep" / "00000.tar")


def test_relative_paths_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "d/1.tar")
    monkeypatch.chdir(tmp_path)

    assert locate(["d/1.tar"]) == locate(["./d"]) == locate([str(tmp_path / "d" / "1.tar")])


def test_a_folder_gives_all_tars_below_it_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "b/00001.tar", "a/00000.tar", "00002.tar")

    assert names(locate([str(tmp_path)])) == ["00002.tar", "a/00000.tar", "b/00001.tar"]


def test_a_slash_behind_a_folder_changes_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.tar", "a/2.jpg")

    assert locate([f"{tmp_path}/"]) == locate([str(tmp_path)])


def test_equal_basenames_keep_their_folders(tmp_path: Path) -> None:
    touch(tmp_path, "a/00000.tar", "b/00000.tar")

    located = locate([str(tmp_path / "a" / "00000.tar"), str(tmp_path / "b" / "00000.tar")])

    assert names(located) == ["a/00000.tar", "b/00000.tar"]
    assert located.root == str(tmp_path)


def test_names_do_not_depend_on_the_order_of_inputs(tmp_path: Path) -> None:
    touch(tmp_path, "a/0.tar", "ab/0.tar", "c.jpg")
    inputs = [str(tmp_path / "a"), str(tmp_path / "ab"), str(tmp_path / "*.jpg")]

    assert locate(inputs) == locate(inputs[::-1])
    assert names(locate(inputs)) == ["a/0.tar", "ab/0.tar", "images-00000"]


def test_a_glob_gives_what_it_matches(tmp_path: Path) -> None:
    touch(tmp_path, "00000.tar", "00001.tar", "10000.tar")

    assert names(locate([str(tmp_path / "0*.tar")])) == ["00000.tar", "00001.tar"]


def test_a_glob_that_matches_folders_gives_what_is_in_them(tmp_path: Path) -> None:
    touch(tmp_path, "part-1/0.tar", "part-2/0.tar", "other/0.tar")

    assert names(locate([str(tmp_path / "part-*")])) == ["part-1/0.tar", "part-2/0.tar"]


def test_a_glob_of_images_is_one_virtual_shard(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "b/2.jpg", "b/3.png")

    (shard,) = locate([str(tmp_path / "*" / "*.jpg")]).shards

    assert (shard.name, shard.paths, shard.uri) == (
        "images-00000",
        ("a/1.jpg", "b/2.jpg"),
        str(tmp_path),
    )


def test_a_path_that_exists_is_taken_as_it_stands_whatever_its_letters(tmp_path: Path) -> None:
    touch(tmp_path, "set[1]/0.tar")

    assert names(locate([str(tmp_path / "set[1]" / "0.tar")])) == ["0.tar"]


def test_braces_give_every_shard_they_name(tmp_path: Path) -> None:
    touch(tmp_path, *[f"{n:05d}.tar" for n in range(4)])

    located = locate([str(tmp_path / "{00001..00003}.tar")])

    assert names(located) == ["00001.tar", "00002.tar", "00003.tar"]


def test_a_brace_that_names_a_missing_shard_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "00000.tar")

    with pytest.raises(InputError, match=r"no file or folder matches '.*00001\.tar'"):
        locate([str(tmp_path / "{00000..00001}.tar")])


def test_braces_that_do_not_close_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot expand"):
        locate([str(tmp_path / "{0..3.tar")])


def test_a_url_is_located_like_a_folder(remote: str) -> None:
    put(remote, "a/00000.tar", "b/00000.tar", content=b"123")

    located = locate([remote])

    assert names(located) == ["a/00000.tar", "b/00000.tar"]
    assert located.shards[0].uri == f"{remote}/a/00000.tar"
    assert (located.root, located.shards[0].size_bytes) == (remote, 3)


def test_images_behind_a_url_are_read(remote: str) -> None:
    put(remote, "x/1.jpg", "x/2.jpg", content=b"image")

    (shard,) = locate([remote]).shards
    with load_reader(shard.reader).open(shard) as source:
        assert read_open(source).images == [b"image", b"image"]
    assert shard.paths == ("x/1.jpg", "x/2.jpg")


def test_inputs_of_two_stores_keep_their_whole_paths(tmp_path: Path, remote: str) -> None:
    touch(tmp_path, "0.tar")
    put(remote, "0.tar")

    located = locate([str(tmp_path), remote])

    assert located.root == ""
    assert names(located) == sorted(
        [f"{tmp_path}/0.tar".lstrip("/"), f"{remote}/0.tar".replace("://", "/")]
    )


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(InputError, match=r"cannot open 'nowhere://x/0\.tar'"):
        locate(["nowhere://x/0.tar"])


def test_a_shard_given_twice_is_refused_with_both_inputs(tmp_path: Path) -> None:
    touch(tmp_path, "a/0.tar")
    first, second = str(tmp_path / "a"), str(tmp_path / "a" / "*.tar")

    with pytest.raises(InputError) as caught:
        locate([first, second])

    assert repr(first) in str(caught.value)
    assert repr(second) in str(caught.value)
    assert "'0.tar'" in str(caught.value)


def test_a_folder_of_images_given_twice_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg")

    with pytest.raises(InputError, match="two inputs give the shard name 'images-00000'"):
        locate([str(tmp_path), str(tmp_path)])


@pytest.mark.parametrize("name", ["none.tar", "none", "none/*.tar", "none*"])
def test_an_input_that_matches_nothing_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no file or folder matches"):
        locate([str(tmp_path / name)])


def test_a_folder_without_images_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    touch(tmp_path, "a.xlsx", "b/c.pkl", "README")

    with pytest.raises(InputError, match=r"no file in it is of a format.*3 other files"):
        locate([str(tmp_path)])


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file in it is of a format that is known; allowed"):
        locate([str(tmp_path)])


def test_a_file_that_is_no_shard_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")

    with pytest.raises(InputError, match=r"cannot read .*notes"):
        locate([str(tmp_path / "notes.txt")])


def test_other_files_and_hidden_files_are_counted(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "1.txt", "1.json", "._1.jpg", ".DS_Store", "0.tar", "0_stats.json")

    located = locate([str(tmp_path)])

    assert (names(located), located.n_ignored_files) == (["0.tar", "images-00000"], 5)


def test_a_folder_is_cut_into_virtual_shards_of_sorted_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate_module, "FILES_PER_VIRTUAL_SHARD", 3)
    touch(tmp_path, *[f"{n:02d}.jpg" for n in range(7)], content=b"1234")

    shards = locate([str(tmp_path)]).shards

    assert [shard.name for shard in shards] == ["images-00000", "images-00001", "images-00002"]
    assert [len(shard.paths) for shard in shards] == [3, 3, 1]
    assert shards[1].paths == ("03.jpg", "04.jpg", "05.jpg")
    assert (shards[0].size_bytes, shards[0].reader) == (12, "folder")


def test_virtual_shards_of_two_folders_keep_their_folders(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "b/1.jpg")

    located = locate([str(tmp_path / "a"), str(tmp_path / "b")])

    assert names(located) == ["a/images-00000", "b/images-00000"]


def test_the_version_of_a_virtual_shard_stays_while_its_files_do(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg")

    assert locate([str(tmp_path)]) == locate([str(tmp_path)])


@pytest.mark.parametrize("change", ["length", "time", "one more", "renamed"])
def test_the_version_of_a_virtual_shard_changes_with_a_file(tmp_path: Path, change: str) -> None:
    touch(tmp_path, "1.jpg", "2.jpg")
    before = locate([str(tmp_path)]).shards[0].version

    if change == "length":
        touch(tmp_path, "2.jpg", content=b"longer")
    elif change == "time":
        os.utime(tmp_path / "2.jpg", (1, 1))
    elif change == "one more":
        touch(tmp_path, "3.jpg")
    else:
        (tmp_path / "2.jpg").rename(tmp_path / "4.jpg")

    assert locate([str(tmp_path)]).shards[0].version != before


def test_a_change_leaves_the_version_of_other_virtual_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate_module, "FILES_PER_VIRTUAL_SHARD", 2)
    touch(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    before = locate([str(tmp_path)]).shards

    touch(tmp_path, "3.jpg", content=b"longer")

    after = locate([str(tmp_path)]).shards
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, False]


@pytest.mark.parametrize("ending", [".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"])
def test_compressed_tars_are_located(tmp_path: Path, ending: str) -> None:
    touch(tmp_path, f"0{ending}")

    assert names(locate([str(tmp_path)])) == [f"0{ending}"]


def test_a_located_compressed_tar_is_refused_by_its_reader(tmp_path: Path) -> None:
    touch(tmp_path, "0.tar.gz", content=gzip.compress(pack(("1.jpg", b"x"))))
    (shard,) = locate([str(tmp_path)]).shards

    with load_reader(shard.reader).open(shard) as source, pytest.raises(ShardError, match="gzip"):
        list(source.samples())


def test_a_dangling_link_is_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg")
    (tmp_path / "2.jpg").symlink_to(tmp_path / "gone.jpg")

    located = locate([str(tmp_path)])

    assert located.shards[0].paths == ("1.jpg",)


@pytest.mark.parametrize("path", [b"caf\xe9.tar", b"caf\xe9/1.jpg"])
def test_a_shard_whose_name_is_not_utf8_is_refused(tmp_path: Path, path: bytes) -> None:
    try:
        touch(tmp_path, os.fsdecode(path), "other.tar")
    except OSError:
        pytest.skip("this file system holds UTF-8 names only")

    with pytest.raises(InputError, match="is not UTF-8"):
        locate([f"{tmp_path}/{os.fsdecode(path[:4])}*", str(tmp_path / "other.tar")])


def test_a_files_version_is_the_same_in_a_listing_and_alone() -> None:
    import fsspec

    fsspec.filesystem("memory").pipe_file("/versions/a.tar", b"\0" * 1024)
    (shard,) = locate(["memory://versions/*.tar"]).shards
    now = files.current_version(shard.uri)
    assert now is not None
    assert (now.size_bytes, now.version) == (shard.size_bytes, shard.version)
