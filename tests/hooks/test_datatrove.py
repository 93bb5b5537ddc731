"""The datatrove hooks in datatrove's own executor."""

from __future__ import annotations

import json

import pytest

from madaudit.scanning.plan import Plan
from tests.hooks.pipeline_building import make_world

pytest.importorskip("datatrove", reason="datatrove is not installed: the hook is tested in it")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # of packages that datatrove brings
]


@pytest.fixture
def world(tmp_path):
    return make_world(tmp_path)


def run(folder, steps):
    from datatrove.executor import LocalPipelineExecutor

    LocalPipelineExecutor(
        steps, tasks=2, workers=1, logging_dir=str(folder / "logs"), skip_completed=False
    ).run()
    return json.loads((folder / "logs" / "stats.json").read_text())


def ids(folder):
    lines = [
        line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()
    ]
    return sorted(json.loads(line)["id"] for line in lines)


def steps_with(world, tmp_path, step):
    from datatrove.pipeline.writers.jsonl import JsonlWriter

    from madaudit.hooks.datatrove import WebdatasetReader

    reader = WebdatasetReader(str(tmp_path / "shards"), glob_pattern="*.tar")
    return [reader, step, JsonlWriter(str(tmp_path / "out"), compression=None)]


def test_it_keeps_what_filter_keeps(world, tmp_path):
    from madaudit.hooks.datatrove import Keep

    stats = run(tmp_path, steps_with(world, tmp_path, Keep(world.store)))
    assert ids(tmp_path / "out") == sorted(world.kept_keys)
    assert stats[1]["stats"]["dropped_marked by a1111"] == 18


def test_looking_now_keeps_the_same(world, tmp_path):
    from madaudit.hooks.datatrove import Audit

    run(tmp_path, steps_with(world, tmp_path, Audit(Plan(("a1111", "iptc")))))
    assert ids(tmp_path / "out") == sorted(world.kept_keys)


def test_the_reader_hands_over_bytes_captions_and_places(world, tmp_path):
    from madaudit.hooks.datatrove import WebdatasetReader

    reader = WebdatasetReader(str(tmp_path / "shards"), glob_pattern="*.tar", limit=3)
    documents = list(reader.run())
    first = documents[0]
    assert len(documents) == 3
    assert (first.id, first.text) == ("000000000", "no 0")
    assert (first.metadata["shard"], first.metadata["ordinal"]) == ("00000.tar", 0)
    assert first.metadata["url"] == first.media[0].url == "https://x.example/0"
    assert first.media[0].media_bytes[:2] == b"\xff\xd8"
