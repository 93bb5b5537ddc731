"""Watermarks over a whole data set: scanned, estimated, reported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import madaudit
from madaudit.detectors.watermarks import encode
from madaudit.errors import StoreError
from tests.commands.invoking import invoke
from tests.detectors.watermarks.picture_building import picture

N_PLAIN, N_MARKED = 9, 3


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("marked")
    (root / "in").mkdir()
    for seed in range(N_PLAIN + N_MARKED):
        pixels = picture(256, 256, seed)
        if seed < N_MARKED:
            pixels = encode(pixels, "StableDiffusionV1", method="dwt_dct_svd")
        Image.fromarray(pixels).save(root / "in" / f"{seed:03}.png", compress_level=1)
    Image.fromarray(picture(20, 20)).save(root / "in" / "tiny.png")
    madaudit.scan(
        str(root / "in"),
        str(root / "store"),
        detectors=["a1111", "dwt_dct_svd"],
        tier="pixels",
        engine="serial",
    )
    return str(root / "store")


def test_the_estimate_says_what_each_check_found(store):
    result = madaudit.estimate(store)
    (check,) = result.to_dict()["watermarks"]
    assert check["check"] == "dwt_dct_svd"
    assert (check["tested"], check["present"]) == (N_PLAIN + N_MARKED, N_MARKED)
    assert check["after_fdr"] == N_MARKED
    assert check["share"] == {"low": 0.25, "point": 0.25, "high": 1.0, "level": 0.95}
    assert check["largest_score"] > 30
    assert [shard["at_least"] for shard in check["flagged_shards"]] == [N_MARKED]
    assert check["n_flagged_shards"] == 1


def test_the_estimate_says_what_chance_may_add_to_the_floor(store):
    (said,) = [text for text in madaudit.estimate(store).assumptions if "by chance" in text]
    assert "its own threshold" in said


def test_hits_count_towards_the_floor(store):
    floor = madaudit.estimate(store).to_dict()["tiers"]["floor"]
    assert floor["point"] == N_MARKED / (N_PLAIN + N_MARKED + 1)


def test_it_is_printed_in_one_line(store):
    out = invoke("estimate", store).out
    (line,) = [line for line in out.splitlines() if line.startswith("  watermark ")]
    assert "dwt_dct_svd: 3 of 12 tested present, 3 at a false discovery rate of 0.01" in line
    assert "1 shard apart" in line


def test_the_report_lists_the_check_and_only_what_was_found_speaks(store):
    madaudit.report(store)
    summary = json.loads((Path(store) / "report" / "summary.json").read_text())
    (check,) = summary["watermarks"]
    assert (check["tested"], check["present"], check["found"]) == (12, 3, 3)
    certain = [hit for hit in summary["hits"] if hit["kind"] == "certain"]
    says = [sentence for hit in certain for sentence in hit["says"]]
    assert len(says) == N_MARKED
    assert all("Stable Diffusion 1's watermark" in sentence for sentence in says)
    assert "Watermarks, over the whole data set" in (
        Path(store) / "report" / "index.html"
    ).read_text(encoding="utf-8")


def test_every_row_that_was_tested_has_its_p_value(store):
    rows = madaudit.explain(store, key="011").rows
    evidence = rows[0]["evidence"]["dwt_dct_svd"]
    assert evidence["state"] == "absent"
    assert 0 < evidence["detail"]["p_value"] <= 1
    assert evidence["score"] == pytest.approx(-np.log10(evidence["detail"]["p_value"]), abs=1e-5)
    (tiny,) = madaudit.explain(store, key="tiny").rows
    assert tiny["evidence"]["dwt_dct_svd"]["state"] == "unobservable"


def test_a_check_without_p_values_is_not_listed(store):
    assert [check.check for check in madaudit.estimate(store).watermarks] == ["dwt_dct_svd"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "it is missing"),
        (b"PK no sketch", "cannot read sketches/"),
        ({"version": np.array([2])}, r"sketch version \[2\]"),
        ({"version": np.array([1]), "x_scores": np.zeros(3)}, "no whole numbers"),
    ],
)
def test_a_sketch_that_cannot_be_read_is_refused(tmp_path, content, says):
    (tmp_path / "in").mkdir()
    Image.fromarray(picture(20, 20)).save(tmp_path / "in" / "a.png")
    store = str(tmp_path / "store")
    madaudit.scan(str(tmp_path / "in"), store, tier="pixels", engine="serial")
    (path,) = (tmp_path / "store" / "sketches").rglob("*.npz")
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    with pytest.raises(StoreError, match=says):
        madaudit.estimate(store)


def test_a_store_without_such_checks_needs_no_sketch(tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(picture(20, 20)).save(tmp_path / "in" / "a.png")
    store = tmp_path / "store"
    madaudit.scan(str(tmp_path / "in"), str(store), engine="serial")
    for path in (store / "sketches").rglob("*.npz"):
        path.unlink()
    assert madaudit.estimate(str(store)).watermarks == ()
