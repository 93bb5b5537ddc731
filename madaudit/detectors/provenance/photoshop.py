"""Photoshop image resources, searched for the IPTC-IIM record.

Source: Adobe, Photoshop File Formats Specification, "Image Resource Blocks"; resource 0x0404.
"""

from __future__ import annotations

from madaudit.limits import MAX_IMAGE_RESOURCES

_IPTC = 0x0404


def iptc_resource(data: bytes) -> bytes | None:
    """The IPTC-IIM bytes among image resources, or None."""
    position = 0
    for _ in range(MAX_IMAGE_RESOURCES):
        if data[position : position + 4] != b"8BIM" or position + 12 > len(data):
            return None
        kind = int.from_bytes(data[position + 4 : position + 6], "big")
        name_length = data[position + 6] + 1
        position += 6 + name_length + (name_length & 1)
        size = int.from_bytes(data[position : position + 4], "big")
        position += 4
        if kind == _IPTC:
            return data[position : position + size] or None
        position += size + (size & 1)
    return None
