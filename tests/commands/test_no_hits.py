"""Cues and opt-outs never count: neither as hits, nor in the floor, nor as what could be seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow.parquet as pq
import pytest

import madaudit
from madaudit.detectors import DETECTORS
from madaudit.detectors.base import Batch, Detector, Kind, Tier
from madaudit.errors import OptionError
from madaudit.scanning.store import Store, thumbnails_path
from madaudit.types import Detail, Evidence, can_hit
from tests.commands.store_building import Item, generated, jpeg, photo, write_shard

_CLAIM = Evidence("present", detail=Detail("says so", label="synthetic", tool="Claimer"))


@dataclass(frozen=True)
class Claimer(Detector):
    """A stranger's cue that claims everything is synthetic, against the rules."""

    name: ClassVar[str] = "cue_claims"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "one-sided"
    tier: ClassVar[Tier] = "headers"
    verified: ClassVar[str] = "a test's"

    def detect(self, batch: Batch) -> list[Evidence]:
        return [_CLAIM] * len(batch)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """One marked image and two photos, of which the stranger claims that all are synthetic."""
    monkeypatch.setitem(DETECTORS, "cue_claims", f"{__name__}:Claimer")
    items = [
        generated(),
        photo(1, caption="a cat --ar 16:9 --v 5", url="https://cdn.midjourney.com/a.jpg"),
        Item(jpeg(2), is_reencoded=True, caption="a cat"),
    ]
    shard = write_shard(tmp_path / "in" / "a.tar", items)
    where = str(tmp_path / "store")
    names = ["a1111", "cue_caption", "cue_url", "cue_claims"]
    result = madaudit.scan([str(shard)], where, detectors=names, engine="serial")
    assert result.to_dict()["detectors"]["cue_caption"]["present"] == 1
    assert result.to_dict()["detectors"]["cue_claims"]["present"] == 3
    return where


def test_the_name_says_what_can_be_a_hit():
    assert [can_hit(name) for name in ("a1111", "cue_url", "optout_image", "rescue_x")] == [
        True,
        False,
        False,
        True,
    ]


def test_a_cue_is_no_hit_of_its_shard(store):
    (marker,) = Store(store).survey().markers
    assert marker["n_hits"] == 1


def test_a_cue_adds_nothing_to_the_floor(store):
    known = madaudit.estimate(store)
    assert known.tally.synthetic == 1
    assert known.floor.all_marks.low == pytest.approx(1 / 3)


def test_a_cue_makes_no_sample_observable(store):
    """The stranger's states would make the re-encoded image partly observable."""
    tally = madaudit.estimate(store).tally
    assert (tally.observable, tally.partly, tally.hidden) == (2, 0, 1)


def test_a_cue_stands_neither_in_the_reports_tools_nor_among_its_hits(store):
    madaudit.report(store, format=["json"])
    content = (Path(store) / "report" / "summary.json").read_text(encoding="utf-8")
    assert "Claimer" not in content
    assert "cue_claims" in content


def test_no_thumbnail_is_made_of_a_cue(store):
    table = pq.read_table(f"{store}/{thumbnails_path('a.tar')}")
    assert table.column("ordinal").to_pylist() == [0]


def test_a_file_of_cues_that_breaks_its_form_stops_the_scan_before_any_work(tmp_path):
    cues = tmp_path / "cues.toml"
    cues.write_text("[[caption]]\nname = 'a'\n")
    shard = write_shard(tmp_path / "in" / "a.tar", [photo()])
    with pytest.raises(OptionError, match="needs hints"):
        madaudit.scan(
            [str(shard)],
            str(tmp_path / "store"),
            detectors=["cue_caption"],
            options={"cue_caption": {"patterns": str(cues)}},
        )
    assert not (tmp_path / "store").exists()
