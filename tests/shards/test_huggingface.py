"""Hugging Face data sets, through the code path that the hub takes, on local files."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

import madaudit
from madaudit.errors import InputError, MissingExtraError, OptionError
from madaudit.shards import huggingface, load_reader
from madaudit.shards.locate import locate
from madaudit.types import Sample
from tests.scanning.data_building import jpeg, marked_png, rows, scan, write_tar
from tests.shards.table_building import (
    document_columns,
    image_columns,
    metadata_columns,
    write_table,
)

pytest.importorskip("datasets", reason="the extra hf is not installed")


def read(given: str) -> dict[str, list[Sample]]:
    found = {}
    for shard in locate([given]).shards:
        with load_reader(shard.reader).open(shard) as source:
            found[shard.name] = list(source.samples())
            assert source.problems == []
    return found


def test_a_split_is_cut_by_its_files(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        images = [jpeg(i) for i in range(3)]
        write_table(tmp_path / f"{name}.parquet", image_columns(images, "hugging face"))

    found = read(f"hf:parquet?data_files={tmp_path}/*.parquet")

    assert {name: len(samples) for name, samples in found.items()} == {
        "parquet/train-00000-of-00003": 3,
        "parquet/train-00001-of-00003": 3,
        "parquet/train-00002-of-00003": 3,
    }
    (sample, *_) = found["parquet/train-00001-of-00003"]
    assert bytes(sample.image or b"") == jpeg(0)
    assert sample.key == "cats/0"


def test_marks_survive_since_nothing_is_decoded(tmp_path: Path) -> None:
    images = [marked_png(), jpeg()]
    write_table(tmp_path / "a.parquet", image_columns(images, "hugging face"))

    (summary,) = scan([f"hf:parquet?data_files={tmp_path}/a.parquet"], tmp_path / "store")

    assert summary.states["a1111"] == {"present": 1, "absent": 1}


def test_a_webdataset_gives_key_caption_and_record(tmp_path: Path) -> None:
    members = []
    for index in range(4):
        record = json.dumps({"url": f"https://x.example/{index}", "uid": f"{index:032x}"}).encode()
        members += [(f"{index:04d}.jpg", jpeg(index)), (f"{index:04d}.json", record)]
        members += [(f"{index:04d}.txt", b"a caption")]
    write_tar(tmp_path / "w.tar", members)

    (samples,) = read(f"hf:webdataset?data_files={tmp_path}/w.tar").values()

    assert [sample.key for sample in samples] == ["0000", "0001", "0002", "0003"]
    assert samples[2].sidecar.caption == "a caption"
    assert samples[2].sidecar.url == "https://x.example/2"
    assert bytes(samples[2].image or b"") == jpeg(2)


def test_an_imagefolder_opens_only_files_that_the_loader_found(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    for index in range(3):
        (tmp_path / "cats" / f"{index}.jpg").write_bytes(jpeg(index))

    (samples,) = read(f"hf:imagefolder?data_dir={tmp_path}").values()

    assert [bytes(sample.image or b"") for sample in samples] == [jpeg(i) for i in range(3)]


def test_a_path_in_a_row_is_never_opened(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    columns = image_columns([None, None], "hugging face")
    hostile = [{"bytes": None, "path": str(tmp_path / "secret.jpg")}] * 2
    columns["image"] = type(columns["image"]).from_pandas(hostile, type=columns["image"].type)
    write_table(tmp_path / "a.parquet", columns)

    (samples,) = read(f"hf:parquet?data_files={tmp_path}/a.parquet").values()

    assert [sample.status for sample in samples] == ["missing_image"] * 2
    assert "never opened" in str(samples[0].error)


def test_texts_and_metadata_are_told_by_their_columns(tmp_path: Path) -> None:
    write_table(tmp_path / "t.parquet", document_columns(3))
    write_table(tmp_path / "m.parquet", metadata_columns(3))

    (texts,) = read(f"hf:parquet?data_files={tmp_path}/t.parquet").values()
    (records,) = read(f"hf:parquet?data_files={tmp_path}/m.parquet").values()

    assert texts[1].text == "Once there was a page, number 1."
    assert records[1].sidecar.url == "https://b.example/1.jpg"


def test_a_file_that_is_cut_is_quarantined_and_the_others_are_scanned(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        images = [jpeg(i) for i in range(3)]
        write_table(tmp_path / f"{name}.parquet", image_columns(images, "hugging face"))
    data = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(data[: len(data) // 2])

    result = madaudit.scan(
        f"hf:parquet?data_files={tmp_path}/*.parquet", str(tmp_path / "store"), engine="serial"
    )

    assert result.rows == 6
    (problem,) = result.problems
    assert problem["shard"] == "parquet/train-00001-of-00003"
    assert "reading stopped" in problem["message"] or "cannot" in problem["message"]


@pytest.mark.slow  # each worker loads the package anew
def test_the_pool_gives_the_same_rows(tmp_path: Path) -> None:
    for name in ("a", "b"):
        images = [jpeg(i) for i in range(3)]
        write_table(tmp_path / f"{name}.parquet", image_columns(images, "hugging face"))
    given = f"hf:parquet?data_files={tmp_path}/*.parquet"

    shards = [summary.shard for summary in scan([given], tmp_path / "serial")]
    scan([given], tmp_path / "pool", engine="pool", workers=2)

    for shard in shards:
        assert rows(tmp_path / "serial", shard) == rows(tmp_path / "pool", shard)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("hf:?split=train", "no name"),
        ("hf:parquet?splat=train", "unknown 'splat'; allowed"),
        ("hf:parquet?data_files=/nowhere/*.parquet", "cannot load"),
        ("hf:parquet?data_files={folder}/a.parquet&split=test", "no split 'test'; allowed: train"),
    ],
)
def test_a_wrong_request_is_one_clear_line(given: str, message: str, tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", document_columns(3))

    with pytest.raises(InputError, match=message) as caught:
        locate([given.format(folder=tmp_path)])

    assert "\n" not in str(caught.value)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    huggingface._splits.cache_clear()
    monkeypatch.setattr(importlib, "import_module", absent)

    with pytest.raises(MissingExtraError, match=r"pip install 'madaudit\[hf\]'"):
        locate(["hf:org/name?split=train"])


def test_all_bytes_cannot_be_digested(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", document_columns(3))

    with pytest.raises(OptionError, match="leave --digest full out"):
        madaudit.scan(
            f"hf:parquet?data_files={tmp_path}/a.parquet", str(tmp_path / "s"), digest="full"
        )


@pytest.mark.parametrize("is_split", [False, True])
def test_a_data_set_that_was_saved_is_read_without_the_package(
    is_split: bool, tmp_path: Path
) -> None:
    import datasets

    features = datasets.Features(
        {"image": datasets.Image(decode=False), "text": datasets.Value("string")}
    )
    saved = datasets.Dataset.from_list(
        [{"image": {"bytes": jpeg(i), "path": None}, "text": f"t{i}"} for i in range(5)], features
    )
    if is_split:
        saved = datasets.DatasetDict({"train": saved, "test": saved})
    saved.save_to_disk(str(tmp_path / "saved"))
    (tmp_path / "saved" / "cache-0123456789abcdef.arrow").write_bytes(b"what map() left behind")

    shards = locate([str(tmp_path / "saved")]).shards
    expected = "test/data-00000-of-00001.arrow" if is_split else "data-00000-of-00001.arrow"

    assert (shards[0].name, shards[0].reader) == (expected, "parquet")
    assert len(shards) == 1 + is_split
    with load_reader("parquet").open(shards[0]) as source:
        samples = list(source.samples())
    assert [bytes(sample.image or b"") for sample in samples] == [jpeg(i) for i in range(5)]
    assert samples[1].sidecar.caption == "t1"
