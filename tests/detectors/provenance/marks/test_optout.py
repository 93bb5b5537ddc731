"""Opt-outs from training: where they stand, what they prohibit, and that they are never a hit."""

from __future__ import annotations

import pytest

from madaudit.detectors import build_detector
from madaudit.detectors.base import Batch, Look
from madaudit.types import Sample, Sidecar
from tests.detectors.image_building import (
    SYNTHETIC_STORE,
    assertion,
    chunk,
    detect,
    iim,
    itxt_chunk,
    jpeg,
    jpeg_with_iim,
    jpeg_with_manifest,
    jpeg_with_xmp,
    manifest,
    png,
    state_of,
    store,
    text_chunk,
    xmp_packet,
)

_VOCABULARY = "http://ns.useplus.org/ldf/vocab/"
_NAME = "optout_training"


def _mining(value: str) -> bytes:
    return jpeg_with_xmp(xmp_packet(f"<plus:DataMining>{value}</plus:DataMining>"))


def _keywords(*words: str) -> bytes:
    items = "".join(f"<rdf:li>{word}</rdf:li>" for word in words)
    return jpeg_with_xmp(xmp_packet(f"<dc:subject><rdf:Bag>{items}</rdf:Bag></dc:subject>"))


def _training(label: str, **uses: str) -> bytes:
    entries = {f"c2pa.{use}": {"use": permission} for use, permission in uses.items()}
    return assertion(label, {"entries": entries})


@pytest.mark.parametrize(
    "value",
    [
        "DMI-PROHIBITED",
        "DMI-PROHIBITED-AIMLTRAINING",
        "DMI-PROHIBITED-GENAIMLTRAINING",
        "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING",
        "DMI-PROHIBITED-SEECONSTRAINT",
    ],
)
def test_every_prohibition_of_plus_is_present(value):
    for text in (value, _VOCABULARY + value):
        evidence = detect(_NAME, _mining(text))
        assert (evidence.state, evidence.detail.message) == ("present", value)


@pytest.mark.parametrize("value", ["DMI-ALLOWED", "DMI-UNSPECIFIED", "", "PROHIBITED"])
def test_what_prohibits_nothing_is_absent(value):
    assert state_of(_NAME, _mining(_VOCABULARY + value)) == "absent"


@pytest.mark.parametrize("label", ["c2pa.training-mining", "cawg.training-mining"])
def test_an_assertion_names_the_uses_that_are_not_allowed(label):
    uses = {"ai_training": "notAllowed", "data_mining": "allowed", "ai_inference": "constrained"}
    image = jpeg_with_manifest(store(manifest("urn:a", _training(label, **uses))))
    evidence = detect(_NAME, image)
    assert evidence.detail.message == "ai_training notAllowed; ai_inference constrained"
    assert evidence.detail.field == "JPEG APP11 JUMBF training-mining"


def test_an_assertion_that_allows_all_is_absent():
    box = _training("c2pa.training-mining", ai_training="allowed")
    assert state_of(_NAME, jpeg_with_manifest(store(manifest("urn:a", box)))) == "absent"


def test_only_the_active_manifest_counts():
    old = manifest("urn:a", _training("c2pa.training-mining", ai_training="notAllowed"))
    assert state_of(_NAME, jpeg_with_manifest(store(old, manifest("urn:b")))) == "absent"


@pytest.mark.parametrize(
    "entries", [[], "notAllowed", {"c2pa.ai_training": "notAllowed"}, {1: {"use": "notAllowed"}}]
)
def test_an_assertion_of_another_form_is_absent(entries):
    box = assertion("c2pa.training-mining", {"entries": entries})
    assert state_of(_NAME, jpeg_with_manifest(store(manifest("urn:a", box)))) == "absent"


@pytest.mark.parametrize(
    ("image", "field"),
    [
        (_keywords("cat", "noai"), "JPEG APP1 XMP dc:subject"),
        (_keywords("NoImageAI"), "JPEG APP1 XMP dc:subject"),
        (jpeg_with_iim(iim((2, 25, b"cat"), (2, 25, b"noai"))), "JPEG APP13 IPTC keywords"),
        (png(text_chunk("robots", "noindex, noai")), "PNG tEXt robots"),
        (png(itxt_chunk("X-Robots-Tag", b"noimageai")), "PNG iTXt X-Robots-Tag"),
    ],
)
def test_the_words_are_found_among_keywords_and_robots_texts(image, field):
    assert detect(_NAME, image).detail.field == field


@pytest.mark.parametrize(
    "image", [_keywords("noair", "snoai"), png(text_chunk("Comment", "noai"))]
)
def test_the_words_elsewhere_or_inside_others_are_absent(image):
    assert state_of(_NAME, image) == "absent"


@pytest.mark.parametrize("caption", ["my drawing #NoAI", "noimageai", "please, noai!"])
def test_a_caption_that_says_so_is_present_whatever_the_image(caption):
    sidecar = Sidecar(caption=caption, reencoded=True)
    assert detect(_NAME, jpeg(), sidecar).detail.field == "caption"
    bare = Batch([Look(Sample(0, "k", sidecar=sidecar), None)])
    assert build_detector(_NAME).detect(bare)[0].state == "present"


@pytest.mark.parametrize("caption", ["", "casinoai", "no ai was used", "noai-tools"])
def test_another_caption_hides_nothing(caption):
    sidecar = Sidecar(caption=caption, reencoded=True)
    assert detect(_NAME, jpeg(), sidecar).state == "unobservable"


def test_an_opt_out_is_no_hit_and_claims_no_label():
    evidence = detect(_NAME, _mining("DMI-PROHIBITED"))
    assert not evidence.is_hit
    assert evidence.detail.label is None


def test_an_opt_out_beside_a_mark_says_nothing_of_it():
    image = png(chunk(b"caBX", SYNTHETIC_STORE), text_chunk("robots", "noai"))
    assert detect("c2pa", image).detail.label == "synthetic"
    assert detect(_NAME, image).detail.label is None
