"""The webdataset hook in webdataset."""

from __future__ import annotations

import json

import pytest

from madaudit.hooks.webdataset import FIELD, Audit, Keep
from madaudit.scanning.plan import Plan
from tests.hooks.pipeline_building import make_world

webdataset = pytest.importorskip(
    "webdataset", reason="webdataset is not installed: the hook is tested in it"
)
# It leaves closing its files to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
PLAN = Plan(("a1111", "iptc"))


@pytest.fixture
def world(tmp_path):
    return make_world(tmp_path)


def keys(dataset):
    return [sample["__key__"] for sample in dataset]


def test_it_keeps_what_filter_keeps(world):
    keep = Keep(world.store)
    dataset = webdataset.WebDataset(world.urls, shardshuffle=False).select(keep)
    assert keys(dataset) == world.kept_keys
    assert keep.report()["kept"] == len(world.kept)
    assert keep.report()["reasons"] == {"marked by a1111": 18}
    assert "marked by a1111: 18" in str(keep)


def test_it_keeps_the_same_by_the_url_in_the_record(world):
    dataset = webdataset.WebDataset(world.urls, shardshuffle=False).select(
        Keep(world.store, by="url")
    )
    assert keys(dataset) == world.kept_keys


def test_looking_now_keeps_the_same(world):
    dataset = webdataset.WebDataset(world.urls, shardshuffle=False).select(Audit(PLAN))
    assert keys(dataset) == world.kept_keys


def test_an_annotated_sample_says_what_was_found(world):
    dataset = webdataset.WebDataset(world.urls, shardshuffle=False).map(Audit(PLAN).annotate)
    found = {s["__key__"]: json.loads(s[FIELD]) for s in dataset}
    assert found["000000001"]["label"] == "synthetic"
    assert found["000000000"]["label"] is None
    assert len(found) == 63


def test_a_sample_without_names_is_kept_and_counted(world):
    keep = Keep(world.store)
    assert keep({"jpg": b"x"})
    assert keep({"__key__": None, "__url__": 3})
    assert (keep.report()["kept"], keep.report()["failed"]) == (2, 2)


def test_a_broken_image_does_not_end_the_loop(world):
    audit = Audit(PLAN)
    assert audit({"__key__": "x", "jpg": b"<html>"})
    assert audit({"__key__": "x"})
