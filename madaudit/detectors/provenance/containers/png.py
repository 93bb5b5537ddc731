"""PNG: chunks up to IEND.

Sources: W3C PNG (Third Edition) 5.3 and 11.3 (chunks, text, eXIf); C2PA 2.2, A.3.2 (caBX);
ImageMagick's "Raw profile type" text chunks. A chunk of metadata whose CRC is wrong is not read.
"""

from __future__ import annotations

import binascii
import zlib

from madaudit.detectors.provenance.containers.base import Block, Container
from madaudit.detectors.provenance.photoshop import iptc_resource
from madaudit.errors import MalformedError
from madaudit.limits import MAX_BLOCK_BYTES, MAX_PARTS, MAX_TEXT_BYTES

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"caBX"})
_XMP = "XML:com.adobe.xmp"
_RAW_PROFILE = "Raw profile type "


def parse_png(image: memoryview) -> Container:
    """Chunks of a PNG file."""
    end = len(image)
    width = height = None
    position = 8
    blocks: list[Block] = []
    damaged: str | None = None
    budget = _Budget()
    for _ in range(MAX_PARTS):
        if position + 12 > end:
            return _cut(width, height, blocks, f"ends at byte {end} before IEND")
        length = int.from_bytes(image[position : position + 4], "big")
        kind = bytes(image[position + 4 : position + 8])
        body = position + 8
        if body + length + 4 > end:
            name = kind.decode("ascii", "replace")
            return _cut(width, height, blocks, f"chunk {name} cut: ends at byte {end}")
        if kind == b"IHDR" and length >= 8:
            width = int.from_bytes(image[body : body + 4], "big")
            height = int.from_bytes(image[body + 4 : body + 8], "big")
        elif kind in _KEPT:
            try:
                blocks += _read(kind, image[body : body + length + 4], budget)
            except MalformedError as error:
                damaged = f"chunk {kind.decode()} at byte {position}: {error}, not read"
        elif kind == b"IEND":
            return Container("png", width, height, tuple(blocks), problem=damaged)
        position = body + length + 4
    return _cut(width, height, blocks, f"more than {MAX_PARTS} chunks")


class _Budget:
    """Bytes of text that a file may still take up, decompressed; failures are paid for as well."""

    def __init__(self) -> None:
        self.left = MAX_TEXT_BYTES


def _cut(width: int | None, height: int | None, blocks: list[Block], problem: str) -> Container:
    return Container("png", width, height, tuple(blocks), is_complete=False, problem=problem)


def _read(kind: bytes, chunk: memoryview, budget: _Budget) -> list[Block]:
    """The block of a chunk's data and CRC.

    Args:
        kind: the chunk's type.
        chunk: its data, and the four bytes of its CRC.
        budget: what it takes up is taken off.

    Raises:
        MalformedError: the CRC is wrong, or a limit is exceeded.
    """
    if len(chunk) - 4 > MAX_BLOCK_BYTES:
        raise MalformedError(f"{len(chunk) - 4} bytes, at most {MAX_BLOCK_BYTES} are read")
    data = bytes(chunk[:-4])
    if zlib.crc32(kind + data) != int.from_bytes(chunk[-4:], "big"):
        raise MalformedError("wrong CRC")
    before = budget.left
    blocks = _block(kind, data, budget)
    inflated = before - budget.left
    held = sum(len(block.text) + len(block.data) for block in blocks)
    budget.left -= max(held - inflated, 0)
    return blocks


def _block(kind: bytes, data: bytes, budget: _Budget) -> list[Block]:
    """The block that a metadata chunk holds; none where it breaks its own rules."""
    if kind == b"eXIf":
        return [Block("exif", "PNG eXIf", data.removeprefix(b"Exif\0\0"))]
    if kind == b"caBX":
        return [Block("c2pa", "PNG caBX", data)]
    keyword_bytes, separator, rest = data.partition(b"\0")
    if not separator or not 1 <= len(keyword_bytes) <= 79:
        return []
    keyword = keyword_bytes.decode("latin-1")
    where = f"PNG {kind.decode()} {keyword}"
    if kind == b"tEXt":
        text: bytes | None = rest
    elif kind == b"zTXt":
        text = _inflate(rest[1:], budget) if rest[:1] == b"\0" else None
    else:
        text = _international(rest, budget)
    return [] if text is None else [_text_block(kind, keyword, where, text)]


def _text_block(kind: bytes, keyword: str, where: str, text: bytes) -> Block:
    if keyword == _XMP:
        return Block("xmp", where, text)
    if keyword.startswith(_RAW_PROFILE):
        profile = _raw_profile(text)
        name = keyword.removeprefix(_RAW_PROFILE).lower()
        if profile is not None and name in ("exif", "app1"):
            return Block("exif", where, profile.removeprefix(b"Exif\0\0"))
        if profile is not None and name == "xmp":
            return Block("xmp", where, profile)
        if profile is not None and name in ("iptc", "8bim"):
            return Block("iptc", where, iptc_resource(profile) or profile)
    # The standard says Latin-1 for tEXt and zTXt; Stable Diffusion tools write UTF-8 into them.
    try:
        value = text.decode("utf-8")
    except UnicodeDecodeError:
        value = text.decode("utf-8" if kind == b"iTXt" else "latin-1", "replace")
    return Block("text", where, keyword=keyword, text=value)


def _international(rest: bytes, budget: _Budget) -> bytes | None:
    """The text of an iTXt chunk: flag, method, language, translated keyword, text."""
    if len(rest) < 2:
        return None
    is_compressed, method = rest[0], rest[1]
    _, first, rest = rest[2:].partition(b"\0")
    _, second, text = rest.partition(b"\0")
    if not first or not second or (is_compressed and method):
        return None
    return _inflate(text, budget) if is_compressed else text


def _inflate(data: bytes, budget: _Budget) -> bytes | None:
    """Decompressed text, or None where it is damaged.

    Raises:
        MalformedError: it would exceed the budget.
    """
    inflater = zlib.decompressobj()
    try:
        # One byte more, since a limit of 0 would mean none.
        text = inflater.decompress(data, max(budget.left, 0) + 1)
    except zlib.error:
        # Where it broke, nobody says; deflate expands at most 1,032-fold.
        budget.left -= min(1032 * len(data), max(budget.left, 0))
        return None
    budget.left -= len(text)
    if budget.left < 0:
        raise MalformedError(f"its text would take the file beyond {MAX_TEXT_BYTES} bytes of it")
    return text if inflater.eof else None


def _raw_profile(text: bytes) -> bytes | None:
    """ImageMagick's form: a line with the name, a line with the length, hexadecimal digits."""
    parts = text.strip().split(b"\n", 2)
    if len(parts) != 3 or not parts[1].strip().isdigit():
        return None
    try:
        return binascii.unhexlify(b"".join(parts[2].split()))
    except binascii.Error:
        return None
