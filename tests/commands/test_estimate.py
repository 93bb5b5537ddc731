"""Estimates from stores: the floor, its strata, and what a reader must know."""

from __future__ import annotations

import io

import pytest

import madaudit
from madaudit.errors import OptionError
from tests.commands.invoking import invoke
from tests.commands.store_building import (
    Item,
    composite,
    edit_json,
    generated,
    make_store,
    noise,
    page,
    photo,
    png,
    scan_into,
    write_shards,
)

_FIELDS = {"n", "p", "p_distinct", "tier", "tiers", "assumptions", "flags", "strata"}
_TIERS = {"floor", "detectable", "model_based", "adjudicated"}


def by(store, column, **options):
    """Stratum to (rows, point of its floor)."""
    strata = madaudit.estimate(store, by=[column], **options).strata
    return {s.by[column]: (s.tally.n, s.floor.all_marks.point) for s in strata}


def flags(store):
    return " | ".join(madaudit.estimate(store).flags)


def test_the_floor_of_a_census_is_the_exact_share_of_marked_samples(tmp_path):
    store = make_store(tmp_path, a=[generated(), photo(), photo()], b=[photo()])
    known = madaudit.estimate(store)
    assert (known.floor.all_marks.low, known.floor.all_marks.point) == (0.25, 0.25)
    assert (known.p.low, known.p.point, known.p.high) == (0.0, None, 0.75)


def test_json_has_the_fields_of_the_interface(tmp_path):
    content = invoke("estimate", make_store(tmp_path, a=[photo()]), "--json").json
    assert set(content) >= _FIELDS
    assert set(content["tiers"]) == _TIERS
    assert set(content["p"]) == {"low", "point", "high", "level"}
    assert set(content["tiers"]["floor"]) == {"low", "point", "high", "level", "validated"}
    assert content["tier"] == "floor"


def test_json_is_what_the_python_twin_returns(tmp_path):
    store = make_store(tmp_path, a=[generated(), photo()])
    content = invoke("estimate", store, "--by", "format,shard", "--json").json
    assert content == madaudit.estimate(store, by=["format", "shard"]).to_dict()


@pytest.mark.parametrize(("how", "share"), [("real", 0.25), ("synthetic", 0.75), ("apart", 0.5)])
def test_composites_count_as_asked(tmp_path, how, share):
    store = make_store(tmp_path, a=[generated(), composite(), composite(), photo()])
    content = invoke("estimate", store, "--composite", how, "--json").json
    assert content["tiers"]["floor"]["point"] == share
    assert content["composite_share"] == 0.5


def test_the_assumption_about_composites_is_said(tmp_path):
    store = make_store(tmp_path, a=[photo()])
    assert "left out of all shares" in madaudit.estimate(store, composite="apart").assumptions[-1]
    assert "count as real" in madaudit.estimate(store).assumptions[-1]


def test_an_unknown_way_to_count_composites_is_refused(tmp_path):
    with pytest.raises(OptionError, match="allowed: real, synthetic, apart"):
        madaudit.estimate(str(tmp_path), composite="half")


# --- strata ---------------------------------------------------------------------------------


def test_strata_by_shard_sum_to_the_whole(tmp_path):
    store = make_store(tmp_path, a=[generated(), photo()], b=[photo()])
    assert by(store, "shard") == {"a.tar": (2, 0.5), "b.tar": (1, 0.0)}


def test_strata_by_format_are_those_of_the_files(tmp_path):
    store = make_store(tmp_path, a=[generated(), photo(), photo(), page()])
    assert by(store, "format") == {"jpeg": (2, 0.0), "png": (1, 1.0), "": (1, 0.0)}


def test_strata_by_domain_are_hosts_in_lower_case_without_www(tmp_path):
    urls = [
        "https://www.Gen.example/1.png",
        "http://user:pw@gen.example:8080/2.png",
        "HTTPS://GEN.EXAMPLE?x=//other.example",
        None,
    ]
    store = make_store(tmp_path, a=[generated(url=url) for url in urls])
    assert by(store, "domain") == {"gen.example": (3, 1.0), "": (1, 1.0)}


def test_strata_are_listed_largest_first(tmp_path):
    store = make_store(tmp_path, a=[photo()], b=[photo()] * 3, c=[photo()] * 2)
    assert list(by(store, "shard")) == ["b.tar", "c.tar", "a.tar"]


def test_two_columns_make_one_stratum_for_each_pair(tmp_path):
    store = make_store(tmp_path, a=[generated(), photo()], b=[photo()])
    strata = madaudit.estimate(store, by=["shard", "format"]).strata
    assert [tuple(s.by.values()) for s in strata] == [
        ("a.tar", "jpeg"),
        ("a.tar", "png"),
        ("b.tar", "jpeg"),
    ]


def test_strata_beyond_the_most_that_are_kept_go_together(tmp_path, monkeypatch):
    monkeypatch.setattr("madaudit.commands.combined.MAX_STRATA", 2)
    store = make_store(tmp_path, **{name: [photo()] for name in "abcd"})
    assert by(store, "shard") == {
        "(further strata)": (2, 0.0),
        "a.tar": (1, 0.0),
        "b.tar": (1, 0.0),
    }


def test_an_unknown_column_lists_the_known_ones(tmp_path):
    store = make_store(tmp_path, a=[photo()])
    with pytest.raises(OptionError, match=r"allowed: shard, ordinal, .*format.*domain"):
        madaudit.estimate(store, by=["colour"])


# --- what a reader must know ----------------------------------------------------------------


def test_a_clean_census_raises_no_flag(tmp_path):
    assert madaudit.estimate(make_store(tmp_path, a=[photo()])).flags == ()


def test_unfinished_shards_are_counted_in_a_flag(tmp_path):
    store = make_store(tmp_path, a=[photo()], b=[photo()])
    (tmp_path / "store" / "shards" / "b.tar.json").unlink()
    assert "1 shard of 2 not finished and not counted" in flags(store)


def test_a_marker_of_another_plan_counts_as_unfinished(tmp_path):
    store = make_store(tmp_path, a=[photo()], b=[generated()])
    edit_json(tmp_path / "store" / "shards" / "b.tar.json", fingerprint="0" * 64)
    assert "1 shard of 2 not finished" in flags(store)
    assert madaudit.estimate(store).tally.n == 1


def test_marks_that_reencoding_removed_are_flagged_and_never_clean(tmp_path):
    copies = [Item(photo().data, url="https://a.example/1"), Item(png(), is_reencoded=True)]
    assert "marks of 50\u202f% of samples could not have been seen" in flags(
        make_store(tmp_path, a=copies)
    )


def test_files_without_any_metadata_are_flagged(tmp_path):
    assert "100\u202f% of samples carry no metadata at all" in flags(
        make_store(tmp_path, a=[Item(png(), ending="png")])
    )


def test_a_format_that_is_not_read_is_hidden_and_not_bare(tmp_path):
    buffer = io.BytesIO()
    noise().save(buffer, "BMP")
    bmp = Item(buffer.getvalue(), ending="bmp")
    tally = madaudit.estimate(make_store(tmp_path, a=[bmp, photo()])).tally
    assert (tally.hidden, tally.bare, tally.observable) == (1.0, 0.0, 1.0)


def test_weights_that_round_raise_no_flag(tmp_path):
    inputs = write_shards(tmp_path, **{name: [photo(), generated(), photo()] for name in "abc"})
    store = scan_into(tmp_path, inputs, sample=6)
    assert madaudit.estimate(store).flags == ()


def test_the_summary_names_p_composites_and_every_stratum(tmp_path):
    run = invoke("estimate", make_store(tmp_path, a=[generated(), photo()]), "--by", "shard")
    assert run.code == 0
    assert "p, the effective real fraction, is at most 50\u202f%" in run.out
    assert "a.tar: at least 50\u202f% of 2" in run.out


def test_escape_sequences_in_data_do_not_reach_the_terminal(tmp_path):
    store = make_store(tmp_path, a=[photo(url="https://a\x1b[31mb.example/1")])
    out = invoke("estimate", store, "--by", "domain").out
    assert "\x1b" not in out
    assert "a\\u001b[31mb.example" in out
