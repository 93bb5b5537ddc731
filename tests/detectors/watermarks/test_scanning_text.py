"""A scan of captioned images runs the text checks and keeps what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from madaudit.detectors.watermarks.text.green_lists import GreenLists
from madaudit.detectors.watermarks.text.seeding import PUBLIC_KEY, scheme_named
from madaudit.detectors.watermarks.text.writing import GreenMark
from madaudit.errors import RequestError
from tests.commands.store_building import photo, scan_into, write_shards
from tests.detectors.watermarks.text.marked_building import N_TOKENS, small_gpt2, written


def test_a_scan_keeps_the_p_value_of_every_caption_that_was_tested(tmp_path):
    mark = GreenMark(scheme_named("lefthash"), PUBLIC_KEY, GreenLists(N_TOKENS, 0.25), 4.0)
    captions = (written(90, 1, mark), written(90, 2), "a cat", None)
    inputs = write_shards(tmp_path, a=[photo(caption=caption) for caption in captions])
    store = scan_into(
        tmp_path,
        inputs,
        detectors=("greenlist", "invisible_characters"),
        options={"greenlist": {"tokenizer": str(small_gpt2(tmp_path / "gpt2"))}},
        engine="serial",
    )
    (file,) = Path(store, "scores").rglob("*.parquet")
    rows = pq.read_table(file).to_pylist()
    assert [row["greenlist_state"] for row in rows] == [
        *("present", "absent", "unobservable", "unobservable")
    ]
    details = [json.loads(row["greenlist_detail"]) for row in rows]
    assert details[0]["p_value"] < 1e-6 < details[1]["p_value"]
    assert "label" not in details[0]
    assert rows[0]["greenlist_score"] > 6
    assert {row["invisible_characters_state"] for row in rows} == {"absent", "unobservable"}


def test_a_scan_without_a_tokenizer_stops_before_any_work(tmp_path):
    inputs = write_shards(tmp_path, a=[photo(caption="a cat")])
    with pytest.raises(RequestError, match=r"greenlist\.tokenizer=PATH"):
        scan_into(tmp_path, inputs, detectors=("greenlist",), engine="serial")
    assert not list(tmp_path.rglob("*.parquet"))
