"""The key property: a byte string somewhere in a file is not evidence.

Every mark here is one that counts in its own place, and none of them stands in it.
"""

from __future__ import annotations

import io
import json
import zlib

import pytest
from PIL import Image

from madaudit.detectors import DEFAULTS
from madaudit.types import Sidecar
from tests.detectors.image_building import (
    DESCRIPTION,
    INFOTEXT,
    SOFTWARE,
    SYNTHETIC_STORE,
    chunk,
    detect,
    exif_block,
    itxt_chunk,
    jpeg,
    jpeg_with_exif,
    jpeg_with_manifest,
    jpeg_with_xmp,
    pillow_bytes,
    png,
    riff_chunk,
    source_type_xmp,
    state_of,
    text_chunk,
    tiff,
    webp,
    xmp_packet,
)

_FLUX = "AI generated;txt2img;flux"
_GRAPH = json.dumps({"1": {"class_type": "KSampler", "inputs": {}}})
_INVOKEAI = json.dumps({"generation_mode": "txt2img", "steps": 30})
_SWARMUI = json.dumps({"sui_image_params": {"steps": 20}})
_FOOOCUS = json.dumps({"version": "Fooocus v2.5.5", "base_model": "x"})
_HF_SPACE = json.dumps(
    dict.fromkeys(
        (
            "prompt",
            "resolution",
            "guidance_scale",
            "num_inference_steps",
            "sampler",
            "use_upscaler",
        )
    )
)
_JOB = "a cat Job ID: d4ed5fb5-1025-4cc1-9f89-8a23e53bb384"
_MARKS = {
    "infotext": b"parameters\0" + INFOTEXT.encode(),
    "infotext-chunk": text_chunk("parameters", INFOTEXT),
    "graph-chunk": text_chunk("prompt", _GRAPH),
    "xmp": source_type_xmp(),
    "xmp-segment": jpeg_with_xmp(source_type_xmp())[2:-2],
    "manifest": SYNTHETIC_STORE,
    "manifest-chunk": chunk(b"caBX", SYNTHETIC_STORE),
    "manifest-segment": jpeg_with_manifest(SYNTHETIC_STORE)[2:-2],
    "exif": b"Exif\0\0" + exif_block({SOFTWARE: _FLUX}),
    "riff-chunk": riff_chunk(b"C2PA", SYNTHETIC_STORE),
    "invokeai": text_chunk("invokeai_metadata", _INVOKEAI),
    "novelai": text_chunk("Software", "NovelAI"),
    "swarmui": b"parameters\0" + _SWARMUI.encode(),
    "midjourney": text_chunk("Description", _JOB),
}
_PLAIN = {"jpeg": jpeg(), "png": png(), "webp": webp()}


def _hits(image: bytes, sidecar: Sidecar | None = None) -> list[str]:
    found = [(name, detect(name, image, sidecar or Sidecar())) for name in DEFAULTS]
    return [name for name, evidence in found if evidence.state == "present"]


def test_each_mark_counts_in_its_own_place():
    assert _hits(png(text_chunk("parameters", INFOTEXT))) == ["a1111"]
    assert _hits(png(text_chunk("prompt", _GRAPH))) == ["comfyui"]
    assert _hits(png(chunk(b"caBX", SYNTHETIC_STORE))) == ["c2pa"]
    assert _hits(jpeg_with_xmp(source_type_xmp())) == ["iptc"]
    assert _hits(jpeg_with_exif(exif_block({SOFTWARE: _FLUX}))) == ["exif_software"]
    assert _hits(png(text_chunk("invokeai_metadata", _INVOKEAI))) == ["invokeai"]
    assert _hits(png(text_chunk("Software", "NovelAI"))) == ["novelai"]
    assert _hits(png(text_chunk("parameters", _SWARMUI))) == ["swarmui"]
    assert _hits(png(text_chunk("parameters", _FOOOCUS))) == ["fooocus"]
    assert _hits(png(text_chunk("parameters", _HF_SPACE))) == ["generator_settings"]
    assert _hits(png(text_chunk("Description", _JOB))) == ["midjourney"]


@pytest.mark.parametrize("kind", _PLAIN)
@pytest.mark.parametrize("mark", _MARKS)
def test_a_mark_behind_the_end_of_the_image_gives_no_hit(kind, mark):
    assert _hits(_PLAIN[kind] + _MARKS[mark]) == []


@pytest.mark.parametrize("mark", _MARKS)
def test_a_whole_marked_image_behind_the_end_gives_no_hit(mark):
    assert _hits(jpeg() + jpeg((0xFE, _MARKS[mark]))) == []


@pytest.mark.parametrize("mark", _MARKS)
def test_a_mark_in_the_pixels_gives_no_hit(mark):
    image = png(size=(1000, 4), pixels=_MARKS[mark])
    assert _MARKS[mark] in image
    Image.open(io.BytesIO(image)).load()
    assert _hits(image) == []


@pytest.mark.parametrize("mark", _MARKS)
@pytest.mark.parametrize("kind", ["TIFF", "GIF"])
def test_a_mark_behind_a_tiff_or_gif_gives_no_hit(mark, kind):
    assert _hits(pillow_bytes(kind) + _MARKS[mark]) == []


@pytest.mark.parametrize("mark", _MARKS)
def test_a_mark_in_a_tiffs_pixels_gives_no_hit(mark):
    image = tiff(size=(1000, 20))
    image = image.replace(b"\x80" * len(_MARKS[mark]), _MARKS[mark], 1)
    assert _MARKS[mark] in image
    assert _hits(image) == []


@pytest.mark.parametrize("kind", [b"prVt", b"IDAT"])
def test_a_mark_in_a_chunk_of_another_kind_gives_no_hit(kind):
    for mark in _MARKS.values():
        assert _hits(png(chunk(kind, mark))) == []


@pytest.mark.parametrize("marker", [0xE0, 0xE2, 0xEB, 0xED, 0xEF])
def test_a_mark_in_a_segment_of_another_kind_gives_no_hit(marker):
    for mark in _MARKS.values():
        assert _hits(jpeg((marker, mark[:60_000]))) == []


def test_an_infotext_inside_another_tools_prompt_gives_no_hit_of_its_own():
    node = {"class_type": "CLIPTextEncode", "inputs": {"text": f"parameters\n{INFOTEXT}"}}
    assert _hits(png(text_chunk("prompt", json.dumps({"1": node})))) == ["comfyui"]


@pytest.mark.parametrize("keyword", ["Comment", "Description", "Title", "caption", "parameterS"])
def test_a_mark_under_another_keyword_gives_no_hit(keyword):
    texts = [INFOTEXT, _GRAPH, source_type_xmp().decode(), _FLUX, "Made with OpenAI Labs"]
    texts += [_INVOKEAI, _SWARMUI, _FOOOCUS, _HF_SPACE, "NovelAI"]
    for text in texts:
        assert _hits(png(text_chunk(keyword, text), itxt_chunk(keyword, text.encode()))) == []


def test_a_graph_under_the_infotexts_keyword_is_no_infotext():
    assert _hits(png(text_chunk("parameters", _GRAPH))) == []


@pytest.mark.parametrize(
    "text",
    [INFOTEXT, _GRAPH, _FLUX, "Made with OpenAI Labs", _SWARMUI, _HF_SPACE, _JOB, "NovelAI"],
)
def test_a_caption_is_not_evidence(text):
    assert _hits(png(), Sidecar(caption=text)) == []
    assert _hits(jpeg_with_exif(exif_block({0x9C9C: text.encode("utf-16-le")}))) == []


@pytest.mark.parametrize("text", [INFOTEXT, _FLUX, "Made with OpenAI Labs", "NovelAI"])
def test_a_description_that_quotes_a_mark_gives_no_hit(text):
    assert _hits(jpeg_with_exif(exif_block({DESCRIPTION: text}))) == []


@pytest.mark.parametrize("order", "<>")
def test_the_marks_of_an_exif_thumbnail_are_not_the_images(order):
    block = exif_block({SOFTWARE: "editor"}, order=order, thumbnail={SOFTWARE: _FLUX})
    assert _FLUX.encode() in block
    assert _hits(jpeg_with_exif(block)) == []


def test_an_embedded_thumbnail_with_a_mark_of_its_own_gives_no_hit():
    thumbnail = jpeg_with_xmp(source_type_xmp())
    block = exif_block({SOFTWARE: "editor"}) + thumbnail
    assert _hits(jpeg_with_exif(block)) == []


def test_the_source_type_of_a_depicted_artwork_is_not_the_images():
    artwork = (
        "<Iptc4xmpExt:ArtworkOrObject><rdf:Bag><rdf:li rdf:parseType='Resource'>"
        "<Iptc4xmpExt:DigitalSourceType>trainedAlgorithmicMedia</Iptc4xmpExt:DigitalSourceType>"
        "</rdf:li></rdf:Bag></Iptc4xmpExt:ArtworkOrObject>"
    )
    assert _hits(jpeg_with_xmp(xmp_packet(artwork))) == []


def test_a_source_type_of_another_namespace_gives_no_hit():
    other = "<other:DigitalSourceType>trainedAlgorithmicMedia</other:DigitalSourceType>"
    assert _hits(jpeg_with_xmp(xmp_packet(other, attributes="xmlns:other='urn:x'"))) == []


def test_a_source_type_quoted_in_a_caption_gives_no_hit():
    quote = "<xmp:Label>Iptc4xmpExt:DigitalSourceType trainedAlgorithmicMedia</xmp:Label>"
    assert _hits(jpeg_with_xmp(xmp_packet(quote))) == []


def test_jumbf_of_another_label_is_not_the_images_manifest():
    other = SYNTHETIC_STORE.replace(b"\x03c2pa\0", b"\x03c2pb\0")
    assert state_of("c2pa", png(chunk(b"caBX", other))) == "missing"


def test_compressed_text_in_the_pixels_gives_no_hit():
    assert _hits(png(chunk(b"prVt", zlib.compress(INFOTEXT.encode())))) == []
