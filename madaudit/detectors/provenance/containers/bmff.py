"""AVIF and HEIF: boxes of the ISO base media file format.

Sources: ISO/IEC 14496-12 (boxes, meta, iinf, iloc); ISO/IEC 23008-12 (items, ispe, Exif item);
C2PA 2.2, A.3.3 (uuid box d8fec3d6-1b0e-483c-9297-5828877ec481).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from madaudit.detectors.provenance.containers.base import Block, Container
from madaudit.errors import MalformedError
from madaudit.limits import (
    MAX_BLOCK_BYTES,
    MAX_BMFF_EXTENTS,
    MAX_BMFF_ITEMS,
    MAX_ITEM_NAME_BYTES,
    MAX_PARTS,
)

_BRANDS = {
    b"avif": "avif",
    b"avis": "avif",
    b"heic": "heif",
    b"heix": "heif",
    b"heim": "heif",
    b"heis": "heif",
    b"hevc": "heif",
    b"hevx": "heif",
    b"mif1": "heif",
    b"msf1": "heif",
}
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


class Box(NamedTuple):
    """A box: its kind, and where its content starts and ends; a cut one ends behind the file."""

    kind: bytes
    start: int
    end: int


class _Extent(NamedTuple):
    offset: int
    length: int


def is_bmff_image(start: bytes) -> bool:
    """Whether the first 16 bytes begin an AVIF or HEIF file."""
    return start[4:8] == b"ftyp" and start[8:12] in _BRANDS


def parse_bmff(image: memoryview) -> Container:
    """Boxes of an AVIF or HEIF file."""
    name = _format(image)
    blocks: list[Block] = []
    size: tuple[int, int] | None = None
    end = len(image)
    last = 0
    problem: str | None = None
    is_described = False
    for box in boxes(image, 0, end):
        last = box.end
        if box.end > end:
            kind = box.kind.decode("latin-1")
            problem = f"box {kind} cut: ends at byte {end}"
            break
        if box.kind == b"meta" and not is_described:
            # The standard allows one; more could each announce the same long items.
            is_described = True
            size = _size(image, box)
            try:
                blocks += _items(image, box)
            except MalformedError as error:
                problem = str(error)
        elif box.kind == b"uuid":
            blocks += _manifest(image, box)
    is_cut = last > end or end - 8 < last < end
    if last < end:
        problem = f"no box header at byte {last}: ends at byte {end}"
    width, height = size or (None, None)
    return Container(name, width, height, tuple(blocks), is_complete=not is_cut, problem=problem)


def _format(image: memoryview) -> str:
    """AVIF or HEIF by the major brand, or by the compatible ones where it is general."""
    length = int.from_bytes(image[:4], "big")
    brands = [bytes(image[8:12])]
    brands += [bytes(image[at : at + 4]) for at in range(16, min(length, 256, len(image)), 4)]
    names = {_BRANDS[brand] for brand in brands if brand in _BRANDS}
    return "avif" if "avif" in names else "heif"


def boxes(image: memoryview, start: int, end: int) -> Iterator[Box]:
    """Boxes of a stretch; one whose end lies beyond it is the last."""
    position = start
    for _ in range(MAX_PARTS):
        if position + 8 > end:
            return
        length = int.from_bytes(image[position : position + 4], "big")
        kind = bytes(image[position + 4 : position + 8])
        body = position + 8
        if length == 1 and body + 8 <= end:
            length = int.from_bytes(image[body : body + 8], "big")
            body += 8
        elif length == 0:
            length = end - position
        if length < body - position:
            return
        position += length
        yield Box(kind, body, position)
        if position > end:
            return


def _children(image: memoryview, box: Box, skip: int) -> dict[bytes, Box]:
    """Boxes inside a box by kind; one that reaches beyond it is left out."""
    return {
        child.kind: child
        for child in boxes(image, box.start + skip, box.end)
        if child.end <= box.end
    }


def _size(image: memoryview, meta: Box) -> tuple[int, int] | None:
    """The largest image extents among the item properties (tiles and thumbnails are smaller)."""
    properties = _children(image, meta, 4).get(b"iprp")
    store = _children(image, properties, 0).get(b"ipco") if properties else None
    if store is None:
        return None
    sizes = [
        (
            int.from_bytes(image[box.start + 4 : box.start + 8], "big"),
            int.from_bytes(image[box.start + 8 : box.start + 12], "big"),
        )
        for box in boxes(image, store.start, store.end)
        if box.kind == b"ispe" and box.end - box.start >= 12
    ]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _manifest(image: memoryview, box: Box) -> list[Block]:
    """The C2PA store of a uuid box: version and flags, purpose, offset of a Merkle box, JUMBF."""
    data = bytes(image[box.start : min(box.end, box.start + MAX_BLOCK_BYTES)])
    if data[:16] != _C2PA_UUID:
        return []
    purpose, separator, rest = data[20:].partition(b"\0")
    if purpose != b"manifest" or not separator or len(rest) <= 8:
        return []
    return [Block("c2pa", "BMFF uuid C2PA", rest[8:])]


def _items(image: memoryview, meta: Box) -> list[Block]:
    """EXIF and XMP items.

    Raises:
        MalformedError: together they are larger than one block may be.
    """
    children = _children(image, meta, 4)
    if b"iinf" not in children or b"iloc" not in children:
        return []
    kinds = _item_kinds(image, children[b"iinf"])
    wanted = {item: kind for item, kind in kinds.items() if kind}
    if not wanted:
        return []
    places = _item_places(image, children[b"iloc"], children.get(b"idat"))
    blocks = []
    left = MAX_BLOCK_BYTES
    for item, kind in wanted.items():
        # Stretches may overlap, so a small file can announce a large item.
        extents = places.get(item, [])
        left -= sum(extent.length for extent in extents)
        if left < 0:
            raise MalformedError(f"EXIF and XMP items of more than {MAX_BLOCK_BYTES} bytes")
        data = b"".join(image[extent.offset : extent.offset + extent.length] for extent in extents)
        if kind == "exif" and len(data) > 4:
            # The item begins with the offset of the TIFF header, usually behind "Exif\0\0".
            skip = 4 + int.from_bytes(data[:4], "big")
            blocks.append(Block("exif", "BMFF Exif item", data[skip:]))
        elif kind == "xmp" and data:
            blocks.append(Block("xmp", "BMFF XMP item", data))
    return blocks


def _item_kinds(image: memoryview, iinf: Box) -> dict[int, str]:
    """Item numbers to "exif", "xmp" or ""."""
    if iinf.end - iinf.start < 6:
        return {}
    version = image[iinf.start]
    entries = iinf.start + (6 if version == 0 else 8)
    kinds: dict[int, str] = {}
    for box in boxes(image, entries, iinf.end):
        if box.kind != b"infe" or len(kinds) >= MAX_BMFF_ITEMS:
            continue
        if box.end > iinf.end or box.end - box.start < 12:
            continue
        wide = image[box.start] == 3
        number = int.from_bytes(image[box.start + 4 : box.start + (8 if wide else 6)], "big")
        at = box.start + (10 if wide else 8)
        kind = bytes(image[at : at + 4])
        rest = bytes(image[at + 4 : min(box.end, at + 4 + MAX_ITEM_NAME_BYTES)]).split(b"\0", 2)
        is_xmp = kind == b"mime" and len(rest) > 1 and rest[1] == b"application/rdf+xml"
        kinds[number] = "exif" if kind == b"Exif" else "xmp" if is_xmp else ""
    return kinds


def _item_places(image: memoryview, iloc: Box, idat: Box | None) -> dict[int, list[_Extent]]:
    """Item numbers to the stretches of the file that hold them."""
    fields = _Fields(bytes(image[iloc.start : min(iloc.end, iloc.start + MAX_BLOCK_BYTES)]))
    version = fields.take(1)
    fields.take(3)
    sizes = fields.take(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    width = 4 if version == 2 else 2
    places: dict[int, list[_Extent]] = {}
    n_left = MAX_BMFF_EXTENTS
    for _ in range(min(fields.take(width), MAX_BMFF_ITEMS)):
        number = fields.take(width)
        method = fields.take(2) & 15 if version else 0
        fields.take(2)
        base = fields.take(base_size) + (idat.start if method == 1 and idat else 0)
        n_extents = min(fields.take(2), n_left)
        n_left -= n_extents
        extents = []
        for _ in range(n_extents if offset_size or length_size else 0):
            if fields.is_over:
                break
            fields.take(index_size)
            offset = fields.take(offset_size)
            extents.append(_Extent(base + offset, fields.take(length_size)))
        if method in (0, 1):
            places[number] = extents
        if fields.is_over:
            break
    return places


class _Fields:
    """Big-endian numbers one after the other; 0 behind the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_over(self) -> bool:
        return self._at >= len(self._data)

    def take(self, n_bytes: int) -> int:
        value = int.from_bytes(self._data[self._at : self._at + n_bytes], "big")
        self._at += n_bytes
        return value
