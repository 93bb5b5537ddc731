"""XMP packets and the digital source type in them."""

from __future__ import annotations

import pytest

from madaudit.detectors.provenance.source_types import CLASSES
from madaudit.detectors.provenance.xmp import IPTC_EXT, XMP_BASIC, read_properties
from madaudit.errors import MalformedError
from madaudit.limits import MAX_XMP_BYTES, MAX_XMP_DEPTH
from tests.detectors.image_building import (
    IPTC_CAPTURE,
    IPTC_SYNTHETIC,
    avif,
    detect,
    iim,
    image_resource,
    itxt_chunk,
    jpeg_with_iim,
    jpeg_with_xmp,
    png,
    raw_profile_chunk,
    riff_chunk,
    source_type_xmp,
    state_of,
    text_chunk,
    webp,
    xmp_packet,
)

_ELEMENT = "Iptc4xmpExt:DigitalSourceType"
_CLASSED = [("trainedAlgorithmicMedia", True), ("composite", True), ("digitalCapture", False)]


@pytest.mark.parametrize(
    "packet",
    [
        xmp_packet(f"<{_ELEMENT}>{IPTC_SYNTHETIC}</{_ELEMENT}>"),
        xmp_packet(f"<{_ELEMENT} rdf:resource='{IPTC_SYNTHETIC}'/>"),
        xmp_packet(attributes=f"{_ELEMENT}='{IPTC_SYNTHETIC}'"),
        source_type_xmp()[: source_type_xmp().index(b"<?xpacket end")] + b" " * 2000,
        source_type_xmp() + b"\0\0",
    ],
)
def test_the_source_type_is_read_in_every_form(packet):
    assert read_properties(packet)[IPTC_EXT, "DigitalSourceType"] == IPTC_SYNTHETIC
    assert detect("iptc", jpeg_with_xmp(packet)).detail.message == "trainedAlgorithmicMedia"


@pytest.mark.parametrize(
    ("image", "place"),
    [
        (jpeg_with_xmp(source_type_xmp()), "JPEG APP1 XMP"),
        (png(itxt_chunk("XML:com.adobe.xmp", source_type_xmp())), "PNG iTXt XML:com.adobe.xmp"),
        (png(raw_profile_chunk("xmp", source_type_xmp())), "PNG zTXt Raw profile type xmp"),
        (webp(riff_chunk(b"XMP ", source_type_xmp())), "WebP XMP"),
        (avif(xmp=source_type_xmp()), "BMFF XMP item"),
    ],
)
def test_the_field_says_where_it_stands(image, place):
    assert detect("iptc", image).detail.field == f"{place} DigitalSourceType"


@pytest.mark.parametrize(("name", "is_hit"), _CLASSED)
def test_only_generated_content_is_a_hit(name, is_hit):
    evidence = detect("iptc", jpeg_with_xmp(source_type_xmp(name)))
    assert (evidence.state, evidence.is_hit) == ("present", is_hit)
    assert evidence.detail.label == CLASSES[name]


@pytest.mark.parametrize("value", ["", "somethingElse", "https://example.org/trainedAlgorithmic"])
def test_an_unknown_value_is_absent(value):
    assert detect("iptc", jpeg_with_xmp(source_type_xmp(value))).state == "absent"


@pytest.mark.parametrize(
    ("properties", "tool"),
    [
        ("<xmp:CreatorTool>Maker 3</xmp:CreatorTool>", "Maker 3"),
        ("<photoshop:Credit>Made with AI</photoshop:Credit>", "Made with AI"),
        ("", "unnamed"),
    ],
)
def test_the_tool_is_who_signs_beside_it(properties, tool):
    packet = xmp_packet(f"{properties}<{_ELEMENT}>{IPTC_SYNTHETIC}</{_ELEMENT}>")
    assert detect("iptc", jpeg_with_xmp(packet)).detail.tool == tool


def test_midjourney_is_told_by_its_job_number():
    xmp = itxt_chunk("XML:com.adobe.xmp", source_type_xmp())
    image = png(text_chunk("Description", "a cat --v 6.1 Job ID: 1-2-3"), xmp)
    assert detect("iptc", image).detail.tool == "Midjourney"


def test_a_list_gives_its_first_item():
    listed = "<xmp:Label><rdf:Seq><rdf:li>one</rdf:li><rdf:li>two</rdf:li></rdf:Seq></xmp:Label>"
    assert read_properties(xmp_packet(listed))[XMP_BASIC, "Label"] == "one"


_HOSTILE = {
    "entities": b'<!DOCTYPE x [<!ENTITY a "DigitalSourceType">]><x>&a;</x>',
    "external": b'<!DOCTYPE x SYSTEM "http://127.0.0.1/DigitalSourceType"><x/>',
    "cut": source_type_xmp()[:-60],
    "huge": b"<x>DigitalSourceType" + b" " * MAX_XMP_BYTES + b"</x>",
    "encoding": b'<?xml version="1.0" encoding="utf-7"?><x>DigitalSourceType</x>',
    "binary": b"DigitalSourceType\xff\xfe",
}


@pytest.mark.parametrize("name", _HOSTILE)
def test_xmp_that_cannot_be_parsed_is_missing_and_never_absent(name):
    with pytest.raises(MalformedError, match="XMP"):
        read_properties(_HOSTILE[name])
    image = png(itxt_chunk("XML:com.adobe.xmp", _HOSTILE[name]))
    assert state_of("iptc", image) == "missing"


def test_xml_without_rdf_has_no_properties():
    assert read_properties(b"<x>DigitalSourceType</x>") == {}


def test_xml_that_nests_deeper_than_any_packet_is_malformed():
    def nested(depth: int) -> bytes:
        return b"<a>" * depth + b"</a>" * depth

    assert read_properties(nested(MAX_XMP_DEPTH)) == {}
    with pytest.raises(MalformedError, match="nested deeper than"):
        read_properties(nested(50_000))


_CREDITS = [
    ("Made with Google AI", "Google AI", "synthetic"),
    ("Edited with Google AI", "Google AI", "composite"),
    ("edited with google ai ", "Google AI", "composite"),
    ("Imagined with AI", "Meta AI", "synthetic"),
    ("Apple Photos Clean Up", "Apple Photos", "composite"),
]


def _with_credit(text: str, more: str = "") -> bytes:
    return xmp_packet(f"<photoshop:Credit>{text}</photoshop:Credit>{more}")


@pytest.mark.parametrize(("text", "tool", "label"), _CREDITS)
def test_a_known_credit_is_a_claim_in_xmp_and_in_iim(text, tool, label):
    images = {
        "JPEG APP1 XMP Credit": jpeg_with_xmp(_with_credit(text)),
        "JPEG APP13 IPTC Credit": jpeg_with_iim(iim((2, 110, text.encode()))),
        "PNG zTXt Raw profile type iptc Credit": png(
            raw_profile_chunk("iptc", image_resource(0x0404, iim((2, 110, text.encode()))))
        ),
        "PNG zTXt Raw profile type 8bim Credit": png(
            raw_profile_chunk("8bim", iim((2, 110, text.encode())))
        ),
    }
    for field, image in images.items():
        detail = detect("iptc", image).detail
        assert (detail.tool, detail.label, detail.field) == (tool, label, field)


@pytest.mark.parametrize(
    "text", ["Getty Images", "Not made with Google AI", "Reimagined with AI", "Made with AI", ""]
)
def test_another_credit_is_absent(text):
    assert detect("iptc", jpeg_with_xmp(_with_credit(text))).state == "absent"
    assert detect("iptc", jpeg_with_iim(iim((2, 110, text.encode())))).state == "absent"


def test_a_known_credit_elsewhere_is_absent():
    image = jpeg_with_iim(iim((2, 120, b"Made with Google AI"), (2, 25, b"Imagined with AI")))
    assert detect("iptc", image).state == "absent"


def test_a_credit_names_the_tool_of_a_source_type():
    more = f"<{_ELEMENT}>{IPTC_SYNTHETIC}</{_ELEMENT}>"
    detail = detect("iptc", jpeg_with_xmp(_with_credit("Made with Google AI", more))).detail
    assert (detail.tool, detail.message) == ("Google AI", "trainedAlgorithmicMedia")


def test_a_cameras_source_type_gives_way_to_an_editors_credit():
    more = f"<{_ELEMENT}>{IPTC_CAPTURE}</{_ELEMENT}>"
    detail = detect("iptc", jpeg_with_xmp(_with_credit("Edited with Google AI", more))).detail
    assert (detail.tool, detail.label) == ("Google AI", "composite")


def test_the_ai_system_used_is_a_claim():
    packet = xmp_packet("<Iptc4xmpExt:AISystemUsed>Bing Image Creator</Iptc4xmpExt:AISystemUsed>")
    detail = detect("iptc", jpeg_with_xmp(packet)).detail
    assert (detail.tool, detail.label) == ("Bing Image Creator", "synthetic")
    assert detail.field == "JPEG APP1 XMP AISystemUsed"
