"""Signatures: valid and invalid told apart from what is claimed, and never over the network."""

from __future__ import annotations

import contextlib
import functools
import io
import threading

import pytest
from PIL import features

from madaudit.detectors import build_detector
from madaudit.detectors.base import Batch
from madaudit.detectors.provenance import c2pa_validation
from tests.detectors.image_building import (
    IPTC_SYNTHETIC,
    SYNTHETIC_STORE,
    action,
    avif,
    chunk,
    itxt_chunk,
    jpeg_with_manifest,
    jxl,
    look_at,
    pillow_bytes,
    png,
    riff_chunk,
    text_chunk,
    tiff,
    webp,
    xmp_packet,
)

c2pa = pytest.importorskip("c2pa", reason="the extra madaudit[c2pa] is not installed")
pytest.importorskip("cryptography", reason="the extra madaudit[demo] is not installed")
from tests.detectors.signing import listening, sign  # noqa: E402 — needs both packages

_MIME = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
# Formats in which a manifest is found and validated: the image, its type, and where it stands.
_EMBEDDED = {
    "jpeg": (lambda: pillow_bytes("JPEG", (64, 48)), "image/jpeg", "JPEG APP11 JUMBF"),
    "png": (lambda: pillow_bytes("PNG", (64, 48)), "image/png", "PNG caBX"),
    "webp": (lambda: pillow_bytes("WEBP", (64, 48)), "image/webp", "WebP C2PA"),
    "webp-extended": (
        lambda: webp(riff_chunk(b"XMP ", xmp_packet())),
        "image/webp",
        "WebP C2PA",
    ),
    "avif": (lambda: pillow_bytes("AVIF", (64, 48)), "image/avif", "BMFF uuid C2PA"),
    "heif": (lambda: avif(brand=b"heic"), "image/heic", "BMFF uuid C2PA"),
    "tiff": (lambda: pillow_bytes("TIFF", (64, 48)), "image/tiff", "TIFF tag 52545 C2PA"),
    "tiff-big-endian": (lambda: tiff(order=">"), "image/tiff", "TIFF tag 52545 C2PA"),
    "big-tiff": (lambda: tiff(is_big=True), "image/tiff", "TIFF tag 52545 C2PA"),
    "gif": (lambda: pillow_bytes("GIF", (64, 48)), "image/gif", "GIF C2PA"),
    "jxl": (jxl, "image/jxl", "JPEG XL jumb box"),
}


@functools.cache
def _signed(kind: str) -> bytes:
    image = pillow_bytes(kind, (64, 48))
    return sign(image, _MIME[kind], [action("c2pa.created", IPTC_SYNTHETIC)])


def _found(image: bytes):
    (evidence,) = build_detector("c2pa").detect(Batch([look_at(image)]))
    return evidence.detail


def _with_flipped_pixel(image: bytes, kind: str) -> bytes:
    start = {"JPEG": b"\xff\xda", "PNG": b"IDAT", "WEBP": b"VP8 "}[kind]
    at = image.index(start) + 24
    return image[:at] + bytes([image[at] ^ 1]) + image[at + 1 :]


@pytest.mark.parametrize("kind", _MIME)
def test_a_signed_image_is_valid(kind):
    detail = _found(_signed(kind))
    assert (detail.label, detail.validation) == ("synthetic", "valid")
    assert detail.tool == "signing test"


@pytest.mark.parametrize("kind", _EMBEDDED)
def test_a_manifest_that_c2pa_embeds_is_found_and_validated_in_every_format(kind):
    image, mime, place = _EMBEDDED[kind]
    if mime == "image/avif" and not features.check("avif"):
        pytest.skip("Pillow was built without AVIF")
    detail = _found(sign(image(), mime, [action("c2pa.created", IPTC_SYNTHETIC)]))
    assert (detail.label, detail.validation, detail.field) == ("synthetic", "valid", place)


@pytest.mark.parametrize("kind", _MIME)
def test_a_changed_pixel_breaks_the_signature_and_not_the_claim(kind):
    detail = _found(_with_flipped_pixel(_signed(kind), kind))
    assert (detail.label, detail.validation) == ("synthetic", "invalid")
    assert "invalid" in detail.says


def test_a_manifest_on_another_image_is_invalid():
    (block,) = look_at(_signed("PNG")).container.of_kind("c2pa")
    detail = _found(png(chunk(b"caBX", block.data)))
    assert (detail.label, detail.validation) == ("synthetic", "invalid")


@pytest.mark.parametrize(
    "image", [png(chunk(b"caBX", SYNTHETIC_STORE)), jpeg_with_manifest(SYNTHETIC_STORE)]
)
def test_an_unsigned_manifest_is_invalid(image):
    assert _found(image).validation == "invalid"


def test_without_the_option_nothing_is_checked():
    detector = build_detector("c2pa", {"validate": False})
    (evidence,) = detector.detect(Batch([look_at(_signed("PNG"))]))
    assert evidence.detail.validation == "not checked"
    assert detector.fingerprint() == {"validator": None}


def test_the_fingerprint_names_the_validators_version():
    assert build_detector("c2pa").fingerprint() == {
        "validator": c2pa_validation.validator_version()
    }


def test_a_format_that_c2pa_does_not_know_is_not_checked():
    assert c2pa_validation.validate(memoryview(b"BM"), "bmp") == "not checked"


@pytest.mark.parametrize("at", range(100, 2100, 100))
def test_a_damaged_manifest_never_raises_in_validation(at):
    image = bytearray(_signed("PNG"))
    place = image.index(b"caBX") + at
    image[place : place + 3] = b"\xff\xff\xff"
    assert c2pa_validation.validate(memoryview(bytes(image)), "png") in ("valid", "invalid")


def test_threads_validate_side_by_side():
    answers: list[str] = []
    image = memoryview(_signed("JPEG"))
    threads = [
        threading.Thread(target=lambda: answers.append(c2pa_validation.validate(image, "jpeg")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["valid"] * 8


def _remote(port: int) -> bytes:
    packet = xmp_packet(
        attributes="xmlns:dcterms='http://purl.org/dc/terms/' "
        f"dcterms:provenance='http://127.0.0.1:{port}/remote.c2pa'"
    )
    return png(text_chunk("Software", "test"), itxt_chunk("XML:com.adobe.xmp", packet))


def test_a_remote_manifest_is_never_fetched():
    with listening() as listener:
        image = _remote(listener.port)
        assert c2pa_validation.validate(memoryview(image), "png") == "invalid"
        (evidence,) = build_detector("c2pa").detect(Batch([look_at(image)]))
        assert evidence.state == "absent"
        assert not listener.called()


def test_the_listener_would_have_heard_a_fetch():
    """Without our settings the same file makes c2pa-python call: the guard of the test above."""
    with listening() as listener:
        answer = threading.Thread(target=_refuse_calls, args=(listener,), daemon=True)
        answer.start()
        with contextlib.suppress(c2pa.C2paError), c2pa.Context.from_dict({}) as context:
            c2pa.Reader("image/png", io.BytesIO(_remote(listener.port)), context=context)
        answer.join(5)
        assert not answer.is_alive()


def _refuse_calls(listener) -> None:
    while not listener.called():
        threading.Event().wait(0.01)


def test_a_revocation_server_is_never_asked():
    with listening() as listener:
        url = f"http://127.0.0.1:{listener.port}/ocsp"
        actions = [action("c2pa.created", IPTC_SYNTHETIC)]
        image = sign(pillow_bytes("PNG"), "image/png", actions, ocsp_url=url)
        while listener.called():
            pass
        assert c2pa_validation.validate(memoryview(image), "png") == "valid"
        assert not listener.called()
