from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madaudit.limits import MAX_JSON_BYTES
from madaudit.shards import sidecar_table
from madaudit.shards.sidecar import COLUMNS, from_json, from_record, n_successes
from madaudit.shards.sidecar_table import SidecarTable
from madaudit.types import NO_SIDECAR, Sidecar

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
UNREADABLE = [
    b"",
    b"null",
    b"[1, 2]",
    b'"text"',
    b"7",
    b'{"url": "x"',
    b'{"url": "\xff\xfe"}',
    b"[" * 200_000,
    b'{"a":' * 200_000,
    b"9" * 10_000,
]


def img2dataset_record(**changes: Any) -> dict[str, Any]:
    """A record with the columns that img2dataset 1.47 writes, in its order."""
    record = {
        "url": "http://example.org/1.jpg",
        "caption": "a cat",
        "uid": "0123456789abcdef0123456789abcdef",
        "key": "000000001",
        "status": "success",
        "error_message": None,
        "width": 256,
        "height": 256,
        "original_width": 800,
        "original_height": 600,
        "exif": '{"Image Software": "GIMP"}',
        "sha256": "f" * 64,
    }
    return record | changes


def encoded(record: dict[str, Any]) -> bytes:
    return json.dumps(record, indent=4).encode()


def open_table(folder: Path, columns: dict[str, Any]) -> SidecarTable:
    path = folder / "00000.parquet"
    pq.write_table(pa.table(columns), path)
    return SidecarTable.open(str(path))


def test_an_img2dataset_record_is_read_whole() -> None:
    assert from_json(encoded(img2dataset_record()), None) == Sidecar(
        uid="0123456789abcdef0123456789abcdef",
        url="http://example.org/1.jpg",
        caption="a cat",
        sha256="f" * 64,
        exif='{"Image Software": "GIMP"}',
        reencoded=True,
    )


def test_a_record_without_new_dimensions_means_the_bytes_were_kept() -> None:
    record = img2dataset_record(width=None, height=None)

    assert from_json(encoded(record), None).reencoded is False


def test_a_record_of_another_pipeline_says_nothing_about_encoding() -> None:
    assert from_json(b'{"url": "u", "width": 256, "height": 256}', None).reencoded is None


def test_laion_columns_are_url_and_caption() -> None:
    record = {"SAMPLE_ID": 1, "URL": "u", "TEXT": "t", "WIDTH": 5, "similarity": 0.3}

    assert from_record(record, None) == Sidecar(url="u", caption="t")


def test_datacomp_text_is_the_caption() -> None:
    sidecar = from_record({"uid": "a" * 32, "url": "u", "text": "t"}, None)

    assert (sidecar.uid, sidecar.caption) == ("a" * 32, "t")


@pytest.mark.parametrize("text", ["from the .txt member", ""])
def test_the_txt_member_wins_over_the_caption_in_the_record(text: str) -> None:
    assert from_json(encoded(img2dataset_record()), text).caption == text


@pytest.mark.parametrize("data", UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_is_no_json_object_is_no_record(data: bytes) -> None:
    assert from_json(data, None) == NO_SIDECAR
    assert from_json(data, "caption") == Sidecar(caption="caption")


def test_values_of_the_wrong_type_are_left_out() -> None:
    record = {"url": 7, "caption": ["a"], "uid": {"x": 1}, "sha256": True, "exif": {"a": "b"}}

    assert from_json(encoded(record), None) == NO_SIDECAR


def test_half_a_surrogate_pair_does_not_reach_the_rows() -> None:
    sidecar = from_json(b'{"caption": "cut emoji \\ud83d", "url": "u/\\udc00"}', None)

    assert pa.array([sidecar.caption, sidecar.url]).to_pylist() == ["cut emoji ?", "u/?"]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.binary(max_size=60))
def test_bytes_of_any_kind_never_raise(data: bytes) -> None:
    assert isinstance(from_json(data, None), Sidecar)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True)
@given(record=st.dictionaries(st.sampled_from(COLUMNS), values))
def test_records_of_any_content_give_text_or_nothing(record: dict[str, Any]) -> None:
    sidecar = from_record(record, None)

    assert all(value is None or isinstance(value, str) for value in sidecar[:5])


def test_stats_say_how_many_samples_were_written() -> None:
    assert n_successes(b'{"count": 10, "successes": 8, "failed_to_download": 2}') == 8
    assert n_successes(b'{"successes": 0}') == 0


@pytest.mark.parametrize("data", [*UNREADABLE, b"{}", b'{"successes": -1}', b'{"successes": 1.5}'])
def test_stats_of_another_shape_say_nothing(data: bytes) -> None:
    assert n_successes(data) is None


def test_successes_that_are_no_number_say_nothing() -> None:
    assert n_successes(b'{"successes": true}') is None


def test_a_table_finds_records_by_key_in_any_order(tmp_path: Path) -> None:
    keys = [f"{n:09d}" for n in range(500)]
    random.Random(1).shuffle(keys)
    table = open_table(tmp_path, {"key": keys, "url": [f"u/{key}" for key in keys]})

    for key in keys:
        assert table.row(key) == {"key": key, "url": f"u/{key}"}


@pytest.mark.parametrize("key", ["", "0", "b", "zzz", "a\0", "aa"])
def test_a_table_has_no_record_for_other_keys(tmp_path: Path, key: str) -> None:
    table = open_table(tmp_path, {"key": ["a", "c"], "url": ["x", "y"]})

    assert table.row(key) is None


def test_a_repeated_key_gives_its_first_record(tmp_path: Path) -> None:
    table = open_table(tmp_path, {"key": ["b", "a", "a"], "url": ["1", "2", "3"]})

    row = table.row("a")

    assert row is not None
    assert row["url"] == "2"


def test_a_table_reads_only_the_columns_it_knows(tmp_path: Path) -> None:
    table = open_table(tmp_path, {"key": ["a"], "url": ["u"], "jpg": [b"\xff\xd8"]})

    assert table.row("a") == {"key": "a", "url": "u"}


def test_an_img2dataset_table_and_member_give_the_same_sidecar(tmp_path: Path) -> None:
    record = img2dataset_record()
    table = open_table(tmp_path, {name: [value] for name, value in record.items()})

    row = table.row("000000001")

    assert row is not None
    assert from_record(row, None) == from_json(encoded(record), None)


def test_a_table_without_file_is_empty(tmp_path: Path) -> None:
    assert SidecarTable.open(str(tmp_path / "none.parquet")).row("a") is None


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" * 40, b"not parquet at all"])
def test_a_broken_table_is_empty(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(data)

    assert SidecarTable.open(str(path)).row("a") is None


def test_a_table_with_damaged_pages_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"key": ["a"] * 500}), path)
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\xff" * 40 + data[44:])

    assert SidecarTable.open(str(path)).row("a") is None


@pytest.mark.parametrize(
    "columns",
    [
        {"url": ["u"]},
        {"key": [["a"], ["a", "b"]]},
        {"key": [{"x": 1}]},
        {"key": pa.array([], pa.string())},
        {"key": pa.nulls(3)},
        {"key": [b"\xff\xfe"]},
    ],
    ids=["no key", "lists", "structs", "no rows", "nulls", "bytes"],
)
def test_a_foreign_table_is_empty(tmp_path: Path, columns: dict[str, Any]) -> None:
    table = open_table(tmp_path, columns)

    assert table.row("a") is None
    assert table.row("None") is None


def test_a_table_that_names_a_column_twice_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    keys = pa.array(["a"])
    pq.write_table(pa.Table.from_arrays([keys, keys], names=["key", "key"]), path)

    assert SidecarTable.open(str(path)).row("a") is None


def test_a_table_of_integer_keys_is_found_by_their_digits(tmp_path: Path) -> None:
    table = open_table(tmp_path, {"key": [7, 12], "url": ["u7", "u12"]})

    assert table.row("12") is not None


def test_text_that_is_not_utf8_makes_one_record_unreadable(tmp_path: Path) -> None:
    offsets = pa.py_buffer(b"\0\0\0\0\2\0\0\0\3\0\0\0")
    bad = pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"\xff\xfeu"))
    table = open_table(tmp_path, {"key": ["a", "b"], "url": bad})

    assert table.row("a") is None
    assert table.row("b") == {"key": "b", "url": "u"}


def test_a_record_of_more_json_than_is_read_is_no_record() -> None:
    record = b'{"caption": "c", "url": "' + b"u" * MAX_JSON_BYTES + b'"}'

    assert from_json(record, None) == NO_SIDECAR
    assert from_json(record, "text") == Sidecar(caption="text")


def test_a_table_of_one_long_text_in_many_rows_takes_no_memory(tmp_path: Path) -> None:
    # A megabyte in the file, 4 GB as plain columns.
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), ["x" * (1 << 20)])
    before = pa.total_allocated_bytes()

    table = open_table(tmp_path, {"key": text, "caption": text})

    assert pa.total_allocated_bytes() - before < 16 << 20
    record = table.row("x" * (1 << 20))
    assert record is not None
    assert len(record["caption"]) == 1 << 20


@pytest.mark.parametrize("name", ["MAX_TABLE_ROWS", "MAX_TABLE_BYTES"])
def test_a_table_beyond_the_limit_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    columns = {"key": ["a", "b"]}
    assert open_table(tmp_path, columns).row("a") is not None
    monkeypatch.setattr(sidecar_table, name, 1)
    assert open_table(tmp_path, columns).row("a") is None
