"""Draws of samples to label, their page, and the way back into an estimate."""

from __future__ import annotations

import base64
import io
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

import madaudit
from madaudit.commands.calibration_files import write_calibration
from madaudit.errors import InputError, OptionError
from tests.commands.invoking import invoke
from tests.commands.labelling import (
    image_folder,
    key_of,
    scored_images,
    truths,
    write_export,
)
from tests.commands.scored_stores import calibration_of
from tests.commands.store_building import generated, make_store, page, photo


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return scored_images(tmp_path_factory.mktemp("store"), 400, 0.2)


@pytest.fixture(scope="module")
def calibration(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("calibration"))
    write_calibration(calibration_of(n=1500), folder)
    return folder


def draw(store, folder, **options):
    return madaudit.label("draw", store, output=str(folder / "page.html"), **options)


def answered(store, folder, drawn, **changed):
    """An export with the truth for an answer, changed where told."""
    return write_export(
        folder / "export.json", drawn.draw, {**truths(store, drawn.draw), **changed}
    )


def data_of(page_path):
    html = Path(page_path).read_text()
    text = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1]
    return html, json.loads(text)


# --- the draw -------------------------------------------------------------------------------


def test_labels_come_from_every_bin_and_more_where_classes_overlap(store, calibration, tmp_path):
    drawn = draw(store, tmp_path, n=100, calibration=calibration)
    key = key_of(store, drawn.draw)
    bins = key["design"]["bins"]
    by_bin = Counter(item["bin"] for item in key["items"])
    assert drawn.n == 100
    assert all(by_bin[k] >= min(2, one["samples"]) for k, one in enumerate(bins))
    assert sum(one["samples"] for one in bins) == 400


def test_without_a_calibration_every_sample_has_the_same_chance(store, tmp_path):
    drawn = draw(store, tmp_path, n=50)
    assert len(key_of(store, drawn.draw)["design"]["bins"]) == 1
    assert any("simple random sample" in note for note in drawn.notes)


def test_the_same_seed_draws_the_same_samples(store, tmp_path):
    keys = [key_of(store, draw(store, tmp_path, n=30, seed=s).draw)["items"] for s in (1, 1, 2)]
    assert keys[0] == keys[1] != keys[2]


def test_marked_and_broken_samples_are_not_asked_about(tmp_path):
    store = make_store(tmp_path, a=[generated(), page(), photo(1), photo(2), photo(3)])
    drawn = draw(store, tmp_path, n=10)
    ordinals = {item["ordinal"] for item in key_of(store, drawn.draw)["items"]}
    assert (drawn.n, ordinals) == (3, {2, 3, 4})


def test_a_data_set_that_has_moved_is_refused(tmp_path):
    store = make_store(tmp_path, a=[photo()])
    (tmp_path / "shards" / "a.tar").rename(tmp_path / "elsewhere.tar")
    with pytest.raises(InputError, match=r"nothing is at .*a\.tar any more"):
        draw(store, tmp_path)


def test_a_data_set_that_has_changed_is_refused(tmp_path):
    store = make_store(tmp_path, a=[photo()])
    with open(tmp_path / "shards" / "a.tar", "ab") as file:
        file.write(b"\0" * 512)
    with pytest.raises(InputError, match="has changed since it was scanned"):
        draw(store, tmp_path)


def test_wrong_requests_are_refused(store, tmp_path):
    with pytest.raises(OptionError, match=r"-o FILE\.html"):
        madaudit.label("draw", store)
    with pytest.raises(OptionError, match="a page holds 1 to"):
        draw(store, tmp_path, n=0)
    with pytest.raises(OptionError, match="give its FILE"):
        madaudit.label("read", store)


# --- the page -------------------------------------------------------------------------------


def test_the_page_holds_pictures_made_anew_and_no_name_of_a_sample(store, calibration, tmp_path):
    drawn = draw(store, tmp_path, n=20, calibration=calibration)
    html, data = data_of(drawn.output)
    picture = base64.b64decode(data["items"][0]["image"].partition(",")[2])
    with Image.open(io.BytesIO(picture)) as image:
        assert (image.format, image.size) == ("WEBP", (24, 24))
        assert not image.getexif()
    assert not re.search(r"s[01]\.tar|-real|-synthetic|https?:", html)
    assert "default-src 'none'" in html


def test_which_items_are_checks_stands_only_in_the_store(store, tmp_path):
    real = image_folder(tmp_path / "real", 10, 5000)
    synthetic = image_folder(tmp_path / "synthetic", 10, 6000)
    drawn = draw(store, tmp_path, n=40, check_real=real, check_synthetic=synthetic)
    _, data = data_of(drawn.output)
    kinds = Counter(item["kind"] for item in key_of(store, drawn.draw)["items"])
    assert kinds == {"sample": 40, "check": 6} == {"sample": drawn.n, "check": drawn.checks}
    assert {tuple(item) for item in data["items"]} == {("name", "image", "caption")}
    assert len({len(item["name"]) for item in data["items"]}) == 1


def test_hostile_captions_cannot_leave_the_data(tmp_path):
    evil = "</script><script>alert(1)</script>\u202e"
    store = make_store(tmp_path, a=[photo(caption=evil)])
    html, data = data_of(draw(store, tmp_path, n=1, captions=True).output)
    assert html.count("</script>") == 2
    assert data["items"][0]["caption"] == evil.replace("\u202e", "\\u202e")


# --- the way back ---------------------------------------------------------------------------


def test_answers_come_back_as_labels_and_lead_the_estimate(store, calibration, tmp_path):
    drawn = draw(store, tmp_path, n=320, calibration=calibration)
    read = madaudit.label("read", store, [answered(store, tmp_path, drawn)])
    assert read.n == 320
    found = madaudit.estimate(store, calibration=calibration, labels=read.output)
    assert found.tier == "adjudicated"
    assert found.prevalence.low <= 0.2 <= found.prevalence.high
    assert found.prevalence.high - found.prevalence.low < 0.1
    assert any("no blind checks" in flag for flag in found.flags)


def test_labels_without_scores_are_a_simple_random_sample(store, tmp_path):
    drawn = draw(store, tmp_path, n=100)
    read = madaudit.label("read", store, [answered(store, tmp_path, drawn)])
    found = madaudit.estimate(store, labels=read.output, by=["shard"])
    assert found.tier == "adjudicated"
    assert found.prevalence.low <= 0.2 <= found.prevalence.high
    assert {one.tier for one in found.strata} == {"adjudicated"}


@pytest.mark.slow
def test_a_labellers_mistakes_are_allowed_for(store, calibration, tmp_path):
    folders = {
        "check_real": image_folder(tmp_path / "real", 40, 5000),
        "check_synthetic": image_folder(tmp_path / "synthetic", 40, 6000),
    }
    drawn = draw(store, tmp_path, n=300, calibration=calibration, check_share=0.25, **folders)
    checks = [i for i in key_of(store, drawn.draw)["items"] if i["kind"] == "check"]
    wrong = {
        item["name"]: "synthetic" if item["truth"] == "real" else "real"
        for item in checks
        if item["name"] < "4"
    }
    read = madaudit.label("read", store, [answered(store, tmp_path, drawn, **wrong)])
    assert sum(read.wrong.values()) == len(wrong) > 5
    found = madaudit.estimate(store, calibration=calibration, labels=read.output)
    careful = madaudit.estimate(
        store, calibration=calibration,
        labels=madaudit.label("read", store, [answered(store, tmp_path, drawn)]).output,
    )  # fmt: skip
    # One in four called wrong would alone make a fifth of real samples look synthetic.
    assert found.tiers.adjudicated.low < 0.01
    assert careful.tiers.adjudicated.low > 0.1
    assert "labellers err as often as in their blind checks" in found.assumptions


@pytest.mark.slow
def test_undecided_samples_have_bounds_of_their_own(store, calibration, tmp_path):
    drawn = draw(store, tmp_path, n=300, calibration=calibration)
    unsure = {name: "undecided" for name in truths(store, drawn.draw) if name < "3"}
    read = madaudit.label("read", store, [answered(store, tmp_path, drawn, **unsure)])
    found = madaudit.estimate(store, calibration=calibration, labels=read.output)
    told = found.to_dict()["tiers"]["adjudicated"]
    assert told["labels"] == 300 - len(unsure)
    assert told["undecided"]["low"] <= told["low"] < told["high"] < told["undecided"]["high"]
    assert any("undecided" in flag for flag in found.flags)


def test_people_who_differ_leave_a_sample_undecided(store, tmp_path):
    drawn = draw(store, tmp_path, n=30)
    truth = truths(store, drawn.draw)
    name = sorted(truth)[0]
    other = {**truth, name: "composite"}
    exports = [
        write_export(tmp_path / f"{k}.json", drawn.draw, answers)
        for k, answers in enumerate((truth, other))
    ]
    read = madaudit.label("read", store, exports)
    assert read.counts["undecided"] == 1
    assert any("differ on 1 sample" in note for note in read.notes)


@pytest.mark.slow
def test_a_narrower_interval_needs_more_labels(store, calibration, tmp_path):
    drawn = draw(store, tmp_path, n=60, calibration=calibration)
    export = answered(store, tmp_path, drawn)
    needed = [
        madaudit.label("read", store, [export], until_width=width).needed
        for width in (0.5, 0.1, 0.05)
    ]
    assert 60 <= needed[0] < needed[1] <= needed[2] <= 400


@pytest.mark.slow
def test_labels_of_another_calibration_tell_of_the_whole(store, calibration, tmp_path):
    drawn = draw(store, tmp_path, n=300, calibration=calibration)
    read = madaudit.label("read", store, [answered(store, tmp_path, drawn)])
    found = madaudit.estimate(
        store, calibration=calibration_of(n=700, seed=5), labels=read.output, by=["shard"]
    )
    assert found.tier == "adjudicated"
    assert {one.adjudicated for one in found.strata} == {None}
    assert any("another calibration's scores" in flag for flag in found.flags)


@pytest.mark.slow
def test_a_csv_of_a_random_sample_is_taken(store, calibration, tmp_path):
    drawn = draw(store, tmp_path, n=100)
    truth = truths(store, drawn.draw)
    lines = ["shard,ordinal,label"]
    lines += [
        f"{item['shard']},{item['ordinal']},{truth[item['name']]}"
        for item in key_of(store, drawn.draw)["items"]
    ]
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(lines))
    found = madaudit.estimate(store, calibration=calibration, labels=str(path))
    assert found.tiers.adjudicated.low <= 0.2 <= found.tiers.adjudicated.high


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "no export"),
        ("[", "no JSON"),
        ('{"kind": "madaudit labels", "draw": "../..", "answers": {}}', "its draw is"),
        ('{"kind": "madaudit labels", "draw": "00", "answers": {}}', "has no draw 00"),
        ('{"kind": "madaudit labels", "draw": "00", "answers": {"a": 1}}', "an answer is"),
    ],
)
def test_what_is_no_export_is_refused(store, tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        madaudit.label("read", store, [str(path)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("shard,label\na,real", "wanted are shard, ordinal and label"),
        ("shard,ordinal,label\ns0.tar,0,fake", "allowed are synthetic"),
        ("shard,ordinal,label\ns0.tar,9999,real", "has no row 9999"),
        ("shard,ordinal,label\nx.tar,0,real", "no finished shard 'x.tar'"),
        ("shard,ordinal,label\ns0.tar,0,real\ns0.tar,0,real", "labelled twice"),
        ("shard,ordinal,label\ns0.tar,one,real", "whole number"),
        ('{"labels": []}', "no labels file of version 1"),
    ],
)
def test_what_are_no_labels_is_refused(store, tmp_path, content, message):
    path = tmp_path / "labels"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        madaudit.estimate(store, labels=str(path))


def test_labels_of_a_store_that_grew_are_refused(tmp_path):
    store = make_store(tmp_path, a=[photo(1), photo(2)], b=[photo(3)])
    drawn = draw(store, tmp_path, n=3)
    answers = {item["name"]: "real" for item in key_of(store, drawn.draw)["items"]}
    read = madaudit.label("read", store, [write_export(tmp_path / "e", drawn.draw, answers)])
    (tmp_path / "store" / "shards" / "b.tar.json").unlink()
    with pytest.raises(InputError, match="drawn from 3 samples without a mark, the store has 2"):
        madaudit.estimate(store, labels=read.output)


def test_the_summary_says_what_comes_next(store, tmp_path):
    run = invoke("label", "draw", store, "-n", "5", "-o", str(tmp_path / "p.html"))
    assert "5 samples and 0 blind checks" in run.out
    assert "madaudit label read" in run.out
    drawn = draw(store, tmp_path, n=5)
    read = invoke("label", "read", store, answered(store, tmp_path, drawn), "--until-width", "0.2")
    assert "labels are needed in all" in read.out
