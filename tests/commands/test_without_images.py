"""Stores of data sets without images: what every command says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import madaudit
from tests.commands.invoking import invoke, scan_serially
from tests.commands.store_building import photo, write_shard
from tests.detectors.probes.probe_building import write_probe
from tests.shards.table_building import (
    document_lines,
    metadata_columns,
    write_embeddings,
    write_lines,
    write_table,
)

KINDS = ["metadata", "documents", "embeddings"]


def make_store(kind: str, folder: Path) -> Path:
    if kind == "metadata":
        write_table(folder / "in" / "a.parquet", metadata_columns(5))
    elif kind == "documents":
        write_lines(folder / "in" / "a.jsonl", [*document_lines(4), b"{"])
    else:
        write_embeddings(folder / "in", 5)
    scan_serially(folder / "in", "-o", folder / "store")
    return folder / "store"


@pytest.mark.parametrize("kind", KINDS)
def test_the_floor_of_a_data_set_without_images_says_that_it_says_nothing(
    kind: str, tmp_path: Path
) -> None:
    known = madaudit.estimate(str(make_store(kind, tmp_path)))

    assert (known.floor.all_marks.low, known.p.high) == (0.0, 1.0)
    assert any("Not one sample could have shown a mark" in flag for flag in known.flags)
    assert any("of rows have no image" in flag for flag in known.flags)


@pytest.mark.parametrize("kind", KINDS)
def test_the_report_answers_with_what_could_not_be_seen(kind: str, tmp_path: Path) -> None:
    store = make_store(kind, tmp_path)

    answer = madaudit.report(str(store)).answer
    twin = json.loads((store / "report" / "summary.json").read_text())

    assert answer.startswith("Not one sample could have shown a mark")
    assert twin["observability"][-1]["share"] == 1.0


def test_a_broken_document_is_no_row_without_an_image_but_a_fault(tmp_path: Path) -> None:
    known = madaudit.estimate(str(make_store("documents", tmp_path)))

    assert known.tally.broken == 1
    assert any("80\u202f% of rows have no image" in flag for flag in known.flags)


@pytest.mark.parametrize("kind", KINDS)
def test_explain_and_verify_work(kind: str, tmp_path: Path) -> None:
    store = make_store(kind, tmp_path)
    key = {"metadata": "1001", "documents": "<urn:uuid:1>", "embeddings": "000000001"}[kind]

    shown = invoke("explain", store, "--key", key)
    checked = invoke("verify", store)

    assert (shown.code, checked.code) == (0, 0)
    assert "no image" in shown.out


def test_a_mixed_data_set_says_for_how_many_rows_there_is_no_image(tmp_path: Path) -> None:
    write_shard(tmp_path / "in" / "a.tar", [photo(i) for i in range(5)])
    write_table(tmp_path / "in" / "b.parquet", metadata_columns(5))
    scan_serially(tmp_path / "in", "-o", tmp_path / "store")

    flags = madaudit.estimate(str(tmp_path / "store")).flags

    assert any(flag.startswith("50\u202f% of rows have no image") for flag in flags)
    assert not any("Not one sample" in flag for flag in flags)


def test_a_format_is_part_of_the_command_that_the_report_gives(tmp_path: Path) -> None:
    write_table(tmp_path / "in" / "a.parquet", {"url": ["https://a/"], "text": ["x"]})
    refused = scan_serially(tmp_path / "in", "-o", tmp_path / "store")
    scan_serially(tmp_path / "in", "-o", tmp_path / "store", "--format", "documents")

    invoke("report", tmp_path / "store")
    twin = (tmp_path / "store" / "report" / "summary.json").read_text()

    assert refused.code == 2
    assert "say which with --format" in refused.err
    assert "--format documents" in twin


def test_a_scan_says_why_a_graded_detector_scored_nothing(tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra onnx)")
    (tmp_path / "texts.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    options = [f"--option=clip_probe.{k}={v}" for k, v in write_probe(tmp_path).items()]
    asked = ["--detectors", "clip_probe", "--tier", "model", *options]
    run = invoke("scan", str(tmp_path / "texts.jsonl"), "-o", str(tmp_path / "store"), *asked)
    assert "clip_probe scored not one sample" in run.out
    assert "2 samples: cannot be scored: a text has no pixels" in run.out
    again = invoke(
        "scan", str(tmp_path / "texts.jsonl"), "-o", str(tmp_path / "store"), *asked, "--json"
    )
    assert again.json["unscored"] == {"clip_probe": {"cannot be scored: a text has no pixels": 2}}
