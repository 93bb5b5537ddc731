"""GIF: its extension blocks.

Sources: GIF89a specification (blocks, sub-blocks); XMP Specification Part 3, 1.1.2 (application
extension XMP DataXMP); C2PA 2.2, A.3 (application extension C2PA_GIF). A comment is a comment.
"""

from __future__ import annotations

from madaudit.detectors.provenance.containers.base import Block, Container
from madaudit.limits import MAX_BLOCK_BYTES, MAX_PARTS

SIGNATURES = (b"GIF87a", b"GIF89a")
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_COMMENT, _APPLICATION = 0xFE, 0xFF
_XMP = b"XMP DataXMP"
_C2PA = b"C2PA_GIF\x01\x00\x00"
# Behind an XMP packet stand 257 bytes that lead every reader of sub-blocks to the end.
_XMP_TRAILER = 257


class _CutError(Exception):
    """The file ends inside a block."""


def parse_gif(image: memoryview) -> Container:
    """Blocks of a GIF file up to its trailer; one that ends between two blocks is whole."""
    end = len(image)
    if end < 13:
        return Container("gif", None, None, is_complete=False, problem="cut inside the header")
    width = int.from_bytes(image[6:8], "little")
    height = int.from_bytes(image[8:10], "little")
    blocks: list[Block] = []
    at = 13 + _table_bytes(image[10])
    problem: str | None = None
    try:
        for _ in range(MAX_PARTS):
            if at >= end or image[at] == _TRAILER:
                break
            if image[at] == _EXTENSION:
                at = _extension(image, at, blocks)
            elif image[at] == _IMAGE:
                at = _image(image, at)
            elif image[at] == 0:  # an empty sub-block too many, which encoders do write
                at += 1
            else:
                problem = f"no block at byte {at}"
                break
        else:
            problem = f"more than {MAX_PARTS} blocks"
        is_complete = at <= end
    except _CutError:
        is_complete = False
    if not is_complete:
        problem = f"cut inside a block: ends at byte {end}"
    return Container("gif", width, height, tuple(blocks), is_complete=is_complete, problem=problem)


def _table_bytes(flags: int) -> int:
    """Length of a colour table, 0 where the flags say that there is none."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _image(image: memoryview, at: int) -> int:
    """The end of an image block."""
    if at + 10 > len(image):
        raise _CutError
    return _sub_blocks(image, at + 10 + _table_bytes(image[at + 9]) + 1)


def _extension(image: memoryview, at: int, blocks: list[Block]) -> int:
    """Keep what an extension holds, and give its end."""
    if at + 3 > len(image):
        raise _CutError
    label = image[at + 1]
    stop = _sub_blocks(image, at + 2)
    if stop - at > MAX_BLOCK_BYTES:
        return stop
    if label == _COMMENT:
        text = _joined(image, at + 2).decode("utf-8", "replace").rstrip("\0")
        blocks.append(Block("comment", "GIF comment", text=text))
    elif label == _APPLICATION and image[at + 2] == 11:
        name = bytes(image[at + 3 : at + 14])
        if name == _XMP:
            packet = bytes(image[at + 14 : max(stop - _XMP_TRAILER - 1, at + 14)])
            blocks.append(Block("xmp", "GIF XMP", packet))
        elif name == _C2PA:
            blocks.append(Block("c2pa", "GIF C2PA", _joined(image, at + 14)))
    return stop


def _sub_blocks(image: memoryview, at: int) -> int:
    """The end of a row of sub-blocks, its empty one included."""
    end = len(image)
    while at < end:
        length = image[at]
        at += 1 + length
        if length == 0:
            return at
    raise _CutError


def _joined(image: memoryview, at: int) -> bytes:
    """What a row of sub-blocks holds."""
    parts = []
    while image[at]:
        parts.append(bytes(image[at + 1 : at + 1 + image[at]]))
        at += 1 + image[at]
    return b"".join(parts)
