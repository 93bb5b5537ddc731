"""Look-ups: every row's decision by every name that a sample may have."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from pathlib import Path

import pytest

import madaudit
from madaudit.errors import OptionError
from madaudit.hooks.base import LookupHook
from madaudit.hooks.lookup import Lookup, Question
from tests.commands.store_building import generated, make_store, photo, scan_into, write_shards


@pytest.fixture
def store(tmp_path):
    """Two shards in folders; each third sample is marked; keys repeat across shards."""
    make = (generated, photo, photo)
    shards = {
        name: [make[i % 3](i, url=f"https://x/{name}/{i}") for i in range(7)]
        for name in ("one/a", "two/a", "two/b")
    }
    return make_store(tmp_path, **shards)


def decisions(lookup, url):
    shard = lookup.namespaces[url]
    return [lookup.keeps(shard, f"{i:09d}") for i in range(7)]


EXPECTED = [i % 3 != 0 for i in range(7)]


@pytest.mark.slow
@pytest.mark.parametrize("is_indexed", [False, True])
@pytest.mark.parametrize(
    "url",
    ["two/b.tar", "/elsewhere/two/b.tar", "s3://bucket/x/two/b.tar", "b.tar", "/x/b.tar?t=1"],
)
def test_a_sample_is_found_by_shard_and_key_wherever_the_data_moved(store, url, is_indexed):
    if is_indexed:
        madaudit.index(store)
    assert decisions(Lookup(store), url) == EXPECTED


def test_a_shard_name_that_two_folders_have_is_not_guessed(store):
    lookup = Lookup(store)
    assert lookup.namespaces["/elsewhere/a.tar"] is None
    assert decisions(lookup, "/elsewhere/a.tar") == [True] * 7
    assert lookup.ledger.report()["unknown"] == 7


@pytest.mark.parametrize("is_indexed", [False, True])
def test_a_sample_is_found_by_url(store, is_indexed):
    if is_indexed:
        madaudit.index(store, by="key,url")
    lookup = Lookup(store, Question(by="url"))
    found = [lookup.keeps(lookup.namespaces["any"], f"https://x/two/a/{i}") for i in range(7)]
    assert found == EXPECTED


def test_a_sample_is_found_by_its_place(store):
    lookup = Lookup(store)
    assert [lookup.keeps_ordinal("two/a.tar", i) for i in range(7)] == EXPECTED
    assert [lookup.keeps_row(7 + i) for i in range(7)] == EXPECTED
    assert lookup.row_of("two/a.tar", 7) is None


def test_places_in_a_sampled_store_are_searched_for(tmp_path):
    inputs = write_shards(
        tmp_path,
        a=[(generated if i % 2 else photo)(i) for i in range(20)],
        b=[(generated if i % 2 else photo)(i) for i in range(20)],
    )
    store = scan_into(tmp_path, inputs, sample=12, seed=3)
    lookup = Lookup(store)
    known = {
        (shard, i)
        for shard in ("a.tar", "b.tar")
        for i in range(20)
        if lookup.row_of(shard, i) is not None
    }
    assert len(known) == 12
    assert {(s, i) for s, i in known if lookup.keeps_ordinal(s, i)} == {
        (s, i) for s, i in known if i % 2 == 0
    }


def test_a_sample_that_the_store_does_not_know_is_kept_and_counted(store):
    lookup = Lookup(store)
    assert lookup.keeps(lookup.namespaces["two/b.tar"], "nobody")
    assert lookup.keeps(None, "000000000")
    assert lookup.ledger.report() == {
        "kept": 2,
        "dropped": 0,
        "reasons": {},
        "unknown": 2,
        "ambiguous": 0,
        "failed": 0,
    }


def test_it_is_dropped_where_that_is_asked_for(store):
    lookup = Lookup(store, Question(unknown="drop"))
    assert not lookup.keeps(lookup.namespaces["two/b.tar"], "nobody")
    assert lookup.ledger.report()["reasons"] == {"not in the store": 1}


def test_a_key_of_a_kept_and_of_a_dropped_row_goes_and_is_counted(tmp_path):
    twins = [photo(0, key="twin"), photo(1), generated(2, key="twin")]
    lookup = Lookup(make_store(tmp_path, a=twins))
    assert not lookup.keeps(lookup.namespaces["a.tar"], "twin")
    report = lookup.ledger.report()
    assert (report["ambiguous"], report["reasons"]) == (1, {"marked by a1111": 1})


def test_an_index_of_other_rows_is_not_used(tmp_path):
    store = make_store(tmp_path, a=[photo(0), photo(1)])
    madaudit.index(store)
    write_shards(tmp_path, a=[photo(0), generated(1)])
    madaudit.scan(str(tmp_path / "shards"), store, engine="serial")
    lookup = Lookup(store)
    assert [lookup.keeps(lookup.namespaces["a.tar"], f"{i:09d}") for i in (0, 1)] == [True, False]


@pytest.mark.parametrize("part", ["key.hashes", "key.rows", "key.buckets", "decisions"])
def test_a_cut_file_of_an_index_is_made_anew(store, part):
    madaudit.index(store)
    folder = Path(store, "index")
    path = next((folder / part).glob("*.codes")) if part == "decisions" else folder / part
    path.write_bytes(path.read_bytes()[:-1])
    assert decisions(Lookup(store), "two/b.tar") == EXPECTED


def test_an_index_serves_each_rule_with_its_own_decisions(store):
    pytest.importorskip("duckdb", reason="duckdb is not installed: --where runs in DuckDB")
    madaudit.index(store)
    lookup = Lookup(store, Question(where="ordinal < 2"))
    assert decisions(lookup, "two/b.tar") == [True, True] + [False] * 5
    assert decisions(Lookup(store), "two/b.tar") == EXPECTED


def test_a_pickled_copy_decides_the_same_and_counts_with_it(store):
    lookup = Lookup(store)
    copy = pickle.loads(pickle.dumps(lookup))
    assert decisions(copy, "two/b.tar") == EXPECTED
    assert decisions(lookup, "two/b.tar") == EXPECTED
    assert lookup.ledger.report()["dropped"] == 6


def test_a_copy_on_a_machine_without_the_files_makes_its_own(store):
    lookup = Lookup(store)
    packed = pickle.dumps(lookup)
    del lookup
    copy = pickle.loads(packed)
    assert decisions(copy, "two/b.tar") == EXPECTED
    assert copy.ledger.report()["dropped"] == 3


def _work(lookup):
    decisions(lookup, "two/b.tar")


def test_counts_of_forked_workers_are_gathered(store):
    lookup = Lookup(store)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_work, args=(lookup,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    decisions(lookup, "two/b.tar")
    assert lookup.ledger.report()["kept"] == 16
    assert lookup.ledger.report()["dropped"] == 12


def test_its_temporary_files_go_with_it_and_not_with_a_forked_child(store):
    lookup = Lookup(store)
    folder = Path(lookup._codes_path).parents[2]
    child = os.fork()
    if child == 0:
        del lookup
        os._exit(0 if folder.exists() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert folder.exists()
    del lookup
    assert not folder.exists()


@pytest.mark.parametrize("options", [{"by": "name"}, {"unknown": "raise"}])
def test_an_option_that_is_none_is_refused(store, options):
    with pytest.raises(OptionError):
        LookupHook(store, **options)
