"""Explaining: every row of a key, in words."""

from __future__ import annotations

import pytest

import madaudit
from madaudit.errors import StoreError
from tests.commands.invoking import invoke
from tests.commands.store_building import Item, generated, make_store, page, photo, png


def places(rows):
    return [(row["shard"], row["ordinal"]) for row in rows]


def test_a_key_is_found_in_every_shard(tmp_path):
    store = make_store(tmp_path, a=[photo(), photo()], b=[photo(), generated()])
    rows = madaudit.explain(store, key="000000001").rows
    assert places(rows) == [("a.tar", 1), ("b.tar", 1)]


def test_a_key_is_found_twice_within_one_shard(tmp_path):
    items = [photo(key="x"), photo(key="y"), generated(key="x")]
    rows = madaudit.explain(make_store(tmp_path, a=items), key="x").rows
    assert places(rows) == [("a.tar", 0), ("a.tar", 2)]
    assert [row["evidence"]["a1111"]["state"] for row in rows] == ["absent", "present"]


def test_a_shard_narrows_the_search(tmp_path):
    store = make_store(tmp_path, a=[photo()], b=[photo()])
    rows = madaudit.explain(store, key="000000000", shard="b.tar").rows
    assert places(rows) == [("b.tar", 0)]


def test_a_key_that_is_nowhere_is_refused(tmp_path):
    store = make_store(tmp_path, a=[photo()])
    with pytest.raises(StoreError, match="keys are file names without their ending"):
        madaudit.explain(store, key="000000000.jpg")


def test_evidence_says_why_in_words_and_in_detail(tmp_path):
    store = make_store(tmp_path, a=[generated(model="dream")])
    (row,) = madaudit.explain(store, key="000000000").rows
    evidence = row["evidence"]["a1111"]
    assert evidence["says"].startswith("Automatic1111 with model dream: text-to-image")
    assert evidence["detail"]["label"] == "synthetic"
    assert row["evidence"]["iptc"] == {
        "state": "absent",
        "score": None,
        "says": "looked, nothing there",
        "detail": None,
    }


@pytest.mark.parametrize(
    ("item", "state", "words"),
    [
        (page(), "missing", "the check failed"),
        (Item(png(), ending="png", is_reencoded=True), "unobservable", "could not have been seen"),
        (photo(), "absent", "looked, nothing there"),
    ],
)
def test_each_state_has_its_words(tmp_path, item, state, words):
    (row,) = madaudit.explain(make_store(tmp_path, a=[item]), key="000000000").rows
    assert row["evidence"]["a1111"]["state"] == state
    assert words in row["evidence"]["a1111"]["says"]


def test_json_is_what_the_python_twin_returns(tmp_path):
    store = make_store(tmp_path, a=[generated(caption="a cat", url="https://a.example/1")])
    content = invoke("explain", store, "--key", "000000000", "--json").json
    assert content == madaudit.explain(store, key="000000000").to_dict()
    assert content["rows"][0]["caption"] == "a cat"


def test_a_broken_sample_shows_its_status_and_error(tmp_path):
    out = invoke("explain", make_store(tmp_path, a=[page()]), "--key", "000000000").out
    assert "not_an_image: no image format that is known" in out


def test_escape_sequences_in_data_do_not_reach_the_terminal(tmp_path):
    hostile = "\x1b]0;owned\x07\u202e"
    item = generated(key=f"k{hostile}", caption=hostile, url=f"https://a.example/{hostile}")
    run = invoke("explain", make_store(tmp_path, a=[item]), "--key", f"k{hostile}")
    assert run.code == 0
    assert not {"\x1b", "\x07", "\u202e"} & set(run.out)
    assert "k\\u001b]0;owned\\u0007\\u202e" in run.out
