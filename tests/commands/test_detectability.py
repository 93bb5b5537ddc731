"""What survives a pipeline, measured on images at hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import madaudit
from madaudit.detectors.watermarks.pipelines import PIPELINES
from madaudit.errors import InputError, OptionError
from tests.commands.invoking import invoke
from tests.detectors.watermarks.picture_building import flat, picture

MINE = "".join(
    f'[[message]]\nname = "{name}"\nbits = "{"0110100110010110" * times}"\ntool = "t"\n'
    f'source = "s"\n'
    for name, times in (("mine", 1), ("long", 4))
)


def folder_of(path, **images):
    path.mkdir()
    for name, pixels in images.items():
        Image.fromarray(pixels).save(path / f"{name}.png", compress_level=1)
    return str(path)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    images = {f"p{seed}": picture(304, 288, seed) for seed in range(3)}
    return folder_of(tmp_path_factory.mktemp("photos") / "in", **images, tiny=picture(20, 20))


@pytest.fixture(scope="module")
def measured(photos):
    return madaudit.detectability([photos], method=("dwt_dct_svd",), n=4)


@pytest.mark.slow
def test_every_message_is_sent_through_every_pipeline(measured):
    pairs = {(row.message, row.pipeline) for row in measured.rows}
    assert {pipeline for _, pipeline in pairs} == set(PIPELINES)
    assert len(pairs) == len(measured.rows) == 5 * len(PIPELINES)


@pytest.mark.slow
def test_what_cannot_be_marked_is_counted_apart(measured):
    assert (measured.n_drawn, measured.n_unfit) == (4, 1)
    assert {row.n for row in measured.rows} == {3}


def test_a_mark_survives_where_nothing_happens_and_not_where_all_is_resampled(measured):
    shares = {(row.message, row.pipeline): row.share for row in measured.rows}
    untouched, reduced = (
        shares["StableDiffusionV1", name] for name in ("as written", "img2dataset")
    )
    assert untouched.point == 1.0
    assert 0.25 < untouched.low < untouched.high == 1.0
    assert reduced.point == 0.0


def test_what_a_crop_leaves_too_small_is_called_unobservable(tmp_path):
    inputs = folder_of(tmp_path / "in", a=picture(256, 256))
    rows = madaudit.detectability(inputs, n=1).rows
    assert {row.unobservable for row in rows if row.pipeline == "crop 0.9"} == {1}
    assert {row.unobservable for row in rows if row.pipeline == "as written"} == {0}


def test_a_message_too_short_for_the_threshold_is_never_found(tmp_path, photos):
    (tmp_path / "m.toml").write_text(MINE)
    result = madaudit.detectability(photos, messages=str(tmp_path / "m.toml"), n=2, seed=2)
    found = {row.message: row.found for row in result.rows if row.pipeline == "as written"}
    assert found["mine"] == 0
    assert found["long"] > 0


def test_the_same_seed_measures_the_same(photos):
    first, again = (madaudit.detectability(photos, n=1, seed=7) for _ in range(2))
    assert first == again


def test_json_is_what_the_python_twin_returns(photos):
    run = invoke("detectability", photos, "-n", "1", "--json")
    assert run.json == madaudit.detectability([photos], n=1).to_dict()
    assert set(run.json["rows"][0]["share"]) == {"low", "point", "high", "level"}


def test_the_table_says_that_it_never_divides_the_floor(photos):
    out = invoke("detectability", photos, "-n", "1").out
    assert "never divide" in out
    assert "img2dataset" in out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"method": ("dwtdct",)}, "allowed: dwt_dct, dwt_dct_svd"),
        ({"method": ("rivagan",)}, "has no encoder here"),
        ({"n": 0}, "it must be at least 1"),
        ({"search": "all"}, "does not exist"),
        ({"threshold": 2.0}, "allowed: above 0 and below 1"),
    ],
)
def test_a_wrong_request_is_refused(photos, options, says):
    with pytest.raises(OptionError, match=says):
        madaudit.detectability(photos, **options)


def test_inputs_that_cannot_carry_a_mark_are_refused(tmp_path):
    grey = flat((80, 80, 80))
    with pytest.raises(InputError, match="none of them can carry a mark"):
        madaudit.detectability(folder_of(tmp_path / "in", grey=grey, tiny=picture(9, 9)))


def test_a_strip_is_not_blown_up(tmp_path):
    inputs = folder_of(tmp_path / "in", strip=picture(16384, 8), fit=picture(256, 256))
    result = madaudit.detectability(inputs, n=2)
    assert (result.n_drawn, result.n_unfit) == (2, 1)


def test_pipelines_give_images_of_the_size_they_promise():
    image = picture(400, 300)
    sizes = {name: pipeline(image).shape[:2] for name, pipeline in PIPELINES.items()}
    assert sizes["img2dataset"] == (256, 256)
    assert sizes["resize 512"] == (512, 683)
    assert sizes["crop 0.9"] == (270, 360)
    assert np.array_equal(PIPELINES["as written"](image), image)
