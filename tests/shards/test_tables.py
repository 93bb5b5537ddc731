"""Tables of images and of metadata: what their rows give, and what damage costs."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import madaudit
from madaudit.shards import OpenShard, load_reader
from madaudit.shards.locate import locate
from madaudit.types import Sample
from tests.detectors.shared_data import DATA, needs_data
from tests.scanning.data_building import jpeg, marked_png, rows, scan
from tests.shards.table_building import (
    HOSTILE_KEYS,
    image_columns,
    metadata_columns,
    write_table,
)

LAION = DATA / "laion"


def open_one(path: Path, name: str = "auto") -> OpenShard:
    (shard,) = locate([str(path)], name).shards
    return load_reader(shard.reader).open(shard)


def read(path: Path, name: str = "auto") -> list[Sample]:
    with open_one(path, name) as source:
        return list(source.samples())


# ---- images


@pytest.mark.parametrize("form", ["img2dataset", "hugging face", "image_bytes", "data-juicer"])
def test_images_come_as_they_stand_in_the_table(form: str, tmp_path: Path) -> None:
    images = [jpeg(0), None, marked_png(), b""]
    write_table(tmp_path / "a.parquet", image_columns(images, form))

    samples = read(tmp_path / "a.parquet")

    assert [sample.image and bytes(sample.image) for sample in samples] == images
    assert [sample.status for sample in samples] == ["ok", "missing_image", "ok", "ok"]
    assert [sample.size for sample in samples] == [len(image or b"") for image in images]


def test_img2datasets_columns_are_the_sidecar(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", image_columns([jpeg(), None]))

    whole, failed = read(tmp_path / "a.parquet")

    assert whole.key == "000000000"
    assert whole.sidecar.caption == "photo 0"
    assert whole.sidecar.uid == "0" * 32
    assert whole.sidecar.reencoded is True
    assert failed.error == "failed_to_download: HTTP Error 404"


@pytest.mark.parametrize(("count", "n_problems"), [(3, 0), (4, 1)])
def test_failed_downloads_count_among_those_asked_for(
    count: int, n_problems: int, tmp_path: Path
) -> None:
    write_table(tmp_path / "in" / "00000.parquet", image_columns([jpeg(), None, jpeg()]))
    stats = {"count": count, "successes": 2}
    (tmp_path / "in" / "00000_stats.json").write_text(json.dumps(stats))

    (summary,) = scan([tmp_path / "in"], tmp_path / "store")

    assert len(summary.problems) == n_problems
    assert summary.status == {"ok": 2, "missing_image": 1}


def test_the_path_of_a_hugging_face_image_is_its_key_and_never_opened(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = [{"bytes": None, "path": str(tmp_path / "secret.jpg")}, {"bytes": b"x", "path": None}]
    write_table(tmp_path / "t" / "a.parquet", {"image": pa.array([*cells, None], kind)})

    samples = read(tmp_path / "t")

    assert samples[0].key == str(tmp_path / "secret")
    assert [sample.key for sample in samples[1:]] == ["000000001", "000000002"]
    assert [sample.image is None for sample in samples] == [True, False, True]


def test_more_images_in_a_row_are_said(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", image_columns([jpeg()], "data-juicer"))

    (sample,) = read(tmp_path / "a.parquet")

    assert (sample.status, sample.error) == (
        "ok",
        "2 images in one row; only the first was looked at",
    )


@pytest.mark.parametrize("column", ["key", "uid", "url", "caption"])
def test_hostile_text_is_kept_as_text(column: str, tmp_path: Path) -> None:
    n = len(HOSTILE_KEYS)
    columns = {"jpg": [jpeg()] * n, "key": [str(i) for i in range(n)]} | {column: HOSTILE_KEYS}
    write_table(tmp_path / "in" / "a.parquet", columns)

    (summary,) = scan([tmp_path / "in"], tmp_path / "store")

    found = [row[column] for row in rows(tmp_path / "store", summary.shard)]
    kept = list(HOSTILE_KEYS)
    if column == "key":
        kept[3] = "000000003"  # an empty key joins nothing
    assert found == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "store"]


def test_text_that_is_not_utf8_loses_no_row(tmp_path: Path) -> None:
    bad = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff\xfe", b"fine"]).buffers())
    write_table(tmp_path / "a.parquet", {"jpg": [jpeg(), jpeg()], "caption": bad})

    first, second = read(tmp_path / "a.parquet")

    assert (first.sidecar.caption, second.sidecar.caption) == ("\ufffd\ufffd", "fine")


def test_an_image_beyond_the_limit_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madaudit.shards.parquet.MAX_IMAGE_BYTES", 1000)
    write_table(tmp_path / "a.parquet", image_columns([jpeg(), b"x" * 1000]))

    assert [sample.status for sample in read(tmp_path / "a.parquet")] == ["too_large", "ok"]


# ---- metadata


def test_laions_columns_of_any_case(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", metadata_columns(3))

    sample = read(tmp_path / "a.parquet")[1]

    assert (sample.image, sample.status, sample.key) == (None, "ok", "1001")
    assert sample.sidecar.url == "https://b.example/1.jpg"
    assert sample.sidecar.caption == "a picture of 1"
    assert (sample.sidecar.width, sample.sidecar.height) == (401, 301)


def test_rows_hold_the_size_that_the_data_set_states(tmp_path: Path) -> None:
    write_table(tmp_path / "in" / "a.parquet", metadata_columns(2, style="datacomp"))

    (summary,) = scan([tmp_path / "in"], tmp_path / "store")
    (row, _) = rows(tmp_path / "store", summary.shard)

    assert (row["width"], row["height"], row["format"]) == (100, 200, None)
    assert (row["uid"], row["key"], row["offset"], row["size"]) == ("0" * 32, "0" * 32, -1, 0)
    assert row["a1111_state"] == "unobservable"
    assert (row["status"], row["reencoded"]) == ("ok", None)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.int64(), [-1, 0, 2**40, None, 7]),
        (pa.float64(), [-1.0, float("nan"), float("inf"), None, 7.0]),
        (pa.uint64(), [0, 2**63, 2**64 - 1, None, 7]),
    ],
)
def test_impossible_sizes_are_none(
    kind: pa.DataType, values: list[object], tmp_path: Path
) -> None:
    columns = {"url": ["https://a/"] * 5, "WIDTH": pa.array(values, kind)}
    write_table(tmp_path / "a.parquet", columns)

    found = [sample.sidecar.width for sample in read(tmp_path / "a.parquet")]

    assert found == [None, None, None, None, 7]


def test_other_types_of_text_and_keys_are_read(tmp_path: Path) -> None:
    columns = {
        "url": pa.array(["https://a/", None]).dictionary_encode(),
        "caption": pa.array(["x", None], pa.large_string()),
        "hash": pa.array([-(2**63), None], pa.int64()),
    }
    write_table(tmp_path / "a.parquet", columns)

    first, second = read(tmp_path / "a.parquet")

    assert (first.key, first.sidecar.url, first.sidecar.caption) == (
        str(-(2**63)),
        "https://a/",
        "x",
    )
    assert (second.key, second.sidecar.url) == ("000000001", None)


# ---- damage


def group_end(path: Path, group: int, column: str) -> tuple[int, int]:
    """Where the pages of one column of a row group begin, and how long they are."""
    parquet = pq.ParquetFile(path)
    place = parquet.schema_arrow.names.index(column)
    chunk = parquet.metadata.row_group(group).column(place)
    begin = chunk.dictionary_page_offset or chunk.data_page_offset
    return begin, chunk.total_compressed_size


def test_a_row_group_that_is_destroyed_costs_its_own_rows_only(tmp_path: Path) -> None:
    path = write_table(tmp_path / "in" / "a.parquet", metadata_columns(12), row_group_size=4)
    begin, length = group_end(path, 1, "URL")
    data = bytearray(path.read_bytes())
    data[begin : begin + length] = b"\xff" * length
    path.write_bytes(data)

    (summary,) = scan([tmp_path / "in"], tmp_path / "store")
    found = rows(tmp_path / "store", summary.shard)

    assert [row["status"] for row in found] == ["ok"] * 4 + ["decode_error"] * 4 + ["ok"] * 4
    assert "row group 1" in str(found[5]["error"])
    (problem,) = summary.problems
    assert "4 rows cannot be read" in problem.message


def test_a_text_that_claims_two_gigabytes_costs_its_row_group(tmp_path: Path) -> None:
    path = tmp_path / "in" / "a.parquet"
    path.parent.mkdir()
    table = pa.table(metadata_columns(4))
    pq.write_table(table, path, row_group_size=2, compression="none", use_dictionary=False)
    url = b"https://b.example/1.jpg"
    stated = len(url).to_bytes(4, "little") + url
    assert path.read_bytes().count(stated) == 1
    path.write_bytes(path.read_bytes().replace(stated, b"\xff\xff\xff\x7f" + url))

    (summary,) = scan([tmp_path / "in"], tmp_path / "store")

    assert summary.status == {"decode_error": 2, "ok": 2}


def test_a_footer_that_claims_too_many_rows_ends_in_quarantine(tmp_path: Path) -> None:
    path = write_table(tmp_path / "in" / "a.parquet", metadata_columns(12), row_group_size=12)
    data = path.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    # 12 as Thrift's zigzag varint is 0x18; every one of them in the footer becomes −64.
    footer = data[-8 - length : -8].replace(b"\x18", b"\x7f")
    path.write_bytes(data[: -8 - length] + footer + data[-8:])

    (summary,) = scan([tmp_path / "in"], tmp_path / "store")

    assert summary.problems


def test_a_stretch_of_rows_beyond_the_limit_is_not_made_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madaudit.shards.table_shard.MAX_LOST_ROWS", 3)
    path = write_table(tmp_path / "in" / "a.parquet", metadata_columns(4), row_group_size=4)
    begin, length = group_end(path, 0, "URL")
    data = bytearray(path.read_bytes())
    data[begin : begin + length] = b"\xff" * length
    path.write_bytes(data)

    (summary,) = scan([tmp_path / "in"], tmp_path / "store")

    assert not summary.is_done
    assert "4 rows are claimed and lost" in summary.problems[0].message


def test_a_file_with_other_columns_than_its_folder_is_quarantined(tmp_path: Path) -> None:
    write_table(tmp_path / "in" / "a.parquet", metadata_columns(2))
    write_table(tmp_path / "in" / "b.parquet", {"x": [1]})

    result = madaudit.scan(str(tmp_path / "in"), str(tmp_path / "store"), engine="serial")

    assert result.rows == 2
    (problem,) = result.problems
    assert "columns seen: x (int64)" in problem["message"]


def test_another_reader_scans_again(tmp_path: Path) -> None:
    write_table(tmp_path / "in" / "a.parquet", {"url": ["https://a/"], "text": ["x"]})
    for name, stale in (("metadata", 0), ("metadata", 0), ("documents", 1)):
        result = madaudit.scan(
            str(tmp_path / "in"), str(tmp_path / "store"), engine="serial", format=name
        )
        assert result.stale == stale


def test_an_arrow_file_is_cut_at_a_batch(tmp_path: Path) -> None:
    path = tmp_path / "in" / "a.arrow"
    path.parent.mkdir()
    table = pa.table(metadata_columns(12))
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=4)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])

    (summary,) = scan([tmp_path / "in"], tmp_path / "store")

    assert 0 < summary.n_rows < 12
    assert summary.problems


# ---- real files


@needs_data
def test_data_juicers_bytes(tmp_path: Path) -> None:
    samples = read(LAION / "data-juicer" / "demos__data__demo-dataset-images-bytes.parquet")

    assert [sample.status for sample in samples] == ["ok"] * 3
    assert all(
        bytes(sample.image or b"")[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0") for sample in samples
    )
    assert samples[0].sidecar.caption == "<__dj__image> A comfortable bed."


@needs_data
@pytest.mark.parametrize(
    ("name", "n"), [("test_1000", 1000), ("test_10000", 10_000), ("sample_image", 2)]
)
def test_img2datasets_lists_of_urls(name: str, n: int, tmp_path: Path) -> None:
    path = LAION / "img2dataset" / f"tests__test_files__{name}.parquet"

    (summary,) = scan([path], tmp_path / "store")

    assert (summary.n_rows, summary.status) == (n, {"ok": n})
    first = rows(tmp_path / "store", summary.shard)[0]
    assert str(first["url"]).startswith("http")


@needs_data
def test_archives_of_clip_retrieval_nemo_and_webdataset(tmp_path: Path) -> None:
    inputs = [LAION / "clip-retrieval", LAION / "Curator", LAION / "webdataset"]

    summaries = {summary.shard: summary for summary in scan(inputs, tmp_path / "store")}

    n_rows = {name.rpartition("__")[2]: summary.n_rows for name, summary in summaries.items()}
    assert {name: n_rows[name] for name in ("image1.tar", "image2.tar", "00000.tar")} == {
        "image1.tar": 4,
        "image2.tar": 3,
        "00000.tar": n_rows["00000.tar"],
    }
    assert all(summary.is_done for summary in summaries.values())
