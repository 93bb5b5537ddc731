"""The nearest known images score a picture, and say which they are."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import madaudit
from madaudit.detectors import build_detector
from madaudit.detectors.base import Batch, Look, Raster
from madaudit.errors import InputError, OptionError, RequestError
from madaudit.types import Evidence, Sample
from tests.commands.invoking import invoke
from tests.encoders.bank_building import TOWER, small_bank, write_images

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra onnx)")


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> dict[str, str]:
    return small_bank(tmp_path_factory.mktemp("bank"))


def picture(*tint: int, side_px: int = 16) -> np.ndarray:
    return np.broadcast_to(np.array(tint, dtype=np.uint8), (side_px, side_px, 3)).copy()


def evidence(options: dict[str, str], *pictures: np.ndarray, **more: int) -> list[Evidence]:
    looks = [Look(Sample(n, str(n), image=memoryview(b"x")), None) for n in range(len(pictures))]
    batch = Batch(looks, lambda index: Raster(pictures[index]))
    return build_detector("neighbours", {**options, **more}).detect(batch)


def test_what_is_nearer_the_synthetic_ones_scores_higher(options):
    reddish, bluish = evidence(options, picture(190, 90, 70), picture(70, 90, 190))
    assert reddish.score > 0 > bluish.score
    assert (reddish.state, reddish.is_hit) == ("present", False)


def test_it_names_the_nearest_known_image_and_its_similarity(options):
    (found,) = evidence(options, picture(190, 90, 70))
    assert found.detail.says.startswith("nearest known image: synthetic, painter: ")
    assert "cosine 1.000" in found.detail.says or "cosine 0.9" in found.detail.says


def test_an_image_too_small_for_a_crop_is_unobservable(options):
    (found,) = evidence(options, picture(1, 2, 3, side_px=7))
    assert found.state == "unobservable"
    assert "7 × 7 pixels hold no square of 8" in found.detail.says


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        (Sample(0, "t", text="a text"), "a text has no pixels"),
        (Sample(0, "m"), "neither pixels nor features"),
        (Sample(0, "e", embedding=np.ones(4, dtype=np.float32)), "another's features"),
    ],
)
def test_what_has_no_pixels_is_unobservable_with_the_reason(options, sample, says):
    detector = build_detector("neighbours", options)
    (found,) = detector.detect(Batch([Look(sample, None)]))
    assert found.state == "unobservable"
    assert says in found.detail.says


def test_without_a_bank_it_says_how_to_build_one():
    why = build_detector("neighbours").why_unavailable()
    assert "madaudit bank build -o DIR" in why


def test_a_bank_of_another_encoder_is_refused(options, tmp_path):
    about = json.loads((Path(options["bank"]) / "bank.json").read_text())
    other = tmp_path / "bank"
    other.mkdir()
    for file in Path(options["bank"]).iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    (other / "bank.json").write_text(json.dumps({**about, "space": "0" * 64 + " other"}))
    why = build_detector("neighbours", {**options, "bank": str(other)}).why_unavailable()
    assert "give the encoder and weights that the bank was built with" in why


def test_its_fingerprint_changes_with_the_bank(options, tmp_path):
    before = build_detector("neighbours", options).fingerprint()
    other = small_bank(tmp_path, n=5)
    assert build_detector("neighbours", other).fingerprint() != before


def test_fewer_than_one_neighbour_is_refused():
    with pytest.raises(OptionError, match=r"neighbours\.k is 0"):
        build_detector("neighbours", {"k": 0})


# --- the command ------------------------------------------------------------------------------


def test_a_scan_with_a_bank_scores_every_image(options, tmp_path):
    red = write_images(tmp_path / "data" / "red", 2, seed=7, tint=(200, 90, 60))
    store = str(tmp_path / "store")
    given = {"neighbours": options}
    madaudit.scan(
        red, store, tier="model", detectors=["neighbours"], options=given, engine="serial"
    )
    from madaudit.scanning.store import Store

    survey = Store(store).survey()
    (batch,) = Store(store).row_batches(survey.markers[0]["shard"], ["neighbours_score"])
    assert min(batch.column("neighbours_score").to_pylist()) > 0


def test_adding_enlarges_a_bank_and_keeps_what_it_held(tmp_path):
    options = small_bank(tmp_path)
    more = write_images(tmp_path / "more", 3, seed=9, tint=(120, 120, 120))
    summary = madaudit.bank("add", options["bank"], synthetic=[f"grey={more}"], weights=TOWER)
    assert (summary.about["synthetic"]["n"], summary.about["real"]["n"]) == (15, 12)
    names = [source["name"] for source in summary.about["sources"]]
    assert names == ["blue", "painter", "grey"]
    (found,) = evidence(options, picture(120, 120, 120))
    assert "grey: " in found.detail.says


def test_broken_and_small_files_are_counted_and_passed_over(tmp_path):
    red = write_images(tmp_path / "red", 2, seed=0, tint=(200, 90, 60))
    (tmp_path / "red" / "broken.png").write_bytes(b"no image")
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    (tmp_path / "red" / "small.png").write_bytes(buffer.getvalue())
    summary = madaudit.bank(
        "build", str(tmp_path / "b"), synthetic=[red], real=[red], weights=TOWER
    )
    assert (summary.about["real"]["n"], summary.n_unfit) == (2, 4)


def test_wrong_requests_are_refused(tmp_path, options):
    red = write_images(tmp_path / "red", 1, seed=0, tint=(200, 90, 60))
    small = tmp_path / "small"
    small.mkdir()
    Image.new("RGB", (4, 4)).save(small / "a.png")
    out = str(tmp_path / "b")
    with pytest.raises(OptionError, match="a bank needs both sides"):
        madaudit.bank("build", out, synthetic=[red], weights=TOWER)
    with pytest.raises(OptionError, match="nothing to add"):
        madaudit.bank("add", out, weights=TOWER)
    with pytest.raises(RequestError, match="no bank at"):
        madaudit.bank("add", out, real=[red], weights=TOWER)
    with pytest.raises(RequestError, match="one is there; enlarge it with madaudit bank add"):
        madaudit.bank("build", options["bank"], synthetic=[red], real=[red], weights=TOWER)
    with pytest.raises(InputError, match="images of at least 8 × 8 pixels"):
        madaudit.bank("build", out, synthetic=[red], real=[str(small)], weights=TOWER)
    assert not Path(out).exists()


def test_the_command_tells_what_it_wrote(tmp_path):
    red = write_images(tmp_path / "red", 2, seed=0, tint=(200, 90, 60))
    run = invoke(
        "bank", "build", "-o", tmp_path / "b", "--synthetic", f"sd={red}", "--real", red,
        "--weights", TOWER, "--json",
    )  # fmt: skip
    assert run.code == 0
    told = json.loads(run.out)
    assert told["sources"] == [
        {"name": "red", "label": "real", "n": 2},
        {"name": "sd", "label": "synthetic", "n": 2},
    ]
