"""Formats that are recognised but not read: BMP, and JPEG XL without its box container.

Their marks are unobservable, never absent.
"""

from __future__ import annotations

from madaudit.detectors.provenance.containers.base import Container


def parse_other(image: memoryview) -> Container | None:
    """Format and, where it stands at a fixed place, size; None for no image at all."""
    start = bytes(image[:32])
    name, width, height = "", None, None
    if start[:2] == b"BM" and len(start) >= 26 and start[6:10] == b"\0\0\0\0":
        name = "bmp"
        if start[14] == 12:  # the header of OS/2
            return Container(
                name,
                int.from_bytes(start[18:20], "little"),
                int.from_bytes(start[20:22], "little"),
                is_readable=False,
            )
        # Only the height may be negative (rows from the top); such a width is no size at all.
        width = max(int.from_bytes(start[18:22], "little", signed=True), 0) or None
        height = abs(int.from_bytes(start[22:26], "little", signed=True))
    elif start[:2] == b"\xff\x0a":
        name = "jxl"
    return Container(name, width, height, is_readable=False) if name else None
