"""JPEG: segments up to the first scan, and the end-of-image marker.

Sources: ITU-T T.81 (segments); Exif 3.0 (APP1); XMP Specification Part 3, 1.1.3 (APP1, extended
XMP); Photoshop File Formats, "Image Resource Blocks" (APP13); C2PA 2.2, A.3.1 (APP11).
"""

from __future__ import annotations

import struct

from madaudit.detectors.provenance.containers.base import Block, Container
from madaudit.detectors.provenance.photoshop import iptc_resource
from madaudit.limits import MAX_BLOCK_BYTES, MAX_PARTS

_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_KEPT = frozenset({0xE1, 0xEB, 0xED, 0xFE})
# Marker to the bytes to step over: a fill byte, TEM, and restart markers.
_NO_LENGTH = {0xFF: 1, 0x01: 2, **dict.fromkeys(range(0xD0, 0xD8), 2)}
# A stuffed zero, and an end of the image before its first scan.
_NO_SEGMENT = frozenset({0x00, 0xD9})
_SOS = 0xDA
# Segments without metadata that is kept: tables, restart interval, other application data. Most
# segments are of these, so they are stepped over before anything else is asked.
_PLAIN = frozenset({0xC4, 0xDB, 0xDD, *range(0xE0, 0xF0)}) - _KEPT
_SEGMENT = struct.Struct(">BBH")


def parse_jpeg(image: memoryview) -> Container:
    """Segments of a JPEG file; metadata behind the first scan is not looked for."""
    end = len(image)
    position = 2
    width = height = None
    kept: list[tuple[int, bytes]] = []
    problem: str | None = None
    for _ in range(MAX_PARTS):
        if position + 4 > end:
            problem = f"cut inside the header, at byte {end}"
            break
        prefix, marker, length = _SEGMENT.unpack_from(image, position)
        if marker in _PLAIN and prefix == 0xFF and length >= 2:
            position += 2 + length
            continue
        if prefix != 0xFF or marker in _NO_SEGMENT:
            problem = f"no segment marker at byte {position}"
            break
        if marker in _NO_LENGTH:
            position += _NO_LENGTH[marker]
            continue
        if marker == _SOS:
            break
        if length < 2 or position + 2 + length > end:
            problem = f"cut inside a segment of {length} bytes at byte {position}"
            break
        if marker in _KEPT:
            kept.append((marker, bytes(image[position + 4 : position + 2 + length])))
        elif marker in _SOF and length >= 8:
            height = (image[position + 5] << 8) | image[position + 6]
            width = (image[position + 7] << 8) | image[position + 8]
        position += 2 + length
    else:
        problem = f"more than {MAX_PARTS} segments"
    problem = problem or _missing_end(image, position)
    return Container(
        "jpeg",
        width,
        height,
        _blocks(kept) if kept else (),
        is_complete=problem is None or not problem.startswith("cut"),
        problem=problem,
    )


def _missing_end(image: memoryview, scan: int) -> str | None:
    """Say so where no end marker stands behind the first scan; in a scan FF D9 cannot occur."""
    if bytes(image[-2:]) == b"\xff\xd9" or b"\xff\xd9" in bytes(image[scan:]):
        return None
    return "cut behind the header: no end-of-image marker"


def _blocks(kept: list[tuple[int, bytes]]) -> tuple[Block, ...]:
    """Metadata segments as blocks; manifests and extended XMP are put together."""
    blocks: list[Block] = []
    extended: dict[bytes, dict[int, bytes]] = {}
    boxes: list[bytes] = []
    for marker, data in kept:
        if marker == 0xE1 and data.startswith(_EXIF):
            blocks.append(Block("exif", "JPEG APP1 EXIF", data[len(_EXIF) :]))
        elif marker == 0xE1 and data.startswith(_XMP):
            blocks.append(Block("xmp", "JPEG APP1 XMP", data[len(_XMP) :]))
        elif marker == 0xE1 and data.startswith(_XMP_MORE):
            rest = data[len(_XMP_MORE) :]
            offset = int.from_bytes(rest[36:40], "big")
            extended.setdefault(rest[:32], {})[offset] = rest[40:]
        elif marker == 0xED and data.startswith(_PHOTOSHOP):
            iptc = iptc_resource(data[len(_PHOTOSHOP) :])
            if iptc is not None:
                blocks.append(Block("iptc", "JPEG APP13 IPTC", iptc))
        elif marker == 0xEB and data.startswith(b"JP"):
            boxes.append(data)
        elif marker == 0xFE:
            text = data.decode("utf-8", "replace").rstrip("\0")
            blocks.append(Block("comment", "JPEG comment", text=text))
    for pieces in extended.values():
        joined = b"".join(pieces[offset] for offset in sorted(pieces))
        blocks.append(Block("xmp", "JPEG APP1 extended XMP", joined[:MAX_BLOCK_BYTES]))
    return (*blocks, *_manifests(boxes))


def _manifests(segments: list[bytes]) -> list[Block]:
    """JUMBF boxes from APP11: common identifier, box number (2), packet number (4), LBox, TBox.

    Packets of one box must be numbered without gaps; each repeats the box's own header. Other
    standards keep JUMBF of their own there, so only a superbox of C2PA's type is taken.
    """
    packets: dict[bytes, list[bytes]] = {}
    for data in segments:
        if len(data) < 16:
            continue
        number = int.from_bytes(data[4:8], "big")
        box = packets.setdefault(data[2:4], [])
        header = 16 if data[8:12] == b"\0\0\0\1" else 8
        if number == len(box) + 1:
            box.append(data[8:] if number == 1 else data[8 + header :])
    boxes = [b"".join(parts) for parts in packets.values() if parts]
    return [Block("c2pa", "JPEG APP11 JUMBF", box) for box in boxes if _is_c2pa(box)]


def _is_c2pa(box: bytes) -> bool:
    """Whether the type in the description of a superbox is that of a C2PA store."""
    header = 16 if box[:4] == b"\0\0\0\1" else 8
    return box[header + 8 : header + 12] == b"c2pa"
