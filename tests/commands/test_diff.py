"""`madaudit diff`: chance is called chance, a change a change, and samples find their copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import madaudit
from madaudit.commands import store_joins
from tests.commands.invoking import invoke
from tests.commands.store_building import (
    composite,
    generated,
    make_store,
    photo,
    scan_into,
    write_shards,
)


def names_that_differ(result):
    return {item.name for item in result.differences if item.before != item.after}


def named(result, name):
    (item,) = [item for item in result.differences if item.name == name]
    return item


def test_a_store_beside_itself_is_the_same_data_and_does_not_differ(tmp_path):
    store = make_store(tmp_path, a=[generated(), photo()], b=[photo(1)])
    result = madaudit.diff(store, store)
    assert (result.same_data, result.changed) == (True, False)
    assert names_that_differ(result) == set()
    assert all(item.p_value is None for item in result.differences)
    assert result.says == "The same data, and nothing differs."


def test_few_more_marks_are_chance_and_many_more_are_not(tmp_path):
    few, some, many = (
        make_store(
            tmp_path / str(n),
            a=[generated(k) for k in range(n)] + [photo(k) for k in range(n, 30)],
        )
        for n in (2, 4, 25)
    )
    chance, change = madaudit.diff(few, some), madaudit.diff(few, many)
    assert (chance.changed, change.changed) == (False, True)
    assert "Nothing differs by more than chance" in chance.says
    assert "marked synthetic: 6.67\u202f% became 83.3\u202f%" in change.says
    share = named(change, "marked synthetic")
    assert share.change.low > 0.5
    assert share.adjusted < 1e-6


def test_what_appeared_and_vanished_is_found_by_url(tmp_path):
    def at(n, make, **about):
        return make(n, url=f"https://x.example/{n}", **about)

    one = make_store(tmp_path / "1", a=[at(1, photo), at(2, photo), at(3, generated)])
    two = make_store(tmp_path / "2", b=[at(2, generated), at(3, generated), at(4, composite)])
    joined = madaudit.diff(one, two).joined
    assert (joined.by, joined.kept, joined.appeared, joined.vanished) == ("url", 2, 1, 1)
    assert joined.changed == {"unmarked → synthetic": 1}
    assert (joined.appeared_as, joined.vanished_as) == ({"composite": 1}, {"unmarked": 1})


def test_the_pixels_identify_a_sample_whatever_the_file_around_them(tmp_path):
    inputs = [
        write_shards(tmp_path / name, a=[photo(1, key=name), photo(2, key=name + "x")])
        for name in ("one", "two")
    ]
    stores = [scan_into(tmp_path / str(n), each, tier="pixels") for n, each in enumerate(inputs)]
    joined = madaudit.diff(*stores).joined
    assert (joined.by, joined.kept, joined.appeared) == ("content_digest", 2, 0)


def test_copies_in_one_store_count_once_by_their_strongest_mark(tmp_path):
    twice = [photo(1, url="https://x/1"), generated(1, url="https://x/1")]
    one = make_store(tmp_path / "1", a=twice)
    two = make_store(tmp_path / "2", a=twice[:1])
    joined = madaudit.diff(one, two).joined
    assert (joined.kept, joined.changed) == (1, {"synthetic → unmarked": 1})


def test_a_key_counts_with_its_shard(tmp_path):
    one = make_store(tmp_path / "1", a=[photo(1)], b=[photo(2)])
    two = make_store(tmp_path / "2", a=[photo(3)], c=[photo(4)])
    joined = madaudit.diff(one, two, join="key").joined
    assert (joined.kept, joined.appeared, joined.vanished) == (1, 1, 1)


def test_large_stores_are_joined_in_a_slice_and_scaled(tmp_path, monkeypatch):
    monkeypatch.setattr(store_joins, "MAX_JOINED_ROWS", 50)
    items = [photo(n % 3, url=f"https://x/{n}") for n in range(400)]
    one = make_store(tmp_path / "1", a=items)
    two = make_store(tmp_path / "2", a=items[:200])
    joined = madaudit.diff(one, two).joined
    assert joined.one_in == 8
    # A 1-in-8 slice of 200: 4 standard errors of the scaled count are 106.
    assert abs(joined.kept - 200) < 106
    assert abs(joined.vanished - 200) < 106
    assert joined.appeared == 0


def test_nothing_is_joined_where_nothing_identifies_or_nobody_asks(tmp_path):
    one = make_store(tmp_path / "1", a=[photo(1)])
    assert madaudit.diff(one, one, join="none").joined is None
    assert (
        "'urk' does not exist (known: auto, none" in invoke("diff", one, one, "--join", "urk").err
    )


def test_other_detectors_are_named_and_not_compared(tmp_path):
    inputs = write_shards(tmp_path, a=[generated(), photo()])
    one = scan_into(tmp_path / "1", inputs, detectors=["a1111", "c2pa"])
    two = scan_into(tmp_path / "2", inputs, detectors=["a1111", "iptc"])
    result = madaudit.diff(one, two)
    assert result.detectors == {
        "compared": ["a1111"],
        "only_before": ["c2pa"],
        "only_after": ["iptc"],
        "other_version": [],
    }
    assert "not compared, ran after alone: iptc" in invoke("diff", one, two).out


def test_another_version_or_other_options_of_a_detector_are_not_compared(tmp_path):
    inputs = write_shards(tmp_path, a=[generated(), photo()])
    names = ["a1111", "constant"]
    one, two = (
        scan_into(tmp_path / str(n), inputs, detectors=names, options={"constant": {"score": n}})
        for n in (1.0, 2.0)
    )
    assert madaudit.diff(one, one).detectors["compared"] == names
    assert madaudit.diff(one, two).detectors["other_version"] == ["constant"]


def test_no_detector_in_common_is_refused(tmp_path):
    inputs = write_shards(tmp_path, a=[photo()])
    one = scan_into(tmp_path / "1", inputs, detectors=["a1111"])
    two = scan_into(tmp_path / "2", inputs, detectors=["iptc"])
    run = invoke("diff", one, two)
    assert (run.code, run.out) == (2, "")
    assert "no detector ran in both stores" in run.err


def test_scores_of_graded_detectors_are_compared(tmp_path):
    stores = [
        scan_into(
            tmp_path / str(n), write_shards(tmp_path / str(n), a=items), detectors=["constant"]
        )
        for n, items in enumerate(([photo(k) for k in range(30)], [photo(k) for k in range(31)]))
    ]
    same = named(madaudit.diff(*stores), "constant scores")
    assert (same.after, same.adjusted) == (0.5, 1.0)
    sketch = Path(stores[1]) / "sketches/a.tar.npz"
    counts = dict(np.load(sketch))
    counts["constant_scores"][:-1] = np.roll(counts["constant_scores"][:-1], 100)
    np.savez(sketch, **counts)
    moved = named(madaudit.diff(*stores), "constant scores")
    assert (moved.after, moved.effect) == (1.0, 1.0)
    assert moved.adjusted < 1e-6


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_the_output_is_the_twins(tmp_path, words):
    one = make_store(tmp_path / "1", a=[photo(), generated()])
    two = make_store(tmp_path / "2", a=[photo(5), photo(6)])
    run = invoke("diff", one, two, *words)
    result = madaudit.diff(one, two)
    assert run.code == 0
    if words:
        assert run.json == result.to_dict()
    else:
        assert run.out.startswith(result.says)
        assert "assumes: each data set is taken as draws" in run.out
