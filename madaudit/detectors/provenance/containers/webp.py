"""WebP: the RIFF file's chunks.

Sources: WebP Container Specification (RIFF, VP8X, VP8, VP8L, EXIF, XMP); C2PA 2.2, A.3.4 (C2PA).
"""

from __future__ import annotations

from madaudit.detectors.provenance.containers.base import Block, Container
from madaudit.limits import MAX_BLOCK_BYTES, MAX_PARTS

_KINDS = {
    b"EXIF": ("exif", "WebP EXIF"),
    b"XMP ": ("xmp", "WebP XMP"),
    b"C2PA": ("c2pa", "WebP C2PA"),
}


def parse_webp(image: memoryview) -> Container:
    """Chunks of a WebP file; bytes behind the RIFF chunk are not part of it."""
    end = min(len(image), 8 + int.from_bytes(image[4:8], "little"))
    is_complete = end == 8 + int.from_bytes(image[4:8], "little")
    problem = None if is_complete else f"ends at byte {end}, before the RIFF chunk does"
    size: tuple[int, int] | None = None
    blocks: list[Block] = []
    position = 12
    for _ in range(MAX_PARTS):
        if position + 8 > end:
            break
        kind = bytes(image[position : position + 4])
        length = int.from_bytes(image[position + 4 : position + 8], "little")
        body = position + 8
        if body + length > end:
            name = kind.decode("ascii", "replace")
            problem, is_complete = f"chunk {name} cut: ends at byte {end}", False
            break
        if kind in _KINDS and length > MAX_BLOCK_BYTES:
            problem = f"chunk {kind.decode()} of {length} bytes was not read"
        elif kind in _KINDS:
            name, where = _KINDS[kind]
            data = bytes(image[body : body + length])
            blocks.append(Block(name, where, data.removeprefix(b"Exif\0\0")))
        elif size is None:
            size = _size(kind, bytes(image[body : body + 10]))
        position = body + length + (length & 1)
    width, height = size or (None, None)
    return Container(
        "webp", width, height, tuple(blocks), is_complete=is_complete, problem=problem
    )


def _size(kind: bytes, data: bytes) -> tuple[int, int] | None:
    """Width and height from the chunk that carries them."""
    if kind == b"VP8X" and len(data) >= 10:
        return (
            1 + int.from_bytes(data[4:7], "little"),
            1 + int.from_bytes(data[7:10], "little"),
        )
    if kind == b"VP8 " and data[3:6] == b"\x9d\x01\x2a" and len(data) >= 10:
        return (
            int.from_bytes(data[6:8], "little") & 0x3FFF,
            int.from_bytes(data[8:10], "little") & 0x3FFF,
        )
    if kind == b"VP8L" and data[:1] == b"\x2f" and len(data) >= 5:
        bits = int.from_bytes(data[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None
