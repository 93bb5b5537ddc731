"""`madaudit filter`: lists of what stays, and why the rest goes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import madaudit
from madaudit.errors import InputError, OptionError, RequestError, StoreError
from tests.commands.invoking import invoke
from tests.commands.store_building import (
    composite,
    generated,
    make_store,
    page,
    photo,
    scan_into,
    write_shards,
)
from tests.hooks.posterior_building import CALIBRATION, write_posteriors

INF = float("inf")


@pytest.fixture
def store(tmp_path):
    """Shard a: real, marked, composite, no image; shard b: real, marked."""
    return make_store(
        tmp_path,
        a=[photo(0, url="https://x.example/0"), generated(1), composite(2), page()],
        b=[photo(4, key="b4", url="https://x.example/4"), generated(5, key="b5")],
    )


def keys(path):
    return path.read_text().splitlines()


def test_without_a_rule_marked_samples_go(store, tmp_path):
    result = madaudit.filter(store, output=str(tmp_path / "kept.txt"))
    assert keys(tmp_path / "kept.txt") == ["000000000", "000000002", "000000003", "b4"]
    assert (result.kept, result.dropped, result.reasons) == (4, 2, {"marked by a1111": 2})


def test_json_has_what_the_interface_promises(store, tmp_path):
    run = invoke("filter", store, "-o", tmp_path / "kept.txt", "--json")
    assert run.code == 0
    assert (run.json["kept"], run.json["dropped"]) == (4, 2)
    assert run.json["reasons"] == {"marked by a1111": 2}


def test_a_cut_drops_at_and_above_and_keeps_what_has_no_score(store, tmp_path):
    write_posteriors(store, {"a.tar": [1.0, INF, 0.99, None], "b.tar": [-3.0, INF]})
    result = madaudit.filter(store, output=str(tmp_path / "kept.txt"), cut=1.0)
    assert keys(tmp_path / "kept.txt") == ["000000002", "000000003", "b4"]
    assert result.reasons == {"marked by a1111": 2, "score at or above the cut": 1}
    assert result.unscored == 1


def test_a_marked_sample_goes_by_a_cut_whatever_its_score(store, tmp_path):
    write_posteriors(store, {"a.tar": [0.0, -5.0, 0.0, 0.0], "b.tar": [0.0, None]})
    result = madaudit.filter(store, output=str(tmp_path / "kept.txt"), cut=1.0)
    assert result.reasons == {"marked by a1111": 2}


def test_a_cut_without_posteriors_is_refused_with_what_to_run(store, tmp_path):
    with pytest.raises(StoreError, match=r"estimate .* --calibration DIR"):
        madaudit.filter(store, output=str(tmp_path / "kept.txt"), cut=1.0)
    assert not (tmp_path / "kept.txt").exists()


def test_posteriors_that_are_not_whole_do_not_count(store, tmp_path):
    write_posteriors(store, {"a.tar": [0.0] * 4, "b.tar": [0.0] * 2})
    (tmp_path / "store" / "posteriors" / CALIBRATION[:16] / "estimate.json").unlink()
    with pytest.raises(StoreError, match="no posteriors"):
        madaudit.filter(store, output=str(tmp_path / "kept.txt"), cut=1.0)


def test_two_sets_of_posteriors_are_not_guessed_between(store, tmp_path):
    for name in ("a" * 64, "b" * 64):
        write_posteriors(store, {"a.tar": [0.0] * 4, "b.tar": [0.0] * 2}, calibration=name)
    with pytest.raises(StoreError, match="which posteriors"):
        madaudit.filter(store, output=str(tmp_path / "kept.txt"), cut=1.0)


def test_posteriors_of_other_rows_are_refused(store, tmp_path):
    write_posteriors(store, {"a.tar": [0.0] * 3, "b.tar": [0.0] * 2})
    with pytest.raises(StoreError, match="lacks rows"):
        madaudit.filter(store, output=str(tmp_path / "kept.txt"), cut=1.0)


def test_a_predicate_keeps_what_matches_and_counts_nulls_apart(store, tmp_path):
    pytest.importorskip("duckdb", reason="duckdb is not installed: --where runs in DuckDB")
    result = madaudit.filter(
        store, output=str(tmp_path / "kept.txt"), where="format = 'jpeg' -- photos"
    )
    assert keys(tmp_path / "kept.txt") == ["000000000", "000000002", "b4"]
    assert result.reasons == {
        "does not match --where": 2,
        "--where says nothing of it (NULL)": 1,
    }


def test_a_predicate_may_ask_for_the_verdict_and_the_posterior(store, tmp_path):
    pytest.importorskip("duckdb", reason="duckdb is not installed: --where runs in DuckDB")
    write_posteriors(store, {"a.tar": [4.0, INF, 0.0, None], "b.tar": [-3.0, INF]})
    madaudit.filter(
        store,
        output=str(tmp_path / "kept.txt"),
        where="verdict IS DISTINCT FROM 'synthetic' AND p_synthetic < 0.6",
    )
    assert keys(tmp_path / "kept.txt") == ["000000002", "b4"]


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("widht > 3", "columns: shard, ordinal"),
        ("1 = 1); SELECT (2", "more than one statement|not one expression"),
        ("true), (false", "not one expression|WHERE|Parser|syntax"),
        ("count(*) > 1", "cannot contain aggregates"),
        ("row_number() OVER () > 1", "cannot contain window"),
        ("(SELECT count(*) FROM read_text('/etc/passwd')) = 0", "disabled"),
        ("(SELECT count(*) FROM '/etc/passwd') = 0", "does not exist|disabled"),
    ],
)
def test_a_predicate_that_is_none_or_leaves_the_rows_is_refused(store, tmp_path, where, says):
    pytest.importorskip("duckdb", reason="duckdb is not installed: --where runs in DuckDB")
    with pytest.raises(OptionError, match=says):
        madaudit.filter(store, output=str(tmp_path / "kept.txt"), where=where)


def test_rejects_tell_each_drop_in_words(store, tmp_path):
    madaudit.filter(
        store, output=str(tmp_path / "kept.txt"), rejects=str(tmp_path / "rejects.parquet")
    )
    rows = pq.read_table(tmp_path / "rejects.parquet").to_pylist()
    assert [(row["shard"], row["ordinal"], row["reason"]) for row in rows] == [
        ("a.tar", 1, "marked by a1111"),
        ("b.tar", 1, "marked by a1111"),
    ]
    assert "demo" in rows[0]["says"]


def test_a_list_of_urls_leaves_out_and_counts_rows_without_one(store, tmp_path):
    result = madaudit.filter(store, output=str(tmp_path / "urls.txt"), column="url")
    assert keys(tmp_path / "urls.txt") == ["https://x.example/0", "https://x.example/4"]
    assert (result.kept, result.unnamed) == (4, 2)


def test_a_parquet_list_has_the_rows_identity(store, tmp_path):
    madaudit.filter(store, output=str(tmp_path / "kept.parquet"))
    rows = pq.read_table(tmp_path / "kept.parquet").to_pylist()
    assert rows[-1] == {"shard": "b.tar", "ordinal": 0, "key": "b4"}


def test_a_key_with_a_line_break_does_not_become_two(tmp_path):
    store = make_store(tmp_path, a=[photo(0, key="x\ny")])
    with pytest.raises(InputError, match="line break"):
        madaudit.filter(store, output=str(tmp_path / "kept.txt"))
    madaudit.filter(store, output=str(tmp_path / "kept.parquet"))
    assert pq.read_table(tmp_path / "kept.parquet").column("key").to_pylist() == ["x\ny"]


def test_weights_follow_the_posterior_and_drop_nothing(store, tmp_path):
    write_posteriors(store, {"a.tar": [0.0, INF, -5.0, None], "b.tar": [5.0, INF]})
    (tmp_path / "policy.yaml").write_text("version: 1\ncut: {score: 0}\nweight: {real: 3}\n")
    result = madaudit.filter(
        store,
        output=str(tmp_path / "rows.parquet"),
        to="parquet",
        policy=str(tmp_path / "policy.yaml"),
        weights=True,
    )
    table = pq.read_table(tmp_path / "rows.parquet")
    assert result.dropped == 0
    # Posteriors 0.5, 1, 0, that of the data set (0.25), 1, 1.
    assert table.column("weight").to_pylist() == pytest.approx([2.0, 1.0, 3.0, 2.5, 1.0, 1.0])


def test_a_policy_without_a_cut_drops_nothing(store, tmp_path):
    (tmp_path / "policy.yaml").write_text("version: 1\ncut: null\n")
    result = madaudit.filter(
        store, output=str(tmp_path / "kept.txt"), policy=str(tmp_path / "policy.yaml")
    )
    assert (result.kept, result.dropped) == (6, 0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cut": 1.0, "policy": "p.yaml"}, "give one"),
        ({"policy": "nowhere.yaml"}, "no such file"),
        ({"weights": True}, "--to parquet"),
        ({"to": "datacomp"}, r"\.npy"),
        ({"to": "tables"}, "allowed: keys"),
        ({"to": "shards", "rejects": "x"}, "bring their own"),
    ],
)
def test_options_that_do_not_go_together_are_refused(store, tmp_path, options, says):
    with pytest.raises(RequestError, match=says):
        madaudit.filter(store, output=str(tmp_path / "kept.txt"), **options)


def test_a_sampled_store_is_refused(tmp_path):
    inputs = write_shards(tmp_path, a=[photo(index) for index in range(6)])
    store = scan_into(tmp_path, inputs, sample=3)
    with pytest.raises(RequestError, match="drawn sample"):
        madaudit.filter(store, output=str(tmp_path / "kept.txt"))


def test_unfinished_shards_are_named_and_the_exit_code_says_so(tmp_path):
    inputs = write_shards(tmp_path, a=[photo(0)])
    (tmp_path / "shards" / "z.tar").write_bytes(b"\x1f\x8b" + bytes(600))
    store = scan_into(tmp_path, inputs)
    run = invoke("filter", store, "-o", tmp_path / "kept.txt", "--json")
    assert run.code == 4
    assert run.json["unfinished"] == ["z.tar"]


def _with_uids(store, tmp_path, uids):
    """A store whose rows have these uids."""
    path = tmp_path / "store" / "scores" / "a.tar.parquet"
    table = pq.read_table(path)
    place = table.column_names.index("uid")
    pq.write_table(table.set_column(place, "uid", pa.array(uids, pa.string())), path)


def test_a_datacomp_subset_is_a_sorted_multiset(tmp_path):
    store = make_store(tmp_path, a=[photo(0), photo(1), photo(2), photo(3), generated(4)])
    high, low = "f" * 32, "0" * 15 + "1" + "f" * 16
    _with_uids(store, tmp_path, [high, low, high.upper(), "no uid", "e" * 32])
    result = madaudit.filter(store, output=str(tmp_path / "subset.npy"), to="datacomp")
    subset = np.load(tmp_path / "subset.npy", allow_pickle=False)
    top = 2**64 - 1
    assert subset.dtype == np.dtype("u8,u8")
    assert subset.tolist() == [(1, top), (top, top), (top, top)]
    assert result.unnamed == 1


def test_a_subset_without_a_uid_is_refused(store, tmp_path):
    with pytest.raises(InputError, match="none of the kept rows has a uid"):
        madaudit.filter(store, output=str(tmp_path / "subset.npy"), to="datacomp")
    assert not (tmp_path / "subset.npy").exists()


def test_laion_hashes_join_by_url_and_text(tmp_path):
    mmh3 = pytest.importorskip("mmh3", reason="LAION's hash is mmh3's")
    store = make_store(
        tmp_path,
        a=[photo(0, url="https://x/0", caption="a cät"), photo(1), photo(2, url="https://x/2")],
    )
    write_posteriors(store, {"a.tar": [1.0, 0.0, None]})
    (tmp_path / "policy.yaml").write_text("version: 1\ncut: {score: 9}\n")
    result = madaudit.filter(
        store,
        output=str(tmp_path / "laion.parquet"),
        to="laion",
        policy=str(tmp_path / "policy.yaml"),
    )
    table = pq.read_table(tmp_path / "laion.parquet")
    expected = [mmh3.hash64(text.encode())[0] for text in ("https://x/0a cät", "https://x/2")]
    assert table.column("hash").to_pylist() == expected
    assert table.column("psynthetic").to_pylist() == [pytest.approx(0.6), None]
    assert result.unnamed == 1
