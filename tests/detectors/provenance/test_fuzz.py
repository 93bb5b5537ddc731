"""Strangers' bytes: whatever a file holds, parsing never raises and detectors only say so."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from madaudit.detectors import DEFAULTS, build_detector
from madaudit.detectors.base import Batch
from madaudit.detectors.provenance.cbor import decode
from madaudit.detectors.provenance.infotext import parse_infotext
from madaudit.detectors.provenance.manifest_store import read_store
from madaudit.detectors.provenance.photoshop import iptc_resource
from madaudit.detectors.provenance.tiff import read_tags
from madaudit.errors import MalformedError
from madaudit.types import Sidecar
from tests.detectors.image_building import (
    C2PA_TAG,
    INFOTEXT,
    MAKE,
    SYNTHETIC_STORE,
    USER_COMMENT,
    XMP_TAG,
    app11,
    avif,
    box,
    chunk,
    exif_block,
    gif,
    gif_comment,
    gif_manifest,
    gif_xmp,
    image_resource,
    itxt_chunk,
    jpeg,
    jxl,
    look_at,
    png,
    raw_profile_chunk,
    riff_chunk,
    source_type_xmp,
    text_chunk,
    tiff,
    user_comment,
    webp,
    ztxt_chunk,
)

_EXIF = exif_block({MAKE: "flux", USER_COMMENT: user_comment(INFOTEXT)})
_GRAPH = '{"1": {"class_type": "KSampler", "inputs": {"ckpt_name": "x"}}}'
_VALID = {
    "jpeg": jpeg(
        (0xE1, b"Exif\0\0" + _EXIF),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + source_type_xmp()),
        (0xEB, app11(SYNTHETIC_STORE, [1], 60000)[0]),
        (0xED, b"Photoshop 3.0\0" + image_resource(0x0404, b"\x1c\2\x05")),
        (0xFE, INFOTEXT.encode()),
    ),
    "png": png(
        text_chunk("prompt", _GRAPH),
        ztxt_chunk("parameters", INFOTEXT.encode()),
        itxt_chunk("XML:com.adobe.xmp", source_type_xmp(), compressed=True),
        raw_profile_chunk("exif", _EXIF),
        chunk(b"eXIf", _EXIF),
        behind=chunk(b"caBX", SYNTHETIC_STORE),
    ),
    "png-settings": png(
        text_chunk("parameters", '{"sui_image_params": {"model": "x", "initimage": "y"}}'),
        text_chunk("invokeai_graph", '{"nodes": {"1": {"type": "inpaint"}, "2": [1]}}'),
        text_chunk("sd-metadata", '{"model_id": "x", "image": {"steps": 1, "type": "img2img"}}'),
        text_chunk("Dream", '"a" -s 1 -S 2 -W 3 -H 4 -C 5'),
        text_chunk("Software", "NovelAI"),
        text_chunk("Comment", '{"request_type": "Img2ImgRequest"}'),
        text_chunk("generation_data", '{"prompt": "a", "steps": 1, "baseModel": {}}'),
    ),
    "webp": webp(
        riff_chunk(b"EXIF", _EXIF),
        riff_chunk(b"XMP ", source_type_xmp()),
        riff_chunk(b"C2PA", SYNTHETIC_STORE),
    ),
    "avif": avif(exif=_EXIF, xmp=source_type_xmp(), manifest=SYNTHETIC_STORE),
    "avif-idat": avif(exif=_EXIF, xmp=source_type_xmp(), in_idat=True),
    "tiff": tiff({MAKE: "flux", USER_COMMENT: user_comment(INFOTEXT), C2PA_TAG: SYNTHETIC_STORE}),
    "big-tiff": tiff({MAKE: "flux", XMP_TAG: source_type_xmp()}, order=">", is_big=True),
    "gif": gif(gif_comment("note"), gif_xmp(source_type_xmp()), gif_manifest(SYNTHETIC_STORE)),
    "jxl": jxl(
        box(b"Exif", b"\0\0\0\0" + _EXIF), box(b"xml ", source_type_xmp()), SYNTHETIC_STORE
    ),
}
_STARTS = [image[:16] for image in _VALID.values()] + [b"GIF89a", b"BM", b"II*\0", b""]
_QUICK = settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def _examine(image: bytes, sidecar: Sidecar | None = None) -> None:
    batch = Batch([look_at(image, sidecar or Sidecar())])
    for name in DEFAULTS:
        detector = build_detector(name, {"validate": False} if name == "c2pa" else {})
        with contextlib.suppress(MalformedError):
            assert len(detector.detect(batch)) == 1


@pytest.mark.parametrize("kind", _VALID)
def test_valid_files_are_complete_and_full_of_marks(kind):
    look = look_at(_VALID[kind])
    assert look.container is not None
    assert look.container.problem is None
    assert len(look.container.blocks) >= 2


@_QUICK
@given(start=st.sampled_from(_STARTS), rest=st.binary(max_size=400))
def test_random_bytes_never_raise(start, rest):
    _examine(start + rest)


@pytest.mark.slow
@pytest.mark.parametrize("kind", _VALID)
@_QUICK
@given(data=st.data())
def test_mutated_files_never_raise(kind, data):
    image = bytearray(_VALID[kind])
    places = st.tuples(st.integers(0, len(image) - 1), st.integers(0, 255))
    for place, value in data.draw(st.lists(places, min_size=1, max_size=12)):
        image[place] = value
    _examine(bytes(image))


@pytest.mark.slow
@pytest.mark.parametrize("kind", _VALID)
@_QUICK
@given(data=st.data())
def test_files_with_pieces_missing_never_raise(kind, data):
    image = _VALID[kind]
    start = data.draw(st.integers(0, len(image)))
    end = data.draw(st.integers(start, len(image)))
    _examine(image[:start] + image[end:])
    _examine(image[:end])


@pytest.mark.parametrize("kind", _VALID)
@_QUICK
@given(data=st.data())
def test_extreme_lengths_never_raise(kind, data):
    image = bytearray(_VALID[kind])
    place = data.draw(st.integers(0, len(image) - 8))
    image[place : place + 8] = data.draw(st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\x7f" * 8]))
    _examine(bytes(image))


@_QUICK
@given(exif=st.one_of(st.text(max_size=50), st.sampled_from(["[1]", "{}", "null", "[" * 10_000])))
def test_a_strange_exif_column_never_raises(exif):
    _examine(png(), Sidecar(exif=exif, reencoded=True))


@pytest.mark.parametrize("order", "<>")
@_QUICK
@given(data=st.data())
def test_mutated_exif_never_raises(order, data):
    block = bytearray(exif_block({MAKE: "maker", USER_COMMENT: b"ASCII\0\0\0text"}, order=order))
    places = st.tuples(st.integers(4, len(block) - 1), st.integers(0, 255))
    for place, value in data.draw(st.lists(places, min_size=1, max_size=8)):
        block[place] = value
    assert isinstance(read_tags(bytes(block)), dict)


@_QUICK
@given(data=st.data())
def test_mutated_stores_are_read_or_malformed(data):
    store = bytearray(SYNTHETIC_STORE)
    places = st.tuples(st.integers(0, len(store) - 1), st.integers(0, 255))
    for place, value in data.draw(st.lists(places, min_size=1, max_size=8)):
        store[place] = value
    with contextlib.suppress(MalformedError):
        assert read_store(bytes(store))


@_QUICK
@given(data=st.binary(max_size=200))
def test_random_cbor_and_resources_are_read_or_malformed(data):
    iptc_resource(data)
    with contextlib.suppress(MalformedError):
        decode(data)


@pytest.mark.parametrize(
    "filler", [" ", "a", "a ", "\t", '"', '\\"', "a:", ",", "-/", "\n", 'a:"']
)
def test_reading_an_infotext_takes_time_in_proportion_to_its_length(filler):
    text = f"Steps: 20, {filler * 60_000}x"
    start = time.perf_counter()
    parse_infotext(text)
    assert time.perf_counter() - start < 2


def test_an_infotext_with_many_headings_is_read_in_time():
    start = time.perf_counter()
    parse_infotext("Steps: 20, \n" * 10_000)
    assert time.perf_counter() - start < 2
