"""EXIF: texts of the tags that name a program, from the TIFF structure that holds them.

Reads IFD 0 and the EXIF IFD once each, so cycles cannot hold it up; an entry that points outside
the block is left out. Sources: TIFF 6.0; CIPA DC-008 (Exif 3.0), 4.6; BigTIFF as in libtiff's
"BigTIFF File Format" (offsets and counts of eight bytes).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from madaudit.limits import MAX_IFD_ENTRIES, MAX_TAG_BYTES

_NAMES = {
    0x010D: "DocumentName",
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x013B: "Artist",
    0x013C: "HostComputer",
    0x02BC: "XMP",
    0x8298: "Copyright",
    0x927C: "MakerNote",
    0x9286: "UserComment",
    0x9C9C: "XPComment",
}
_EXIF_IFD = 0x8769
# Bytes of a value by its type; 16 to 18 are BigTIFF's.
SIZES = (
    dict.fromkeys((1, 2, 6, 7, 129), 1)
    | dict.fromkeys((3, 8), 2)
    | dict.fromkeys((4, 9, 11, 13), 4)
    | dict.fromkeys((5, 10, 12, 16, 17, 18), 8)
)


class Layout(NamedTuple):
    """How numbers are written.

    Attributes:
        order: "<" or ">", as struct has it.
        is_big: whether offsets and counts have eight bytes.
        first: offset of IFD 0.
    """

    order: str
    is_big: bool
    first: int


class Entry(NamedTuple):
    """One entry of an IFD.

    Attributes:
        tag, kind: as numbers.
        n_values: of its type.
        start: offset of the first.
    """

    tag: int
    kind: int
    n_values: int
    start: int

    @property
    def size(self) -> int:
        """Bytes of all values, 0 for a type that does not exist."""
        return SIZES.get(self.kind, 0) * self.n_values


class _Forms(NamedTuple):
    """How the numbers of one layout are unpacked; an entry ends in its value or its offset."""

    counter: struct.Struct
    entry: struct.Struct
    offset: struct.Struct


_FORMS = {
    (order, is_big): _Forms(
        struct.Struct(order + ("Q" if is_big else "H")),
        struct.Struct(order + ("HHQQ" if is_big else "HHII")),
        struct.Struct(order + ("Q" if is_big else "I")),
    )
    for order in "<>"
    for is_big in (False, True)
}


def layout_of(data: bytes | memoryview) -> Layout | None:
    """How a TIFF structure is written, None where it is none."""
    head = bytes(data[:16])
    if len(head) < 8 or head[:2] not in (b"II", b"MM"):
        return None
    order = "<" if head[:2] == b"II" else ">"
    (magic,) = struct.unpack_from(order + "H", head, 2)
    if magic == 42:
        return Layout(order, False, *struct.unpack_from(order + "I", head, 4))
    if magic == 43 and len(head) == 16 and head[4:8] in (b"\x08\0\0\0", b"\0\x08\0\0"):
        return Layout(order, True, *struct.unpack_from(order + "Q", head, 8))
    return None


def read_entries(data: bytes | memoryview, layout: Layout, at: int) -> Iterator[Entry]:
    """Entries of the IFD at an offset; those behind the end of the data are left out."""
    forms = _FORMS[layout.order, layout.is_big]
    width, inline = forms.entry.size, forms.offset.size
    start = at + forms.counter.size
    if start > len(data):
        return
    (n_entries,) = forms.counter.unpack_from(data, at)
    n_whole = (len(data) - start) // width
    for place in range(start, start + width * min(n_entries, n_whole, MAX_IFD_ENTRIES), width):
        tag, kind, n_values, beyond = forms.entry.unpack_from(data, place)
        size = SIZES.get(kind, 0) * n_values
        yield Entry(tag, kind, n_values, beyond if size > inline else place + width - inline)


def directory_end(data: bytes | memoryview, layout: Layout, at: int) -> int:
    """The byte behind an IFD and its pointer to the next; beyond the data where it is cut."""
    forms = _FORMS[layout.order, layout.is_big]
    start = at + forms.counter.size
    if start > len(data):
        return start
    (n_entries,) = forms.counter.unpack_from(data, at)
    return start + forms.entry.size * int(n_entries) + forms.offset.size


def read_tags(data: bytes | memoryview) -> dict[str, str]:
    """Texts of known tags by name; empty where `data` is no TIFF structure."""
    layout = layout_of(data)
    tags: dict[str, str] = {}
    if layout is None:
        return tags
    pointers = _read_ifd(data, layout, layout.first, tags)
    for pointer in pointers[:1]:
        _read_ifd(data, layout, pointer, tags)
    return tags


def _read_ifd(
    data: bytes | memoryview, layout: Layout, at: int, tags: dict[str, str]
) -> list[int]:
    """Fill `tags` from one IFD; returns the offsets of EXIF IFDs it points to."""
    pointers: list[int] = []
    for entry in read_entries(data, layout, at):
        name = _NAMES.get(entry.tag)
        if name is None and entry.tag != _EXIF_IFD:
            continue
        size = entry.size
        end = entry.start + size
        if end > len(data):
            continue
        if name is None:
            form = {4: "I", 8: "Q"}.get(size)
            if form is not None:
                pointers += struct.unpack_from(layout.order + form, data, entry.start)
        elif name not in tags and 0 < size <= MAX_TAG_BYTES:
            tags[name] = _text(name, bytes(data[entry.start : end]), layout.order)
    return pointers


def _text(name: str, value: bytes, order: str) -> str:
    """A tag's value as text.

    UserComment begins with an eight-byte code of its character set; the byte order of its UTF-16
    is not always the file's, so it is taken from where the zero bytes of ASCII letters stand.
    """
    if name == "XPComment":
        return value.decode("utf-16-le", "replace").rstrip("\0")
    if name == "UserComment" and value[:7] == b"UNICODE":
        return _utf16(value[8:], order).rstrip("\0")
    if name == "UserComment" and value[:8] in (b"ASCII\0\0\0", b"JIS\0\0\0\0\0", b"\0" * 8):
        value = value[8:]
    return value.decode("utf-8", "replace").strip("\0 ")


def _utf16(value: bytes, order: str) -> str:
    sample = value[:512]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if even != odd:
        order = ">" if even > odd else "<"
    return value.decode("utf-16-be" if order == ">" else "utf-16-le", "replace")
