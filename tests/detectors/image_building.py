"""Tiny image files and metadata blocks, built byte by byte, and what detectors say of them.

Written from the formats' specifications and apart from the parsers, so an error would have to be
made twice to go unseen. Longer than other files, so that every builder is found in one place.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from madaudit.detectors import build_detector
from madaudit.detectors.base import Batch, Look
from madaudit.detectors.provenance.containers import Container, parse
from madaudit.errors import MalformedError
from madaudit.scanning.decode import decode
from madaudit.types import NO_SIDECAR, Evidence, Sample, Sidecar

INFOTEXT = (
    "a lighthouse at dusk\nNegative prompt: blurry\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1234, Size: 512x512, Model: dream, "
    "Version: v1.7.0"
)
IPTC_SYNTHETIC = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
IPTC_CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"

XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
EXIF_HEADER = b"Exif\0\0"


# --- what detectors say ---------------------------------------------------------------------


def look_at(image: bytes, sidecar: Sidecar = NO_SIDECAR) -> Look:
    view = memoryview(image)
    sample = Sample(0, "key", 0, len(image), view, sidecar)
    return Look(sample, parse(view))


def detect(name: str, image: bytes, sidecar: Sidecar = NO_SIDECAR) -> Evidence:
    options = {"validate": False} if name == "c2pa" else None
    (evidence,) = build_detector(name, options).detect(Batch([look_at(image, sidecar)]))
    return evidence


def detect_pixels(name: str, image: bytes, sidecar: Sidecar = NO_SIDECAR) -> Evidence:
    """What a detector says that is given the decoded image, as a scan at tier "pixels" does."""
    look = look_at(image, sidecar)
    container = look.container
    decoded = None if container is None else decode(memoryview(image), container, 1 << 28)
    batch = Batch([look], lambda _: decoded and decoded.raster)
    return build_detector(name).detect(batch)[0]


def state_of(name: str, image: bytes, sidecar: Sidecar = NO_SIDECAR) -> str:
    """As the scanner stores it: a check that fails on malformed bytes is missing."""
    try:
        return detect(name, image, sidecar).state
    except MalformedError:
        return "missing"


def parsed(image: bytes) -> Container:
    container = parse(memoryview(image))
    assert container is not None
    return container


# --- JPEG -----------------------------------------------------------------------------------


def pillow_bytes(kind: str, size: tuple[int, int] = (8, 6), **options: Any) -> bytes:
    stream = io.BytesIO()
    gradient = Image.linear_gradient("L").resize(size).convert("RGB")
    gradient.save(stream, kind, **options)
    return stream.getvalue()


def segment(marker: int, data: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg(*segments: tuple[int, bytes], size: tuple[int, int] = (8, 6), **options: Any) -> bytes:
    """A JPEG that decodes, with segments put behind its start."""
    plain = pillow_bytes("JPEG", size, **options)
    return plain[:2] + b"".join(segment(*one) for one in segments) + plain[2:]


def app11(box: bytes, packets: Sequence[int], piece: int = 100, number: int = 1) -> list[bytes]:
    """The APP11 segments' data of a JUMBF box cut in pieces, numbered as `packets` says."""
    header, body = box[:8], box[8:]
    pieces = [body[at : at + piece] for at in range(0, len(body), piece)]
    assert len(pieces) == len(packets)
    return [
        b"JP" + struct.pack(">HI", number, packet) + header + part
        for packet, part in zip(packets, pieces, strict=True)
    ]


def jpeg_with_manifest(store: bytes) -> bytes:
    pieces = -(-(len(store) - 8) // 60000)
    parts = app11(store, range(1, pieces + 1), 60000)
    return jpeg(*((0xEB, part) for part in parts))


def jpeg_with_exif(block: bytes) -> bytes:
    return jpeg((0xE1, EXIF_HEADER + block))


def jpeg_with_xmp(packet: bytes) -> bytes:
    return jpeg((0xE1, XMP_HEADER + packet))


# --- PNG ------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    stored = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", stored)


def png(
    *chunks: bytes, behind: bytes = b"", size: tuple[int, int] = (2, 3), pixels: bytes = b""
) -> bytes:
    """A PNG that decodes; `chunks` stand before IDAT and `behind` between IDAT and IEND.

    Pixels are stored as they are, neither filtered nor compressed; `pixels` are the first.
    """
    width, height = size
    pixels = pixels.ljust(3 * width * height, b"\x80")
    strides = range(0, len(pixels), 3 * width)
    rows = b"".join(b"\0" + pixels[at : at + 3 * width] for at in strides)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + b"".join(chunks)
        + chunk(b"IDAT", zlib.compress(rows, 0))
        + behind
        + chunk(b"IEND", b"")
    )


def text_chunk(keyword: str, text: str) -> bytes:
    return chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + text.encode())


def ztxt_chunk(keyword: str, text: bytes) -> bytes:
    return chunk(b"zTXt", keyword.encode("latin-1") + b"\0\0" + zlib.compress(text))


def itxt_chunk(keyword: str, text: bytes, *, compressed: bool = False) -> bytes:
    flag = b"\1\0" if compressed else b"\0\0"
    body = zlib.compress(text) if compressed else text
    return chunk(b"iTXt", keyword.encode("latin-1") + b"\0" + flag + b"en\0\0" + body)


def raw_profile_chunk(name: str, data: bytes) -> bytes:
    digits = data.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return ztxt_chunk(f"Raw profile type {name}", f"\n{name}\n{len(data):8d}\n{lines}\n".encode())


# --- WebP -----------------------------------------------------------------------------------


def riff_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)


def webp(*chunks: bytes, size: tuple[int, int] = (8, 6), lossless: bool = True) -> bytes:
    """A WebP of Pillow's bitstream, in the extended form where chunks follow it."""
    bitstream = pillow_bytes("WEBP", size, lossless=lossless)[12:]
    if chunks:
        width, height = (side - 1 for side in size)
        canvas = width.to_bytes(3, "little") + height.to_bytes(3, "little")
        bitstream = riff_chunk(b"VP8X", b"\x0c\0\0\0" + canvas) + bitstream
    body = b"WEBP" + bitstream + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


# --- hidden in pixels -----------------------------------------------------------------------


def hidden(
    payload: bytes,
    *,
    signature: bytes = b"stealth_pngcomp",
    size: tuple[int, int] = (40, 30),
    n_bits: int | None = None,
    kind: str = "PNG",
) -> bytes:
    """A file with a payload in its lowest bits, written pixel by pixel down the columns.

    The signature says whether in alpha or in RGB; `n_bits` is the length to claim.
    """
    length = 8 * len(payload) if n_bits is None else n_bits
    stream = signature + length.to_bytes(4, "big") + payload
    bits = [byte >> place & 1 for byte in stream for place in range(7, -1, -1)]
    mode, channels = ("RGBA", (3,)) if b"png" in signature else ("RGB", (0, 1, 2))
    image = Image.new(mode, size, (90, 120, 150, 255)[: len(mode)])
    places = [(x, y, c) for x in range(size[0]) for y in range(size[1]) for c in channels]
    for (x, y, channel), bit in zip(places, bits, strict=False):
        values = list(image.getpixel((x, y)))
        values[channel] = values[channel] & ~1 | bit
        image.putpixel((x, y), tuple(values))
    out = io.BytesIO()
    image.save(out, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    return out.getvalue()


# --- AVIF -----------------------------------------------------------------------------------


def box(kind: bytes, data: bytes, *, wide: bool = False) -> bytes:
    if wide:
        return struct.pack(">I4sQ", 1, kind, len(data) + 16) + data
    return struct.pack(">I4s", len(data) + 8, kind) + data


def _infe(number: int, kind: bytes, rest: bytes = b"\0") -> bytes:
    return box(b"infe", b"\2\0\0\0" + struct.pack(">HH", number, 0) + kind + rest)


def avif(
    *,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    manifest: bytes | None = None,
    in_idat: bool = False,
    size: tuple[int, int] = (20, 10),
    brand: bytes = b"avif",
) -> bytes:
    """AVIF's boxes around items, or HEIF's by another brand; it holds no picture."""
    items = []
    if exif is not None:
        items.append((b"Exif", b"\0", struct.pack(">I", 6) + b"Exif\0\0" + exif))
    if xmp is not None:
        items.append((b"mime", b"\0application/rdf+xml\0", xmp))
    start = box(b"ftyp", brand + b"\0\0\0\0" + brand + b"mif1")
    start += b"" if manifest is None else manifest_box(manifest)
    payload = b"".join(data for _, _, data in items)
    place = 0
    for _ in range(2):  # the second time, the length of the boxes before is known
        meta = _meta(items, place, payload if in_idat else None, size)
        place = 0 if in_idat else len(start) + len(meta) + 8
    return start + meta + box(b"mdat", b"pixels" if in_idat else payload)


def _meta(
    items: list[tuple[bytes, bytes, bytes]],
    place: int,
    idat: bytes | None,
    size: tuple[int, int],
) -> bytes:
    entries, places = b"", b""
    for number, (kind, rest, data) in enumerate(items, 1):
        entries += _infe(number, kind, rest)
        method = 0 if idat is None else 1
        places += struct.pack(">HHHHII", number, method, 0, 1, place, len(data))
        place += len(data)
    iloc = b"\1\0\0\0\x44\0" + struct.pack(">H", len(items)) + places
    boxes = box(b"iinf", b"\0\0\0\0" + struct.pack(">H", len(items)) + entries)
    boxes += box(b"iloc", iloc)
    ispe = box(b"ispe", b"\0\0\0\0" + struct.pack(">II", *size))
    boxes += box(b"iprp", box(b"ipco", ispe))
    boxes += b"" if idat is None else box(b"idat", idat)
    return box(b"meta", b"\0\0\0\0" + boxes)


def manifest_box(store: bytes) -> bytes:
    name = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
    return box(b"uuid", name + b"\0\0\0\0manifest\0" + b"\0" * 8 + store)


# --- TIFF, GIF and JPEG XL -------------------------------------------------------------------

WIDTH, STRIP_OFFSET, STRIP_BYTES, XMP_TAG, IPTC_TAG = 256, 273, 279, 700, 33723
PHOTOSHOP_TAG, C2PA_TAG = 34377, 52545


def tiff(
    tags: Mapping[int, str | bytes | int] | None = None,
    *,
    order: str = "<",
    is_big: bool = False,
    size: tuple[int, int] = (20, 10),
    next_at: int = 0,
) -> bytes:
    """A grey TIFF that decodes; its directory stands behind the pixels.

    Text becomes ASCII, bytes UNDEFINED, numbers LONG; tags of the EXIF IFD go there. What is given
    replaces the image's own tags.
    """
    header = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if is_big else 42)
    header += struct.pack(order + "HHQ", 8, 0, 0) if is_big else struct.pack(order + "I", 0)
    pixels = b"\x80" * (size[0] * size[1])
    main: dict[int, str | bytes | int] = {WIDTH: size[0], 257: size[1], 258: 8, 259: 1, 262: 1}
    main |= {STRIP_OFFSET: len(header), 277: 1, 278: size[1], STRIP_BYTES: len(pixels)}
    main |= {tag: value for tag, value in (tags or {}).items() if tag not in _IN_EXIF_IFD}
    inner = {tag: value for tag, value in (tags or {}).items() if tag in _IN_EXIF_IFD}
    at = len(header) + len(pixels)
    body = b""
    if inner:
        body = _directory(inner, at, order, is_big=is_big)
        main[0x8769] = at
    first = at + len(body)
    start = header[: 8 if is_big else 4] + struct.pack(order + ("Q" if is_big else "I"), first)
    return start + pixels + body + _directory(main, first, order, is_big=is_big, next_at=next_at)


def _directory(
    tags: Mapping[int, str | bytes | int],
    at: int,
    order: str,
    *,
    is_big: bool,
    next_at: int = 0,
) -> bytes:
    counter, form, offset, inline = ("Q", "HHQ", "Q", 8) if is_big else ("H", "HHI", "I", 4)
    width = struct.calcsize(order + form) + inline
    values_at = at + struct.calcsize(order + counter) + width * len(tags) + inline
    entries, values = b"", b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, int):
            kind, n, stored = 4, 1, struct.pack(order + "I", value)
        else:
            stored = _stored(value)
            kind, n = (2 if isinstance(value, str) else 7), len(stored)
        entries += struct.pack(order + form, tag, kind, n)
        if len(stored) <= inline:
            entries += stored.ljust(inline, b"\0")
            continue
        entries += struct.pack(order + offset, values_at + len(values))
        values += stored + b"\0" * (len(stored) & 1)
    count = struct.pack(order + counter, len(tags))
    return count + entries + struct.pack(order + offset, next_at) + values


def sub_blocks(data: bytes) -> bytes:
    pieces = [data[at : at + 255] for at in range(0, len(data), 255)]
    return b"".join(bytes([len(piece)]) + piece for piece in pieces) + b"\0"


def gif(*extensions: bytes, size: tuple[int, int] = (8, 6)) -> bytes:
    """A GIF of Pillow's with extensions before its first image."""
    plain = pillow_bytes("GIF", size)
    at = 13 + (3 << (plain[10] & 7) + 1)
    return plain[:at] + b"".join(extensions) + plain[at:]


def gif_xmp(packet: bytes) -> bytes:
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    return b"\x21\xff\x0bXMP DataXMP" + packet + trailer


def gif_manifest(store: bytes) -> bytes:
    return b"\x21\xff\x0bC2PA_GIF\x01\0\0" + sub_blocks(store)


def gif_comment(text: str) -> bytes:
    return b"\x21\xfe" + sub_blocks(text.encode())


def jxl(*boxes: bytes) -> bytes:
    """JPEG XL's boxes around a codestream that holds no picture."""
    start = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    return start + b"".join(boxes) + box(b"jxlc", b"\xff\x0a" + b"\0" * 40)


# --- EXIF, XMP and IPTC -----------------------------------------------------------------------

MAKE, MODEL, SOFTWARE, ARTIST, DESCRIPTION = 0x010F, 0x0110, 0x0131, 0x013B, 0x010E
USER_COMMENT, MAKER_NOTE, XP_COMMENT = 0x9286, 0x927C, 0x9C9C
_IN_EXIF_IFD = frozenset({USER_COMMENT, MAKER_NOTE})


def exif_block(
    tags: Mapping[int, str | bytes],
    *,
    order: str = "<",
    thumbnail: Mapping[int, str | bytes] | None = None,
) -> bytes:
    """A TIFF structure: IFD 0, the EXIF IFD and, with `thumbnail`, IFD 1.

    Text becomes ASCII, bytes become UNDEFINED.
    """
    main = {tag: value for tag, value in tags.items() if tag not in _IN_EXIF_IFD}
    inner = {tag: value for tag, value in tags.items() if tag in _IN_EXIF_IFD}
    n_entries = len(main) + bool(inner)
    exif_at = 8 + 2 + 12 * n_entries + 4 + _values_size(main)
    thumbnail_at = exif_at + (_ifd_size(inner) if inner else 0)
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    next_at = thumbnail_at if thumbnail else 0
    data += _ifd(main, 8, order, pointer=exif_at if inner else None, next_at=next_at)
    if inner:
        data += _ifd(inner, exif_at, order)
    return data + (_ifd(thumbnail, thumbnail_at, order) if thumbnail else b"")


def _stored(value: str | bytes) -> bytes:
    return value.encode() + b"\0" if isinstance(value, str) else value


def _values_size(tags: Mapping[int, str | bytes]) -> int:
    lengths = [len(_stored(value)) for value in tags.values()]
    return sum(length + (length & 1) for length in lengths if length > 4)


def _ifd_size(tags: Mapping[int, str | bytes]) -> int:
    return 2 + 12 * len(tags) + 4 + _values_size(tags)


def _ifd(
    tags: Mapping[int, str | bytes],
    at: int,
    order: str,
    *,
    pointer: int | None = None,
    next_at: int = 0,
) -> bytes:
    n_entries = len(tags) + (pointer is not None)
    entries, values = b"", b""
    values_at = at + 2 + 12 * n_entries + 4
    for tag, value in sorted(tags.items()):
        stored = _stored(value)
        kind = 2 if isinstance(value, str) else 7
        entries += struct.pack(order + "HHI", tag, kind, len(stored))
        if len(stored) <= 4:
            entries += stored.ljust(4, b"\0")
            continue
        entries += struct.pack(order + "I", values_at + len(values))
        values += stored + b"\0" * (len(stored) & 1)
    if pointer is not None:
        entries += struct.pack(order + "HHII", 0x8769, 4, 1, pointer)
    count = struct.pack(order + "H", n_entries)
    return count + entries + struct.pack(order + "I", next_at) + values


def user_comment(text: str, *, order: str = ">") -> bytes:
    return b"UNICODE\0" + text.encode("utf-16-be" if order == ">" else "utf-16-le")


def xmp_packet(properties: str = "", *, attributes: str = "") -> bytes:
    return (
        "<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>"
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'
        ' xmlns:comfy="https://github.com/Comfy-Org/ComfyUI"'
        ' xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/"'
        ' xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
        f' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" {attributes}>'
        f"{properties}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
    ).encode()


def source_type_xmp(value: str = IPTC_SYNTHETIC) -> bytes:
    element = "Iptc4xmpExt:DigitalSourceType"
    return xmp_packet(f"<{element}>{value}</{element}>")


def image_resource(kind: int, data: bytes, name: bytes = b"") -> bytes:
    pascal = bytes([len(name)]) + name
    pascal += b"\0" * (len(pascal) & 1)
    length = struct.pack(">I", len(data))
    return b"8BIM" + struct.pack(">H", kind) + pascal + length + data + b"\0" * (len(data) & 1)


def iim(*datasets: tuple[int, int, bytes]) -> bytes:
    """IPTC-IIM datasets: record, number, value."""
    return b"".join(
        struct.pack(">BBBH", 0x1C, record, number, len(value)) + value
        for record, number, value in datasets
    )


def jpeg_with_iim(data: bytes) -> bytes:
    return jpeg((0xED, b"Photoshop 3.0\0" + image_resource(0x0404, data)))


# --- C2PA -----------------------------------------------------------------------------------


def cbor(value: Any) -> bytes:
    """RFC 8949, definite lengths only."""
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, dict):
        pairs = b"".join(cbor(key) + cbor(one) for key, one in value.items())
        return _head(5, len(value)) + pairs
    return _head(4, len(value)) + b"".join(cbor(one) for one in value)


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    size = next(n for n in (1, 2, 4, 8) if argument < 1 << 8 * n)
    info = {1: 24, 2: 25, 4: 26, 8: 27}[size]
    return bytes([major << 5 | info]) + argument.to_bytes(size, "big")


def superbox(label: str, *content: bytes, kind: bytes = b"c2pa") -> bytes:
    identifier = kind + bytes.fromhex("00110010800000aa00389b71")
    description = box(b"jumd", identifier + b"\x03" + label.encode() + b"\0")
    return box(b"jumb", description + b"".join(content))


def assertion(label: str, value: Any) -> bytes:
    return superbox(label, box(b"cbor", cbor(value)), kind=b"cbor")


def action(name: str, source_type: str | None = None, **fields: Any) -> dict[str, Any]:
    kind = {} if source_type is None else {"digitalSourceType": source_type}
    return {"action": name, **kind, **fields}


def manifest(
    label: str,
    *assertions: bytes,
    actions: Sequence[Mapping[str, Any]] = (),
    ingredients: Sequence[tuple[str, str]] = (),
    generator: str = "maker",
) -> bytes:
    """A manifest; ingredients are (relationship, label of their manifest)."""
    boxes = list(assertions)
    if actions:
        boxes.append(assertion("c2pa.actions.v2", {"actions": [dict(one) for one in actions]}))
    for number, (relationship, source) in enumerate(ingredients):
        suffix = f"__{number}" if number else ""
        url = f"self#jumbf=/c2pa/{source}"
        value = {
            "dc:title": f"part {number}",
            "relationship": relationship,
            "activeManifest": {"url": url, "hash": b"\1" * 32},
        }
        boxes.append(assertion(f"c2pa.ingredient.v3{suffix}", value))
    claim = {"claim_generator_info": {"name": generator, "version": "1.0"}, "alg": "sha256"}
    return superbox(
        label,
        superbox("c2pa.assertions", *boxes, kind=b"c2as"),
        superbox("c2pa.claim.v2", box(b"cbor", cbor(claim)), kind=b"c2cl"),
        kind=b"c2ma",
    )


def store(*manifests: bytes) -> bytes:
    return superbox("c2pa", *manifests)


SYNTHETIC_STORE = store(manifest("urn:a", actions=[action("c2pa.created", IPTC_SYNTHETIC)]))
