"""JPEG XL in its box container: Exif, XMP and JUMBF boxes.

A bare codestream has no metadata; its end cannot be told without decoding, so it stays
unobservable. Compressed metadata (brob) is not read, so a file with it is a broken one here.
Source: ISO/IEC 18181-2:2024, 4 (boxes) and 9 (Exif, xml, jumb, brob); C2PA 2.2, A.3.
"""

from __future__ import annotations

from madaudit.detectors.provenance.containers.base import Block, Container
from madaudit.detectors.provenance.containers.bmff import boxes
from madaudit.limits import MAX_BLOCK_BYTES

SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
_KINDS = {
    b"Exif": ("exif", "JPEG XL Exif box"),
    b"xml ": ("xmp", "JPEG XL xml box"),
    b"jumb": ("c2pa", "JPEG XL jumb box"),
}


def parse_jxl(image: memoryview) -> Container:
    """Boxes of a JPEG XL file."""
    end = len(image)
    blocks: list[Block] = []
    problem: str | None = None
    last = 0
    for box in boxes(image, 0, end):
        last = box.end
        if box.end > end:
            problem = f"box {box.kind.decode('latin-1')} cut: ends at byte {end}"
            break
        if box.kind == b"brob":
            problem = f"compressed box {bytes(image[box.start : box.start + 4])!r} was not read"
        elif box.kind in _KINDS and box.end - box.start > MAX_BLOCK_BYTES:
            problem = f"box {box.kind.decode()} of {box.end - box.start} bytes was not read"
        elif box.kind in _KINDS:
            blocks += _block(image, box.kind, box.start, box.end)
    is_cut = last > end or end - 8 < last < end
    if last < end:
        problem = f"no box header at byte {last}: ends at byte {end}"
    return Container("jxl", None, None, tuple(blocks), is_complete=not is_cut, problem=problem)


def _block(image: memoryview, kind: bytes, start: int, end: int) -> list[Block]:
    name, where = _KINDS[kind]
    data = bytes(image[start:end])
    if kind == b"Exif":
        # As in HEIF, the offset of the TIFF header stands before it.
        return [Block(name, where, data[4 + int.from_bytes(data[:4], "big") :])]
    if kind == b"jumb":
        # The superbox's own header belongs to a store, and other standards use the box too.
        if data[8:12] != b"c2pa":
            return []
        data = (len(data) + 8).to_bytes(4, "big") + b"jumb" + data
    return [Block(name, where, data)]
