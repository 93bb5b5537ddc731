"""Rows out = samples in, whatever is wrong with them."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from tests.scanning.data_building import jpeg, marked_png, rows, samples, scan, write_tar


def test_ten_percent_truncated_images_give_a_row_each(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", samples(100))
    (summary,) = scan([tmp_path / "a.tar"], tmp_path / "store")
    assert summary.n_rows == summary.n_samples == 100
    assert summary.status == {"ok": 90, "truncated": 10}
    assert summary.n_hits == 10


def test_a_file_that_is_no_image_gives_a_row_and_no_verdict(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", [("1.jpg", b"<html>404</html>"), ("2.jpg", jpeg())])
    scan([tmp_path / "a.tar"], tmp_path / "store")
    first, second = rows(tmp_path / "store", "a.tar")
    assert (first["status"], first["c2pa_state"]) == ("not_an_image", "missing")
    assert (second["status"], second["c2pa_state"]) == ("ok", "absent")


def test_a_shard_cut_at_half_keeps_its_rows_and_leaves_others_alone(tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "in" / "a.tar", samples(40))
    cut = write_tar(tmp_path / "in" / "b.tar", samples(40))
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    by_name = {s.shard: s for s in scan([tmp_path / "in"], tmp_path / "store")}
    assert by_name["a.tar"].n_rows == 40
    assert not by_name["a.tar"].problems
    assert by_name["b.tar"].n_rows == by_name["b.tar"].n_samples < 40
    assert by_name["b.tar"].problems[0].offset == cut.stat().st_size
    assert whole.exists()


def test_an_empty_archive_gives_no_row_and_no_problem(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", [])
    (summary,) = scan([tmp_path / "a.tar"], tmp_path / "store")
    assert (summary.n_rows, summary.problems, summary.is_done) == (0, (), True)
    assert rows(tmp_path / "store", "a.tar") == []


def test_two_shards_of_one_name_in_two_folders_are_both_kept(tmp_path: Path) -> None:
    write_tar(tmp_path / "a" / "00000.tar", samples(5))
    write_tar(tmp_path / "b" / "00000.tar", samples(7))
    done = scan([tmp_path / "a" / "00000.tar", tmp_path / "b" / "00000.tar"], tmp_path / "store")
    assert {s.shard: s.n_rows for s in done} == {"a/00000.tar": 5, "b/00000.tar": 7}


def test_a_key_that_repeats_inside_a_shard_gives_two_rows(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", [("x.jpg", jpeg(1)), ("x.jpg", jpeg(2)), ("y.jpg", jpeg(3))])
    scan([tmp_path / "a.tar"], tmp_path / "store")
    found = rows(tmp_path / "store", "a.tar")
    assert [(row["ordinal"], row["key"]) for row in found] == [(0, "x"), (1, "x"), (2, "y")]
    assert found[0]["offset"] != found[1]["offset"]


def test_a_mark_before_the_cut_is_found_in_a_truncated_image(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", [("1.png", marked_png(side=200)[:-50])])
    scan([tmp_path / "a.tar"], tmp_path / "store")
    (row,) = rows(tmp_path / "store", "a.tar")
    assert (row["status"], row["a1111_state"], row["c2pa_state"]) == (
        "truncated",
        "present",
        "missing",
    )


def test_decoding_finds_damage_that_structure_does_not_show(tmp_path: Path) -> None:
    damaged = bytearray(marked_png(side=64))
    place = damaged.index(b"IDAT") + 300
    damaged[place : place + 200] = b"\0" * 200
    write_tar(tmp_path / "a.tar", [("1.png", bytes(damaged)), ("2.jpg", jpeg())])
    (headers,) = scan([tmp_path / "a.tar"], tmp_path / "one")
    (pixels,) = scan([tmp_path / "a.tar"], tmp_path / "two", tier="pixels")
    assert headers.status == {"ok": 2}
    assert pixels.status == {"decode_error": 1, "ok": 1}


def test_an_image_with_too_many_pixels_is_recorded_and_not_decoded(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", [("1.jpg", jpeg(side=100)), ("2.jpg", jpeg(side=50))])
    (summary,) = scan([tmp_path / "a.tar"], tmp_path / "store", tier="pixels", max_pixels=5000)
    assert summary.status == {"too_large": 1, "ok": 1}


def test_text_that_no_encoding_allows_is_stored_all_the_same(tmp_path: Path) -> None:
    record = b'{"url": "https://x.example/\\ud800", "caption": "half \\udfff"}'
    write_tar(tmp_path / "a.tar", [("1.jpg", jpeg()), ("1.json", record)])
    scan([tmp_path / "a.tar"], tmp_path / "store")
    assert rows(tmp_path / "store", "a.tar")[0]["caption"] == "half ?"


def test_statuses_and_states_of_the_summary_are_those_of_the_rows(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", samples(60))
    (summary,) = scan([tmp_path / "a.tar"], tmp_path / "store")
    table = pq.read_table(tmp_path / "store" / "scores" / "a.tar.parquet")
    assert Counter(table.column("status").to_pylist()) == summary.status
    assert Counter(table.column("a1111_state").to_pylist()) == summary.states["a1111"]


def test_reencoded_images_are_unobservable_and_their_exif_column_is_read(tmp_path: Path) -> None:
    record = (
        b'{"url": "u", "status": "success", "width": 64, "height": 64, "original_width": 9, '
        b'"exif": "{\\"Image Software\\": \\"AI generated;txt2img;flux\\"}"}'
    )
    write_tar(tmp_path / "a.tar", [("1.jpg", jpeg()), ("1.json", record)])
    scan([tmp_path / "a.tar"], tmp_path / "store")
    (row,) = rows(tmp_path / "store", "a.tar")
    assert (row["exif_software_state"], row["c2pa_state"]) == ("present", "unobservable")
    assert row["reencoded"] is True


def test_long_texts_are_cut_as_they_come(tmp_path: Path) -> None:
    # Thousands of rows wait for each other; uncut, these are 150 MB.
    caption = b"x" * (1 << 20)
    members = [
        (f"{n}.{kind}", data)
        for n in range(150)
        for kind, data in (("jpg", b""), ("txt", caption))
    ]
    write_tar(tmp_path / "a.tar", members)
    tracemalloc.start()
    try:
        scan([tmp_path / "a.tar"], tmp_path / "store")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 << 20
    assert {len(str(row["caption"])) for row in rows(tmp_path / "store", "a.tar")} == {4096}
