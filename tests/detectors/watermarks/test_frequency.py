"""What the two checks say of images, marked, unmarked and unfit."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from madaudit.detectors import build_detector
from madaudit.detectors.base import Batch
from madaudit.detectors.watermarks import encode
from madaudit.detectors.watermarks.pixels.messages import load
from madaudit.errors import OptionError
from madaudit.scanning.decode import decode as decode_file
from madaudit.types import Evidence
from tests.detectors.image_building import look_at
from tests.detectors.shared_data import DATA, needs_data, rows_of
from tests.detectors.watermarks.picture_building import flat, picture

METHODS = ("dwt_dct", "dwt_dct_svd")
MESSAGES = load().wanted_by("dwt_dct")
every_method = pytest.mark.parametrize("method", METHODS)


def file_of(image: Image.Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    options = {"compress_level": 1} if kind == "PNG" else {}
    image.save(stream, kind, **options)
    return stream.getvalue()


def detect(method: str, file: bytes, **options: object) -> Evidence:
    look = look_at(file)
    assert look.container is not None
    raster = decode_file(memoryview(file), look.container, 1 << 28).raster
    detector = build_detector(method, options)
    (evidence,) = detector.detect(Batch([look], lambda _: raster))
    return evidence


def of_pixels(method: str, pixels: np.ndarray, **options: object) -> Evidence:
    return detect(method, file_of(Image.fromarray(pixels)), **options)


@every_method
@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_each_known_message_is_found_and_named(method, message):
    marked = encode(picture(320, 320), message.bits, method=method)
    evidence = of_pixels(method, marked)
    assert evidence.is_hit
    assert evidence.detail.message == message.name
    assert evidence.detail.tool == message.tool
    assert evidence.score == pytest.approx(-np.log10(evidence.detail.p_value))
    assert evidence.detail.hypotheses == len(MESSAGES) * len(METHODS)


@every_method
def test_an_unmarked_image_has_a_p_value_too(method):
    evidence = of_pixels(method, picture(512, 512))
    assert evidence.state == "absent"
    assert evidence.detail.label is None
    assert 1e-6 < evidence.detail.p_value <= 1
    assert evidence.score >= 0


@every_method
def test_a_p_value_is_charged_for_every_message(method, tmp_path):
    digits = np.random.default_rng(1).integers(0, 2, (95, 64))
    entries = [
        f'[[message]]\nname = "m{k}"\nbits = "{"".join(map(str, row))}"\n'
        f'tool = "none"\nsource = "none"\n'
        for k, row in enumerate(digits)
    ]
    (tmp_path / "m.toml").write_text("\n".join(entries))
    marked = encode(picture(512, 512), "StableDiffusionV1", method=method)
    few, many = (
        of_pixels(method, marked),
        of_pixels(method, marked, messages=str(tmp_path / "m.toml")),
    )
    assert many.detail.hypotheses == 20 * few.detail.hypotheses
    assert many.detail.p_value == pytest.approx(20 * few.detail.p_value)


@every_method
@pytest.mark.parametrize(
    ("image", "says"),
    [
        (Image.new("RGB", (1, 1), "red"), "1 × 1 pixels are fewer than the 65536"),
        (Image.fromarray(picture(256, 255)), "256 × 255 pixels are fewer"),
        (Image.fromarray(picture(256, 256)).convert("L"), "it is grey"),
        (Image.fromarray(picture(256, 256)).convert("LA"), "it is grey"),
        (Image.fromarray(picture(256, 256)[..., 0].astype(np.uint16) * 257), "it is grey"),
        (Image.new("1", (300, 300)), "it is grey"),
        (Image.fromarray(flat((9, 80, 200))), "it is of one tint"),
    ],
    ids=["1x1", "below the minimum", "grey", "grey alpha", "16 bit", "black", "one colour"],
)
def test_what_cannot_carry_a_mark_is_unobservable_and_says_why(method, image, says):
    evidence = detect(method, file_of(image))
    assert evidence.state == "unobservable"
    assert np.isnan(evidence.score)
    assert re.search(says, evidence.detail.says)


@every_method
def test_a_narrow_image_without_a_block_is_unobservable(method):
    evidence = of_pixels(method, picture(16384, 4))
    assert evidence.state == "unobservable"
    assert "fewer blocks" in evidence.detail.says


@every_method
def test_alpha_does_not_hide_a_mark(method):
    marked = Image.fromarray(encode(picture(256, 256), "SDV2", method=method))
    marked.putalpha(7)
    assert detect(method, file_of(marked)).detail.message == "SDV2"


@every_method
def test_a_cmyk_image_is_judged(method):
    assert detect(method, file_of(Image.new("CMYK", (256, 256)), "JPEG")).state == "unobservable"
    converted = Image.fromarray(picture(256, 256)).convert("CMYK")
    assert detect(method, file_of(converted, "JPEG")).state == "absent"


@every_method
def test_pixels_that_cannot_be_decoded_are_missing(method):
    detector = build_detector(method)
    (evidence,) = detector.detect(Batch([look_at(file_of(Image.new("RGB", (9, 9))))]))
    assert evidence.state == "missing"


@every_method
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"threshold": 0.0}, "allowed: above 0 and below 1"),
        ({"search": "offset"}, "did you mean 'offsets'"),
        ({"messages": "no-such-file.toml"}, "cannot read the messages' file"),
    ],
)
def test_a_wrong_option_is_refused_before_any_work(method, options, says):
    with pytest.raises(OptionError, match=says):
        build_detector(method, options)


@every_method
def test_a_crop_is_found_by_search_alone_and_costs_hypotheses(method):
    marked = encode(picture(512, 512), "StableDiffusionV1", method=method)
    crop = marked[13:413, 27:475]
    assert of_pixels(method, crop).state == "absent"
    found = of_pixels(method, crop, search="offsets")
    assert found.is_hit
    assert found.detail.message == "StableDiffusionV1"
    # The image as it is, and 64 grids, each with every shift of every message at five widths.
    n_bits = sum(message.n_bits for message in MESSAGES)
    assert found.detail.hypotheses == 2 * (len(MESSAGES) + 64 * 5 * n_bits)
    assert re.search(r"grid moved by \d, \d px", found.detail.says)


def test_an_enlarged_image_is_found_by_search_alone():
    marked = Image.fromarray(encode(picture(512, 512), "StableDiffusionV1", method="dwt_dct_svd"))
    enlarged = np.asarray(marked.resize((720, 720), Image.Resampling.BICUBIC))
    assert of_pixels("dwt_dct_svd", enlarged).state == "absent"
    assert of_pixels("dwt_dct_svd", enlarged, search="sizes").is_hit


def test_a_strip_is_not_blown_up_by_search():
    evidence = of_pixels("dwt_dct", picture(16384, 8), search="sizes")
    assert evidence.state == "absent"
    assert evidence.detail.hypotheses == 2 * len(MESSAGES)


@needs_data
def test_genuine_outputs_of_stable_diffusion_are_found():
    rows = rows_of("synthetic/sd_outputs_watermark")
    found = [detect("dwt_dct", (DATA / row["path"]).read_bytes()) for row in rows]
    hits = [evidence for evidence in found if evidence.is_hit]
    assert len(hits) == 24
    assert {evidence.detail.message for evidence in hits} == {"StableDiffusionV1"}
    assert len(found) == 26


@needs_data
def test_one_genuine_jpeg_of_flux_still_has_its_46_bits():
    rows = rows_of("provenance/flux-exif")
    found = [detect("dwt_dct", (DATA / row["path"]).read_bytes()) for row in rows]
    (hit,) = [evidence.detail for evidence in found if evidence.is_hit]
    assert (hit.message, hit.tool, len(found)) == ("FLUX", "FLUX", 8)
    assert hit.bit_agreement == 45 / 46


@needs_data
@pytest.mark.slow
@every_method
def test_no_real_photo_is_a_hit(method):
    files = [DATA / row["path"] for row in rows_of("real/")]
    judged = 0
    for path in files:
        look = look_at(path.read_bytes())
        if look.container is None or look.container.format not in ("jpeg", "png", "webp"):
            continue
        evidence = detect(method, path.read_bytes())
        judged += evidence.state == "absent"
        assert not evidence.is_hit, path
    assert judged > 500
