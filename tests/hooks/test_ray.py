"""The Ray hooks in Ray Data."""

from __future__ import annotations

import pytest

import madaudit
from madaudit.scanning.plan import Plan
from tests.hooks.pipeline_building import make_world

ray = pytest.importorskip("ray", reason="ray is not installed: the hook is tested in it")
pytest.importorskip("ray.data", reason="ray.data is not installed: the hook is tested in it")
pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def world(tmp_path, cluster):
    made = make_world(tmp_path)
    madaudit.index(made.store)
    return made


@pytest.fixture
def rows(world):
    return ray.data.read_webdataset(world.urls, decoder=None, include_paths=True)


def keys(dataset):
    return sorted(str(row["__key__"]) for row in dataset.take_all())


def test_a_filter_keeps_what_filter_keeps(world, rows):
    from madaudit.hooks.ray import Keep

    keep = Keep(world.store)
    assert keys(rows.filter(keep)) == sorted(world.kept_keys)
    assert keep.report()["dropped"] == 18


def test_batches_keep_the_same(world, rows):
    from madaudit.hooks.ray import Keep

    assert keys(rows.map_batches(Keep(world.store).batch, batch_format="numpy")) == sorted(
        world.kept_keys
    )


def test_looking_now_adds_columns_and_drops_nothing(world, rows):
    from madaudit.hooks.ray import Audit

    audit = Audit(Plan(("a1111", "iptc")))
    found = rows.map_batches(audit, batch_format="numpy").take_all()
    kept = sorted(str(row["__key__"]) for row in found if row["madaudit_keep"])
    assert len(found) == 63
    assert kept == sorted(world.kept_keys)
    assert {row["madaudit_label"] for row in found} == {"", "synthetic", "composite"}
