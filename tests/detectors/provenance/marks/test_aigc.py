"""China's AIGC label: where it stands, what it says, and what only looks like it."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape, quoteattr

import pytest

from madaudit.types import Sidecar
from tests.detectors.image_building import (
    USER_COMMENT,
    avif,
    detect,
    exif_block,
    itxt_chunk,
    jpeg,
    jpeg_with_exif,
    jpeg_with_xmp,
    png,
    riff_chunk,
    state_of,
    text_chunk,
    user_comment,
    webp,
    xmp_packet,
)


def _object(label: object = "1", **fields: str) -> str:
    return json.dumps({"Label": label, "ContentProducer": "doubao", "ProduceID": "x1", **fields})


def _element(text: str) -> bytes:
    return xmp_packet(f"<TC260:AIGC>{escape(text)}</TC260:AIGC>")


def _exif(text: str) -> bytes:
    return exif_block({USER_COMMENT: user_comment(text)})


@pytest.mark.parametrize(
    ("image", "field"),
    [
        (jpeg_with_xmp(_element(_object())), "JPEG APP1 XMP TC260:AIGC"),
        (
            jpeg_with_xmp(xmp_packet(attributes=f"TC260:AIGC={quoteattr(_object())}")),
            "JPEG APP1 XMP TC260:AIGC",
        ),
        (webp(riff_chunk(b"XMP ", _element(_object()))), "WebP XMP TC260:AIGC"),
        (avif(xmp=_element(_object())), "BMFF XMP item TC260:AIGC"),
        (png(text_chunk("AIGC", _object())), "PNG tEXt AIGC"),
        (png(itxt_chunk("AIGC", _object().encode())), "PNG iTXt AIGC"),
        (jpeg_with_exif(_exif(f'{{"AIGC": {_object()}}}')), "EXIF UserComment"),
    ],
)
def test_the_label_is_found_in_each_of_its_places(image, field):
    detail = detect("aigc", image).detail
    assert (detail.field, detail.tool, detail.label) == (field, "doubao", "synthetic")


@pytest.mark.parametrize(
    ("label", "words", "is_hit"),
    [
        ("1", "is generated or synthesised", True),
        (1, "is generated or synthesised", True),
        ("2", "may be generated, which proves nothing", False),
        ("3", "is suspected to be generated, which proves nothing", False),
    ],
)
def test_the_three_labels_say_what_the_standard_says(label, words, is_hit):
    evidence = detect("aigc", jpeg_with_xmp(_element(_object(label))))
    assert evidence.state == "present"
    assert evidence.is_hit is is_hit
    assert words in evidence.detail.says
    assert evidence.detail.message == f"Label {label}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "[]",
        "not JSON",
        _object("4"),
        _object(None),
        json.dumps({"Label": "1"}),
        json.dumps({"Label": "1", "name": "a jam jar"}),
        json.dumps({"AIGC": "1"}),
        _object(ReservedCode1="x" * 70_000),
        "[" * 50_000,
    ],
)
def test_another_text_under_its_name_is_absent(text):
    assert state_of("aigc", jpeg_with_xmp(_element(text[:60_000]))) == "absent"
    assert state_of("aigc", png(text_chunk("AIGC", text))) == "absent"


@pytest.mark.parametrize("keyword", ["Comment", "aigc", "Description"])
def test_the_object_under_another_keyword_is_absent(keyword):
    assert state_of("aigc", png(text_chunk(keyword, _object()))) == "absent"


def test_the_object_in_another_namespace_is_absent():
    other = xmp_packet(f"<o:AIGC>{escape(_object())}</o:AIGC>", attributes="xmlns:o='urn:o'")
    assert state_of("aigc", jpeg_with_xmp(other)) == "absent"


def test_a_producer_without_a_name_is_unnamed():
    text = json.dumps({"Label": "1", "ContentProducer": "", "ProduceID": "x"})
    detail = detect("aigc", png(text_chunk("AIGC", text))).detail
    assert detail.tool == "unnamed"
    assert "an unnamed producer" in detail.says


def test_it_is_found_where_a_pipeline_kept_the_comment():
    column = json.dumps({"EXIF UserComment": f'{{"AIGC": {_object()}}}'})
    evidence = detect("aigc", jpeg(), Sidecar(exif=column, reencoded=True))
    assert evidence.detail.field == "exif column UserComment"
