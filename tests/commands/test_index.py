"""`madaudit index`."""

from __future__ import annotations

import pytest

import madaudit
from madaudit.errors import OptionError
from tests.commands.invoking import invoke
from tests.commands.store_building import generated, make_store, photo, stored_files


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path, a=[photo(0, url="https://x/0"), generated(1)], b=[photo(2)])


def test_it_says_what_it_made(store):
    run = invoke("index", store, "--by", "key,url", "--json")
    assert run.code == 0
    assert (run.json["rows"], run.json["kept"]) == (3, 2)
    assert run.json["by"]["key"]["keys"] == 3
    assert run.json["by"]["url"]["keys"] == 1


def test_the_sizes_that_it_tells_are_those_of_its_files(store):
    result = madaudit.index(store)
    files = stored_files(f"{store}/index")
    size = sum(len(data) for name, data in files.items() if not name.endswith(".json"))
    assert size == result.bytes_per_row * result.rows


def test_a_second_rule_leaves_the_keys_alone(store, tmp_path):
    madaudit.index(store)
    before = (tmp_path / "store" / "index" / "key.hashes").stat().st_mtime_ns
    (tmp_path / "policy.yaml").write_text("version: 1\n")
    assert madaudit.index(store, policy=str(tmp_path / "policy.yaml")).kept == 3
    assert (tmp_path / "store" / "index" / "key.hashes").stat().st_mtime_ns == before


def test_a_store_without_rows_has_an_index(tmp_path):
    result = madaudit.index(make_store(tmp_path, a=[]))
    assert (result.rows, result.bytes_per_row) == (0, None)


def test_an_unknown_kind_of_key_is_refused(store):
    with pytest.raises(OptionError, match="allowed: key, uid, url"):
        madaudit.index(store, by="name")
