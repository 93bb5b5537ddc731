"""What img2dataset writes with --output_format files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from madaudit.shards.locate import locate
from madaudit.types import Sample
from tests.scanning.data_building import jpeg, rows, scan
from tests.shards.table_building import image_columns, write_table


def write_folder(root: Path, number: str, n: int, *, records: bool, successes: int) -> None:
    """One shard of img2dataset's files, with a failed download in its table."""
    (root / number).mkdir(parents=True)
    columns = image_columns([b"x"] * n + [None])
    del columns["jpg"]
    columns["caption"] = columns.pop("txt")
    write_table(root / f"{number}.parquet", columns)
    for index in range(n):
        stem = root / number / f"{index:09d}"
        stem.with_suffix(".jpg").write_bytes(jpeg(index))
        stem.with_suffix(".txt").write_text(f"from the text file {index}")
        if records:
            record = {
                name: list(values)[index] for name, values in columns.items() if name == "uid"
            }
            stem.with_suffix(".json").write_text(json.dumps({**record, "url": "https://json/"}))
    stats = {"count": n + 1, "successes": successes}
    (root / f"{number}_stats.json").write_text(json.dumps(stats))


def read(root: Path) -> dict[str, list[Sample]]:
    from madaudit.shards import load_reader

    found = {}
    for shard in locate([str(root)]).shards:
        with load_reader(shard.reader).open(shard) as source:
            found[shard.name] = list(source.samples())
    return found


def test_each_numbered_folder_is_a_shard_and_its_table_is_none(tmp_path: Path) -> None:
    for number in ("00000", "00001"):
        write_folder(tmp_path, number, 3, records=True, successes=3)

    found = read(tmp_path)

    assert {name: len(samples) for name, samples in found.items()} == {"00000": 3, "00001": 3}
    assert [sample.key for sample in found["00001"]] == [f"{i:09d}" for i in range(3)]
    assert found["00000"][0].sidecar.url == "https://json/"
    assert found["00000"][0].sidecar.caption == "from the text file 0"


def test_without_records_the_table_beside_the_folder_is_read(tmp_path: Path) -> None:
    write_folder(tmp_path, "00000", 3, records=False, successes=3)

    (sample, *_) = read(tmp_path)["00000"]

    assert sample.sidecar.url == "https://a.example/0.jpg"
    assert sample.sidecar.reencoded


@pytest.mark.parametrize(("successes", "n_problems"), [(3, 0), (4, 1)])
def test_the_number_of_downloads_is_held_against_the_files(
    successes: int, n_problems: int, tmp_path: Path
) -> None:
    write_folder(tmp_path / "in", "00000", 3, records=True, successes=successes)

    (summary,) = scan([tmp_path / "in"], tmp_path / "store")

    assert len(summary.problems) == n_problems
    assert len(rows(tmp_path / "store", "00000")) == 3


def test_other_folders_of_images_stay_cut_by_number(tmp_path: Path) -> None:
    write_folder(tmp_path, "00000", 2, records=True, successes=2)
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "a.jpg").write_bytes(jpeg())
    (tmp_path / "2024").mkdir()
    (tmp_path / "2024" / "b.jpg").write_bytes(jpeg())

    shards = {shard.name: shard.paths for shard in locate([str(tmp_path)]).shards}

    assert shards["images-00000"] == ("2024/b.jpg", "cats/a.jpg")
    assert set(shards) == {"00000", "images-00000"}
