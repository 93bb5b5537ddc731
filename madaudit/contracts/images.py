"""Small images, marked, plain and broken, that a detector's contract is checked on."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

_INFOTEXT = "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64, Model: demo"
_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/'
    'trainedAlgorithmicMedia"/></rdf:RDF></x:xmpmeta>'
)
#: What a crawler gets in place of an image.
NO_IMAGES = (b"", b"<html>not found</html>", b"\0" * 400)


def plain_images() -> tuple[bytes, ...]:
    """Images without any mark."""
    return (_encoded("JPEG", (300, 280)), _encoded("PNG", (64, 64)), _encoded("WEBP", (64, 48)))


def sample_images() -> tuple[bytes, ...]:
    """Marked, plain, tiny and broken images, and what is no image at all."""
    png = _encoded("PNG", (64, 64))
    exif = Image.Exif()
    exif[0x0131] = "AI generated;txt2img"
    return (
        png[:33] + _chunk(b"tEXt", b"parameters\0" + _INFOTEXT.encode()) + png[33:],
        _encoded("JPEG", (64, 64), xmp=_XMP.encode()),
        _encoded("JPEG", (40, 50), exif=exif),
        _encoded("GIF", (8, 8)),
        _encoded("PNG", (1, 1)),
        *plain_images(),
        png[:-20],
        *NO_IMAGES,
    )


def _encoded(form: str, size: tuple[int, int], **options: object) -> bytes:
    rng = np.random.default_rng(7)
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk: length, kind, data and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
