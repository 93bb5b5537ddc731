"""Reports from stores: what a data set holds ends up on the page, and does nothing there."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import laplace

import madaudit
from madaudit.commands.report import assemble
from madaudit.reports.wording import visible
from madaudit.scanning.store import Store
from tests.commands.invoking import invoke
from tests.commands.store_building import (
    INFOTEXT,
    Item,
    composite,
    edit_json,
    generated,
    make_store,
    page,
    photo,
    png,
    scan_into,
    write_shard,
    write_shards,
)
from tests.reports.page_parsing import Page
from tests.reports.report_building import HOSTILE

# What file names, JSON members and PNG chunks can carry into a shard.
_CARRIED = {name: text for name, text in HOSTILE.items() if name != "half a character"}


def written(store):
    """The page and its twin, from disk."""
    madaudit.report(store)
    folder = Path(store) / "report"
    html = (folder / "index.html").read_bytes()
    return Page(html), json.loads((folder / "summary.json").read_text())


def pictures(store):
    """Thumbnails as they stand in the page, in grey, one to a row of the list."""
    found, _ = written(store)
    sources = [element.attributes["src"].partition(",")[2] for element in found.of("img")]
    files = [io.BytesIO(base64.b64decode(source)) for source in sources]
    return [np.asarray(Image.open(file).convert("L"), dtype=float) for file in files]


def busy(seed=0):
    """A marked image with as much detail as pixels can hold."""
    return Item(png(seed, 200, parameters=INFOTEXT.format(model="m")), ending="png")


def test_the_paths_are_those_of_the_files(tmp_path):
    store = make_store(tmp_path, a=[generated()])
    content = invoke("report", store, "--json").json
    assert set(content) == {"paths", "answer"}
    assert set(content["paths"]) == {"html", "json"}
    assert all(Path(path).stat().st_size > 100 for path in content["paths"].values())


def test_only_the_formats_asked_for_are_written(tmp_path):
    store = make_store(tmp_path, a=[generated()])
    assert list(invoke("report", store, "--format", "json", "--json").json["paths"]) == ["json"]
    assert not (Path(store) / "report" / "index.html").exists()


def test_the_summary_is_the_answer_and_the_paths(tmp_path):
    out = invoke("report", make_store(tmp_path, a=[generated(), photo()])).out
    assert out.startswith("At least 50\u202f% of this data set is synthetic")
    assert "report/index.html" in out


def test_the_twin_has_the_numbers_of_the_report_and_of_the_estimate(tmp_path):
    store = make_store(tmp_path, a=[generated(), photo(), page()])
    _, twin = written(store)
    known = madaudit.estimate(store)
    assert twin == json.loads(json.dumps(assemble(Store(store)).to_dict(), allow_nan=False))
    assert twin["p"] == known.p.to_dict()
    assert twin["floor"] == known.floor.all_marks.to_dict()


def test_the_same_store_gives_the_same_bytes(tmp_path):
    store = make_store(tmp_path, a=[generated(), photo()])
    files = [Path(store) / "report" / name for name in ("index.html", "summary.json")]
    madaudit.report(store)
    before = [file.read_bytes() for file in files]
    madaudit.report(store)
    assert [file.read_bytes() for file in files] == before


# --- sizes ----------------------------------------------------------------------------------


def test_a_data_set_without_hits_is_not_called_clean(tmp_path):
    found, twin = written(make_store(tmp_path, a=[photo(), photo()]))
    assert twin["answer"].startswith("No sample carries a mark of having been generated")
    assert "p is not bounded yet" in found.text
    assert {hit["kind"] for hit in twin["hits"]} == {"kept"}
    assert twin["tools"] == []


def test_a_file_without_metadata_may_have_been_stripped(tmp_path):
    items = [Item(png(), ending="png"), photo()]
    _, twin = written(make_store(tmp_path, a=items))
    says = {hit["ordinal"]: hit["says"] for hit in twin["hits"]}
    assert says[0] == ["no mark found, in a file without any metadata: it may have been stripped"]
    assert says[1] == ["no mark found, where one would have been seen"]


def test_a_data_set_of_hits_alone_leaves_p_at_most_0(tmp_path):
    found, twin = written(make_store(tmp_path, a=[generated(n) for n in range(3)]))
    assert "At least 100\u202f%" in found.text
    assert "p is at most 0\u202f%" in found.text
    assert twin["p"]["high"] == 0.0


def test_one_sample_is_enough(tmp_path):
    _, twin = written(make_store(tmp_path, a=[generated()]))
    assert (twin["n_samples"], twin["n_rows"], twin["n_shards"]) == (1, 1, 1)


def test_a_shard_without_samples_is_a_report_too(tmp_path):
    _, twin = written(make_store(tmp_path, a=[]))
    assert (twin["n_samples"], twin["floor"]["point"]) == (0, None)


def test_the_shares_of_each_table_add_up_to_one(tmp_path):
    items = [generated(), composite(), photo(), page(), Item(png(), ending="png")]
    _, twin = written(make_store(tmp_path, a=items))
    funnel = {row["name"]: row["n"] for row in twin["funnel"]}
    assert sum(row["share"] for row in twin["observability"]) == pytest.approx(1)
    assert funnel == {
        "synthetic": 1,
        "synthetic, signature valid": 0,
        "composite": 1,
        "real": 0,
        "nothing": 3,
    }


def test_weights_that_round_show_no_negative_zero(tmp_path):
    names = {name: [photo(), generated(), composite(), page()] for name in "abc"}
    store = scan_into(tmp_path, write_shards(tmp_path, **names), sample=9)
    found, twin = written(store)
    assert all(row["n"] >= 0 for row in twin["observability"] + twin["funnel"])
    assert "-0" not in found.text.replace("-00", "")


def test_a_sampled_scan_says_how_many_it_drew(tmp_path):
    store = scan_into(tmp_path, write_shards(tmp_path, a=[generated()] * 6), sample=2, seed=5)
    found, twin = written(store)
    assert (twin["n_samples"], twin["n_rows"], twin["is_sampled"]) == (6, 2, True)
    assert "--sample 2 --seed 5" in found.text


def test_shards_with_most_synthetic_samples_come_first(tmp_path):
    store = make_store(tmp_path, a=[photo()] * 3, b=[generated()] * 2, c=[generated()])
    _, twin = written(store)
    assert [row["name"] for row in twin["shards"]] == ["b.tar", "c.tar", "a.tar"]


@pytest.mark.slow
def test_ten_thousand_shards_stay_one_small_page(tmp_path):
    store = Path(make_store(tmp_path, a=[generated(), photo()]))
    names = [f"{n:05d}.tar" for n in range(10_000)]
    marker = json.loads((store / "shards" / "a.tar.json").read_text())
    for name in names:
        shutil.copy(store / "scores" / "a.tar.parquet", store / "scores" / f"{name}.parquet")
        (store / "shards" / f"{name}.json").write_text(json.dumps({**marker, "shard": name}))
    edit_json(store / "manifest.json", shards=names)
    _, twin = written(str(store))
    assert (twin["n_rows"], twin["n_shards"], len(twin["shards"])) == (20_000, 10_000, 200)
    assert (store / "report" / "index.html").stat().st_size < 15 * 2**20


# --- who and where --------------------------------------------------------------------------


def test_tools_are_counted_with_their_models(tmp_path):
    items = [generated(model="dream"), generated(model="dream"), generated(model="real")]
    _, twin = written(make_store(tmp_path, a=items))
    (tool,) = twin["tools"]
    assert (tool["tool"], tool["n"], tool["models"]) == ("Automatic1111", 3, ["dream", "real"])


def test_a_signature_that_validates_is_part_of_the_floor(tmp_path):
    pytest.importorskip("c2pa", reason="the extra c2pa is not installed")
    pytest.importorskip("cryptography", reason="the extra demo is not installed")
    from madaudit.commands import demo_signing as signing

    signed = Item(signing.sign_as_generated(photo().data))
    _, twin = written(make_store(tmp_path, a=[signed, generated(), photo(), photo()]))
    assert (twin["floor"]["point"], twin["validated_floor"]["point"]) == (0.5, 0.25)


def test_domains_are_counted_and_samples_without_url_left_out(tmp_path):
    items = [generated(url="https://www.a.example/1"), photo(url="https://b.example/2"), photo()]
    _, twin = written(make_store(tmp_path, a=items))
    assert [(row["name"], row["synthetic"]) for row in twin["domains"]] == [
        ("a.example", 1.0),
        ("b.example", 0.0),
    ]


def test_a_data_set_without_urls_says_so(tmp_path):
    found, twin = written(make_store(tmp_path, a=[photo()]))
    assert (twin["domains"], twin["n_domains"]) == ([], 0)
    assert "The data set names no URLs." in found.text


def test_domains_beyond_the_most_that_are_counted_go_together(tmp_path, monkeypatch):
    monkeypatch.setattr("madaudit.commands.domain_counts.MAX_DOMAINS", 1)
    items = [photo(url=f"https://{name}.example/1") for name in "abc"]
    _, twin = written(make_store(tmp_path, a=items))
    assert {row["name"]: row["n"] for row in twin["domains"]} == {
        "a.example": 1,
        "(further domains)": 2,
    }


def test_faults_are_counted_by_kind_with_an_example(tmp_path):
    inputs = write_shards(tmp_path, a=[page(), photo(), page()])
    write_shard(tmp_path / "shards" / "b.tar", [photo()])
    cut = tmp_path / "shards" / "b.tar"
    cut.write_bytes(cut.read_bytes()[:700])
    _, twin = written(scan_into(tmp_path, inputs))
    faults = {fault["what"]: fault for fault in twin["faults"]}
    assert (faults["not_an_image"]["n"], faults["not_an_image"]["where"]) == (2, "a.tar 000000000")
    assert faults["shard in quarantine"]["where"] == "b.tar at byte 700"


def test_the_command_that_repeats_the_scan_can_be_pasted(tmp_path):
    inputs = write_shards(tmp_path / "two words", a=[photo()])
    store = scan_into(tmp_path, inputs, options={"c2pa": {"validate": False}})
    found, _ = written(store)
    assert f"madaudit scan '{inputs}' -o STORE" in found.text
    assert "--option c2pa.validate=false\nmadaudit report STORE" in found.text


# --- pictures -------------------------------------------------------------------------------


def sharpness(picture):
    """Energy at the highest frequencies: mean square of the discrete Laplacian."""
    return float((laplace(picture) ** 2).mean())


def test_pictures_are_blurred_unless_asked_otherwise(tmp_path):
    inputs = write_shards(tmp_path, a=[busy()])
    (clear,) = pictures(scan_into(tmp_path / "clear", inputs, thumbnails="clear"))
    (blurred,) = pictures(scan_into(tmp_path / "blurred", inputs))
    assert clear.shape == blurred.shape
    assert sharpness(blurred) < sharpness(clear) / 1000


def test_the_page_says_that_pictures_are_blurred(tmp_path):
    inputs = write_shards(tmp_path, a=[busy()])
    blurred, _ = written(scan_into(tmp_path / "blurred", inputs))
    clear, _ = written(scan_into(tmp_path / "clear", inputs, thumbnails="clear"))
    assert "Pictures are blurred" in blurred.text
    assert "Pictures are blurred" not in clear.text


def test_a_scan_without_thumbnails_gives_a_page_without_pictures(tmp_path):
    found, twin = written(
        scan_into(tmp_path, write_shards(tmp_path, a=[busy()]), thumbnails="none")
    )
    assert found.of("img") == []
    assert len(twin["hits"]) == 1
    assert "no picture kept" in found.text


def test_thumbnails_that_were_deleted_leave_the_hit(tmp_path):
    store = make_store(tmp_path, a=[busy()])
    shutil.rmtree(Path(store) / "thumbnails")
    found, twin = written(store)
    assert (found.of("img"), len(twin["hits"])) == ([], 1)


# --- hostile data sets ----------------------------------------------------------------------


def hostile_items(text):
    """One sample that says `text` wherever a shard lets it."""
    name = text.translate(str.maketrans("/.\0", "___"))[:60]  # what no key can hold
    marked = {"caption": text, "url": f"https://{text}", "model": text[:60]}
    return [generated(key=f"k{name}", **marked), page(key=f"z{name}", url=f"https://{text}")]


@pytest.mark.parametrize("text", _CARRIED.values(), ids=_CARRIED)
def test_a_hostile_data_set_is_shown_escaped(tmp_path, text):
    found, _ = written(make_store(tmp_path / "hostile", a=hostile_items(text)))
    plain, _ = written(make_store(tmp_path / "plain", a=hostile_items("plain")))
    assert set(found.shape) == set(plain.shape)
    assert found.others == []
    assert visible(text[:100]) in found.text


@pytest.mark.parametrize("name", ["<b>x.tar", "a\u202erat.tar", "'onload='x.tar", "{{7*7}}.tar"])
def test_a_hostile_file_name_is_shown_escaped(tmp_path, name):
    write_shard(tmp_path / "shards" / name, [busy()])
    found, _ = written(scan_into(tmp_path, str(tmp_path / "shards")))
    plain, _ = written(make_store(tmp_path / "plain", a=[busy()]))
    assert found.shape == plain.shape
    assert visible(name) in found.text
    assert visible(name) in found.of("img")[0].attributes["alt"]


def test_a_long_caption_is_cut(tmp_path):
    _, twin = written(make_store(tmp_path, a=[generated(caption="x" * 5000)]))
    (hit,) = twin["hits"]
    assert hit["caption"] == "x" * 159 + "…"
