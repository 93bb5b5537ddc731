"""EXIF: texts of the tags that name a program, from the TIFF structure that holds them.

Reads IFD 0 and the EXIF IFD once each, so cycles cannot hold it up; an entry that points outside
the block is left out. Sources: TIFF 6.0; CIPA DC-008 (Exif 3.0), 4.6.
"""

from __future__ import annotations

import struct

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
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 129: 1}


def read_tags(data: bytes) -> dict[str, str]:
    """Texts of known tags by name; empty where `data` is no TIFF structure."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return {}
    tags: dict[str, str] = {}
    (first,) = struct.unpack_from(order + "I", data, 4)
    pointers = _read_ifd(data, order, first, tags)
    for pointer in pointers[:1]:
        _read_ifd(data, order, pointer, tags)
    return tags


def _read_ifd(data: bytes, order: str, at: int, tags: dict[str, str]) -> list[int]:
    """Fill `tags` from one IFD; returns the offsets of EXIF IFDs it points to."""
    pointers: list[int] = []
    if at + 2 > len(data):
        return pointers
    (n_entries,) = struct.unpack_from(order + "H", data, at)
    for entry in range(at + 2, at + 2 + 12 * min(n_entries, MAX_IFD_ENTRIES), 12):
        if entry + 12 > len(data):
            break
        tag, kind, count, value = struct.unpack_from(order + "HHII", data, entry)
        if tag == _EXIF_IFD:
            pointers.append(value)
        elif tag in _NAMES and _NAMES[tag] not in tags:
            size = _SIZES.get(kind, 0) * count
            start = entry + 8 if size <= 4 else value
            if 0 < size <= MAX_TAG_BYTES and start + size <= len(data):
                tags[_NAMES[tag]] = _text(_NAMES[tag], data[start : start + size], order)
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
