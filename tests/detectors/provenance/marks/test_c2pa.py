"""What a C2PA store claims about its image, made by an encoder of our own."""

from __future__ import annotations

import json
import time

import pytest

from madaudit.detectors.provenance.manifest_store import read_store
from madaudit.detectors.provenance.marks.c2pa import judge
from madaudit.errors import MalformedError
from tests.detectors.image_building import (
    IPTC_CAPTURE,
    IPTC_SYNTHETIC,
    SYNTHETIC_STORE,
    action,
    assertion,
    avif,
    box,
    cbor,
    chunk,
    detect,
    jpeg_with_manifest,
    manifest,
    png,
    riff_chunk,
    store,
    superbox,
    webp,
)

_CREATED = action("c2pa.created", IPTC_SYNTHETIC, softwareAgent={"name": "model", "version": "4"})
_EDITED = action("c2pa.edited", IPTC_SYNTHETIC, softwareAgent="model")
_SOURCE = manifest("urn:source", actions=[_CREATED])
_PHOTO = manifest("urn:photo", actions=[action("c2pa.created", IPTC_CAPTURE)])
_OPENED = action("c2pa.opened")


def _label(*manifests: bytes) -> str | None:
    return judge(read_store(store(*manifests))).label


def test_an_image_that_a_model_created_is_synthetic():
    detail = detect("c2pa", png(chunk(b"caBX", store(_SOURCE)))).detail
    assert (detail.label, detail.model, detail.tool) == ("synthetic", "model 4", "maker")
    assert (detail.message, detail.validation) == ("trainedAlgorithmicMedia", "not checked")


@pytest.mark.parametrize("source_type", [IPTC_SYNTHETIC, "compositeWithTrainedAlgorithmicMedia"])
def test_an_image_that_was_edited_by_a_model_is_composite(source_type):
    assert _label(manifest("urn:a", actions=[action("c2pa.edited", source_type)])) == "composite"


def test_a_photo_with_a_generated_edit_is_composite():
    actions = [action("c2pa.created", IPTC_CAPTURE), _EDITED]
    assert _label(manifest("urn:a", actions=actions)) == "composite"


@pytest.mark.parametrize("name", ["c2pa.created", "c2pa.edited"])
def test_a_camera_is_real_and_no_hit(name):
    evidence = detect(
        "c2pa",
        png(chunk(b"caBX", store(manifest("urn:a", actions=[action(name, IPTC_CAPTURE)])))),
    )
    assert (evidence.state, evidence.detail.label) == ("present", "real")
    assert not evidence.is_hit


def test_a_manifest_without_a_source_type_is_present_and_no_hit():
    evidence = detect("c2pa", png(chunk(b"caBX", store(manifest("urn:a", actions=[_OPENED])))))
    assert (evidence.state, evidence.detail.label, evidence.is_hit) == ("present", None, False)


@pytest.mark.parametrize(
    ("relationship", "actions", "label"),
    [
        ("parentOf", [_OPENED], "synthetic"),
        ("parentOf", [], "synthetic"),
        ("componentOf", [action("c2pa.placed")], "composite"),
        ("componentOf", [], "synthetic"),
        ("inputTo", [action("c2pa.edited")], "composite"),
    ],
)
def test_a_synthetic_ingredient_passes_its_claim_on(relationship, actions, label):
    child = manifest("urn:b", actions=actions, ingredients=[(relationship, "urn:source")])
    assert _label(_SOURCE, child) == label


def test_one_of_two_components_makes_a_composite():
    parts = [("componentOf", "urn:source"), ("componentOf", "urn:photo")]
    assert _label(_SOURCE, _PHOTO, manifest("urn:c", ingredients=parts)) == "composite"


def test_a_composite_parent_makes_a_composite():
    edited = manifest("urn:b", actions=[_EDITED])
    child = manifest("urn:c", actions=[_OPENED], ingredients=[("parentOf", "urn:b")])
    assert _label(edited, child) == "composite"


def test_a_generated_edit_of_a_synthetic_image_stays_synthetic():
    child = manifest("urn:b", actions=[_EDITED], ingredients=[("parentOf", "urn:source")])
    assert _label(_SOURCE, child) == "synthetic"


def test_a_photo_with_a_generated_part_is_composite():
    parts = [("parentOf", "urn:photo"), ("componentOf", "urn:source")]
    child = manifest("urn:c", actions=[_OPENED], ingredients=parts)
    assert _label(_PHOTO, _SOURCE, child) == "composite"


def test_an_ingredient_that_is_not_in_the_store_says_nothing():
    child = manifest("urn:b", actions=[_OPENED], ingredients=[("parentOf", "urn:elsewhere")])
    assert _label(_SOURCE, child) is None


def test_the_last_manifest_is_the_active_one():
    assert _label(_SOURCE, _PHOTO) == "real"


@pytest.mark.parametrize("own", ["urn:a", "urn:b"])
def test_cyclic_ingredients_end(own):
    first = manifest("urn:a", actions=[_OPENED], ingredients=[("parentOf", "urn:b")])
    second = manifest("urn:b", actions=[_OPENED], ingredients=[("parentOf", own)])
    assert _label(first, second) is None


def test_ingredients_that_all_name_each_other_are_judged_in_time():
    labels = [f"urn:{n}" for n in range(40)]
    everyone = [("componentOf", label) for label in labels]
    net = [manifest(label, actions=[_OPENED], ingredients=everyone) for label in labels]
    start = time.perf_counter()
    assert _label(*net) is None
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(("length", "label"), [(250, "synthetic"), (1500, None)])
def test_a_long_history_of_saves_keeps_its_origin_as_far_as_it_is_followed(length, label):
    saves = [
        manifest(f"urn:{n}", ingredients=[("parentOf", f"urn:{n - 1}" if n else "urn:source")])
        for n in range(length)
    ]
    assert _label(_SOURCE, *saves) == label


@pytest.mark.parametrize(
    "image",
    [
        png(chunk(b"caBX", SYNTHETIC_STORE)),
        jpeg_with_manifest(SYNTHETIC_STORE),
        webp(riff_chunk(b"C2PA", SYNTHETIC_STORE)),
        avif(manifest=SYNTHETIC_STORE),
    ],
)
def test_a_manifest_is_found_in_every_format(image):
    assert detect("c2pa", image).is_hit


def test_a_large_manifest_over_several_jpeg_segments_is_read():
    thumbnail = superbox("c2pa.thumbnail", box(b"bidb", b"\xff" * 150_000))
    large = store(manifest("urn:a", thumbnail, actions=[_CREATED]))
    assert detect("c2pa", jpeg_with_manifest(large)).detail.label == "synthetic"


def test_several_actions_assertions_are_read():
    more = assertion("c2pa.actions__1", {"actions": [_CREATED]})
    assert _label(manifest("urn:a", more, actions=[_OPENED])) == "synthetic"


def test_older_names_of_claim_and_ingredient_are_read():
    old = {"claim_generator": "old/1.0 lib/2.0"}
    part = {
        "dc:title": "part",
        "relationship": "parentOf",
        "c2pa_manifest": {"url": "self#jumbf=/c2pa/urn:source"},
    }
    boxes = superbox("c2pa.assertions", assertion("c2pa.ingredient", part))
    last = superbox("urn:b", boxes, superbox("c2pa.claim", box(b"cbor", cbor(old))))
    manifests = read_store(store(_SOURCE, last))
    assert manifests[-1].generator == "old/1.0 lib/2.0"
    assert judge(manifests).label == "synthetic"


def test_assertions_in_json_are_read():
    data = json.dumps({"actions": [_CREATED]}).encode()
    as_json = superbox("c2pa.actions", box(b"json", data))
    assert _label(manifest("urn:a", as_json)) == "synthetic"


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\0" * 7,
        b"not jumbf" * 9,
        SYNTHETIC_STORE[:-1],
        SYNTHETIC_STORE[:60],
        superbox("c2pa"),
        superbox("other", manifest("urn:a")),
        box(b"jumd", b"x" * 40),
        store(manifest("urn:a", superbox("c2pa.actions", box(b"cbor", b"\xa1\x61")))),
        store(manifest("urn:a", superbox("c2pa.actions", box(b"cbor", b"\xa1\x80\x01")))),
        store(manifest("urn:a", superbox("c2pa.actions", box(b"json", b"{")))),
    ],
)
def test_a_broken_store_is_malformed(broken):
    with pytest.raises(MalformedError, match=r"JUMBF|CBOR|C2PA"):
        read_store(broken)


@pytest.mark.parametrize(
    "value", [{"actions": 3}, {"actions": [3]}, {"actions": [{"action": 7}]}, {}, [1], "text"]
)
def test_assertions_of_an_unknown_shape_say_nothing(value):
    assert _label(manifest("urn:a", assertion("c2pa.actions", value))) is None


@pytest.mark.parametrize(
    "value", [{"activeManifest": 3}, {"activeManifest": {"url": 3}}, {"dc:title": [1]}, {}]
)
def test_ingredients_of_an_unknown_shape_say_nothing(value):
    assert _label(manifest("urn:a", assertion("c2pa.ingredient.v3", value))) is None


def test_text_of_a_stranger_is_short_and_printable():
    agent = {"name": "evil\x1b[2J", "version": {"a": "x" * 5000}}
    wild = manifest(
        "urn:a",
        actions=[{"action": "c2pa.\x07" + "y" * 5000, "digitalSourceType": IPTC_SYNTHETIC}],
        generator="bad\nname" * 100,
    )
    claim = judge(read_store(store(manifest("u", actions=[{**_CREATED, "softwareAgent": agent}]))))
    detail = detect("c2pa", png(chunk(b"caBX", store(wild)))).detail
    assert len(claim.model or "") <= 120
    assert detail.says.isprintable()
    assert len(detail.says) < 500
