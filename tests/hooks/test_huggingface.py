"""The Hugging Face hook in `datasets`."""

from __future__ import annotations

import pickle

import pytest

import madaudit
from madaudit.hooks.huggingface import Audit, Keep
from madaudit.scanning.plan import Plan
from tests.hooks.pipeline_building import make_world

datasets = pytest.importorskip(
    "datasets", reason="datasets is not installed: the hook is tested in it"
)
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def world(tmp_path):
    return make_world(tmp_path)


@pytest.fixture
def stream(world):
    read = datasets.load_dataset(
        "webdataset", data_files=world.urls, split="train", streaming=True
    )
    return read.cast_column("jpg", datasets.Image(decode=False))


NAMES = ["__key__", "__url__"]


def test_a_stream_keeps_what_filter_keeps(world, stream):
    kept = stream.filter(Keep(world.store), input_columns=NAMES)
    assert [row["__key__"] for row in kept] == world.kept_keys


def test_batches_keep_the_same(world, stream):
    kept = stream.filter(Keep(world.store), input_columns=NAMES, batched=True, batch_size=8)
    assert [row["__key__"] for row in kept] == world.kept_keys


def _table(world, columns):
    return datasets.Dataset.from_dict({"key": [f"{i:09d}" for i in range(63)], **columns})


def test_a_table_keeps_the_same_by_its_index(world, tmp_path):
    keep = Keep(world.store)
    table = _table(world, {})
    kept = table.filter(
        keep,
        batched=True,
        with_indices=True,
        input_columns=[],
        new_fingerprint=keep.fingerprint(table),
    )
    assert kept["key"] == world.kept_keys
    assert keep.report()["dropped"] == 18


@pytest.mark.slow
def test_workers_keep_the_same_by_url(world):
    madaudit.index(world.store, by="key,url")
    keep = Keep(world.store, by="url")
    table = _table(world, {"url": [f"https://x.example/{i}" for i in range(63)]})
    kept = table.filter(keep, input_columns=["url"], num_proc=2)
    assert kept["key"] == world.kept_keys
    assert keep.report()["dropped"] == 18


def test_looking_now_at_undecoded_images_keeps_the_same(world, stream):
    audit = Audit(Plan(("a1111", "iptc")))
    kept = stream.filter(lambda row: audit(row["jpg"]))
    assert [row["__key__"] for row in kept] == world.kept_keys


def test_it_is_picklable_and_its_fingerprint_stays(world):
    keep = Keep(world.store)
    table = _table(world, {})
    copy = pickle.loads(pickle.dumps(keep))
    assert (
        copy.fingerprint(table) == keep.fingerprint(table) == Keep(world.store).fingerprint(table)
    )
    assert copy("000000001", world.urls[0]) is False


def test_a_value_that_is_no_name_is_kept_and_counted(world):
    keep = Keep(world.store)
    assert keep(None, None)
    assert keep(3.5)
    assert keep.report()["failed"] >= 1
