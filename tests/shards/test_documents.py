"""Documents: JSON lines, packed or not, and tables with a text column."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import madaudit
from madaudit.shards import OpenShard, load_reader
from madaudit.shards.locate import locate
from madaudit.types import Sample
from tests.scanning.data_building import scan
from tests.shards.table_building import (
    HOSTILE_KEYS,
    document_columns,
    document_lines,
    write_lines,
    write_table,
)


def open_one(path: Path) -> OpenShard:
    (shard,) = locate([str(path)]).shards
    return load_reader(shard.reader).open(shard)


def read(path: Path) -> list[Sample]:
    with open_one(path) as source:
        return list(source.samples())


@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.json.gz", "a.ndjson", "a.parquet"]
)
def test_every_form_gives_the_same_documents(name: str, tmp_path: Path) -> None:
    if name.endswith(".parquet"):
        write_table(tmp_path / name, document_columns(5))
    else:
        write_lines(tmp_path / name, document_lines(5))

    sample = read(tmp_path / name)[3]

    assert sample.text == "Once there was a page, number 3."
    assert sample.key == "<urn:uuid:3>"
    assert sample.sidecar.url == "https://c.example/3"
    assert (sample.image, sample.status, sample.size) == (None, "ok", len(sample.text))


def test_files_of_several_packed_parts_are_read_to_the_end(tmp_path: Path) -> None:
    one = write_lines(tmp_path / "a.jsonl.gz", document_lines(3)).read_bytes()
    (tmp_path / "a.jsonl.gz").write_bytes(one + one)

    assert len(read(tmp_path / "a.jsonl.gz")) == 6


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b'{"text": "cut', "no JSON"),
        (b"[1, 2]", "a JSON list; allowed: an object a line"),
        (b'{"id": 7, "words": "x"}', "no text in it; fields seen: id, words; looked for: text"),
        (b'{"text": null}', "no text in it"),
        (b'{"text": 5}', "no text in it"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_a_broken_line_is_a_row_between_its_neighbours(
    line: bytes, error: str, tmp_path: Path
) -> None:
    good = document_lines(2)
    write_lines(tmp_path / "a.jsonl", [good[0], line, good[1]])

    samples = read(tmp_path / "a.jsonl")

    assert [sample.status for sample in samples] == ["ok", "decode_error", "ok"]
    assert error in str(samples[1].error)
    assert len(str(samples[1].error)) < 400


def test_a_line_beyond_the_limit_is_skipped_and_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madaudit.shards.lines.MAX_LINE_BYTES", 100)
    monkeypatch.setattr("madaudit.shards.lines._BUFFER_BYTES", 64)
    long = json.dumps({"text": "x" * 1000}).encode()
    write_lines(tmp_path / "a.jsonl", [b'{"text": "a"}', long, b'{"text": "b"}'])

    samples = read(tmp_path / "a.jsonl")

    assert [sample.status for sample in samples] == ["ok", "too_large", "ok"]
    assert samples[1].error == f"a line of {len(long) + 1} bytes; at most 100 are read"
    assert samples[2].text == "b"


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\n{"text": "a"}\r\n\n  \n{"text": "b"}')

    assert [sample.text for sample in read(tmp_path / "a.jsonl")] == ["a", "b"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_a_cut_packing_gives_the_rows_before_it(name: str, tmp_path: Path) -> None:
    # Text that does not pack well, so that whole lines stand before the cut.
    lines = [json.dumps({"text": str(hash(str(i)) ** 9)}).encode() for i in range(20_000)]
    path = write_lines(tmp_path / "in" / name, lines)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])

    (summary,) = scan([tmp_path / "in"], tmp_path / "store")

    assert 0 < summary.n_rows < 20_000
    (problem,) = summary.problems
    assert problem.message.startswith(f"reading stopped behind line {summary.n_rows}")


def test_hostile_keys_and_half_characters_are_kept_as_text(tmp_path: Path) -> None:
    lines = [json.dumps({"text": "x", "id": key}).encode() for key in HOSTILE_KEYS]
    write_lines(tmp_path / "a.jsonl", [*lines, b'{"text": "half \\ud800", "id": "\\udfff"}'])

    samples = read(tmp_path / "a.jsonl")

    keys = [key or "000000003" for key in HOSTILE_KEYS]
    assert [sample.key for sample in samples] == [*keys, "?"]
    assert samples[-1].text == "half ?"


def test_the_url_may_stand_in_the_metadata(tmp_path: Path) -> None:
    line = json.dumps({"text": "a", "metadata": {"url": "https://e.example/"}}).encode()
    write_lines(tmp_path / "a.jsonl", [line])

    assert read(tmp_path / "a.jsonl")[0].sidecar.url == "https://e.example/"


def test_a_null_text_in_a_table_is_a_row_with_a_status(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", {"text": ["a", None], "id": ["0", "1"]})

    assert [sample.status for sample in read(tmp_path / "a.parquet")] == ["ok", "decode_error"]


def test_lines_are_read_from_a_remote_place_too(tmp_path: Path) -> None:
    import fsspec

    data = write_lines(tmp_path / "a.jsonl.gz", document_lines(3)).read_bytes()
    with fsspec.open("memory://tests-documents/a.jsonl.gz", "wb") as file:
        file.write(data)
    try:
        result = madaudit.scan("memory://tests-documents", str(tmp_path / "s"), engine="serial")
    finally:
        fsspec.filesystem("memory").rm("/tests-documents", recursive=True)

    assert (result.rows, result.problems) == (3, [])


# ---- tab-separated metadata


@pytest.mark.parametrize(
    ("lines", "url", "caption"),
    [
        ([b"a cat\thttps://a/1.jpg", b"a dog\thttps://a/2.jpg"], "https://a/2.jpg", "a dog"),
        ([b"https://a/1.jpg\ta cat", b"https://a/2.jpg\ta dog"], "https://a/2.jpg", "a dog"),
        ([b"https://a/1.jpg", b"https://a/2.jpg"], "https://a/2.jpg", None),
    ],
)
def test_two_columns_without_a_header_are_told_by_the_url(
    lines: list[bytes], url: str, caption: str | None, tmp_path: Path
) -> None:
    write_lines(tmp_path / "a.tsv", lines)

    samples = read(tmp_path / "a.tsv")

    assert len(samples) == 2
    assert (samples[1].sidecar.url, samples[1].sidecar.caption) == (url, caption)


def test_a_header_names_the_columns_and_is_no_row(tmp_path: Path) -> None:
    lines = [b"id\tURL\tTEXT", b"7\thttps://a/\ta cat", b"8\thttps://b/"]
    write_lines(tmp_path / "a.tsv.gz", lines)

    whole, short = read(tmp_path / "a.tsv.gz")

    assert (whole.key, whole.sidecar.url, whole.sidecar.caption) == ("7", "https://a/", "a cat")
    assert (short.status, short.error) == ("decode_error", "2 columns; at least 3 are needed")
    with open_one(tmp_path / "a.tsv.gz") as source:
        assert source.count() == 2


def test_a_table_of_something_else_has_only_broken_rows(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.tsv", [b"1\t2\t3", b"4\t5\t6"])

    samples = read(tmp_path / "a.tsv")

    assert [sample.status for sample in samples] == ["decode_error"] * 2
    assert "neither names a url column" in str(samples[0].error)
