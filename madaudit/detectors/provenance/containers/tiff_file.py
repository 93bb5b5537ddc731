"""TIFF as a file: the metadata of its first image, in classic and in big layout.

Further images of the file (pages, thumbnails) are not looked at. Sources: TIFF 6.0; BigTIFF;
XMP Specification Part 3, 1.1.7 (tag 700); Adobe, "TIFF Technical Note 3" and Photoshop File
Formats (tags 33723 and 34377); C2PA 2.2, A.3 (tag 52545).
"""

from __future__ import annotations

import struct

from madaudit.detectors.provenance.containers.base import Block, Container
from madaudit.detectors.provenance.photoshop import iptc_resource
from madaudit.detectors.provenance.tiff import (
    Entry,
    Layout,
    directory_end,
    layout_of,
    read_entries,
    read_tags,
)
from madaudit.limits import MAX_BLOCK_BYTES, MAX_TIFF_STRIPS

_WIDTH, _HEIGHT = 256, 257
_STRIPS = {273: 279, 324: 325}  # offsets of strips and tiles to their lengths
_XMP, _IPTC, _PHOTOSHOP, _C2PA = 700, 33723, 34377, 52545
_METADATA = frozenset({_XMP, _IPTC, _PHOTOSHOP, _C2PA})
_NUMBERS = {3: "H", 4: "I", 16: "Q"}


def parse_tiff(image: memoryview) -> Container | None:
    """The first image of a TIFF file; None where the header is another format's."""
    layout = layout_of(image)
    if layout is None:
        return None
    end = len(image)
    entries: dict[int, Entry] = {}
    for entry in read_entries(image, layout, layout.first):
        entries.setdefault(entry.tag, entry)
    if directory_end(image, layout, layout.first) > end:
        cut = f"cut: the first directory, at byte {layout.first}, is not whole; ends at byte {end}"
        return Container("tiff", None, None, is_complete=False, problem=cut)
    width, height = (_first(image, layout, entries.get(tag)) for tag in (_WIDTH, _HEIGHT))
    blocks, problem = _blocks(image, [entries[tag] for tag in sorted(_METADATA & entries.keys())])
    cut_strip = _cut_strip(image, layout, entries)
    container = Container(
        "tiff",
        width,
        height,
        tuple(blocks),
        is_complete=cut_strip is None,
        problem=cut_strip or problem,
    )
    tags = read_tags(image)
    if tags:
        # Read from the whole file, since values may stand anywhere in it; the block only tells
        # that there are tags.
        container.blocks += (Block("exif", "TIFF tags"),)
        container.keep_exif(tags)
    return container


def _blocks(image: memoryview, entries: list[Entry]) -> tuple[list[Block], str | None]:
    """Metadata blocks, and what is wrong with one of them."""
    blocks: list[Block] = []
    problem = None
    for entry in entries:
        stop = entry.start + entry.size
        if entry.size > MAX_BLOCK_BYTES or stop > len(image):
            problem = f"tag {entry.tag} of {entry.size} bytes was not read"
            continue
        data = bytes(image[entry.start : stop])
        if entry.tag == _XMP:
            blocks.append(Block("xmp", "TIFF tag 700 XMP", data))
        elif entry.tag == _IPTC:
            blocks.append(Block("iptc", "TIFF tag 33723 IPTC", data))
        elif entry.tag == _C2PA:
            blocks.append(Block("c2pa", "TIFF tag 52545 C2PA", data))
        else:
            iptc = iptc_resource(data)
            if iptc is not None:
                blocks.append(Block("iptc", "TIFF tag 34377 IPTC", iptc))
    return blocks, problem


def _cut_strip(image: memoryview, layout: Layout, entries: dict[int, Entry]) -> str | None:
    """What is cut, where a strip or tile of the image ends behind the file."""
    for offsets, lengths in _STRIPS.items():
        if offsets not in entries or lengths not in entries:
            continue
        starts = _numbers(image, layout, entries[offsets])
        for start, length in zip(starts, _numbers(image, layout, entries[lengths]), strict=False):
            if start + length > len(image):
                return f"cut: {length} bytes of pixels at byte {start}, ends at {len(image)}"
    return None


def _first(image: memoryview, layout: Layout, entry: Entry | None) -> int | None:
    return next(iter(_numbers(image, layout, entry)), None) if entry else None


def _numbers(image: memoryview, layout: Layout, entry: Entry) -> tuple[int, ...]:
    """An entry's whole numbers, as many as are in the file and under the limit."""
    form = _NUMBERS.get(entry.kind)
    if form is None or entry.start >= len(image):
        return ()
    width = struct.calcsize(layout.order + form)
    room = max(len(image) - entry.start, 0) // width
    n = min(entry.n_values, room, MAX_TIFF_STRIPS)
    numbers: tuple[int, ...] = struct.unpack_from(f"{layout.order}{n}{form}", image, entry.start)
    return numbers
