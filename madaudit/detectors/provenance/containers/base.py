"""What all container parsers return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from madaudit.detectors.provenance.tiff import read_tags


class Block(NamedTuple):
    """One piece of metadata in its place.

    Attributes:
        kind: "exif" (TIFF bytes), "xmp" (packet), "iptc" (IIM bytes), "c2pa" (JUMBF boxes),
            "text" (keyword and value) or "comment".
        where: place in the file, for a person: "JPEG APP1", "PNG tEXt parameters".
        data: the bytes, without the container's own framing; b"" for text.
        keyword: name of a text.
        text: value of a text or a comment.
    """

    kind: str
    where: str
    data: bytes = b""
    keyword: str = ""
    text: str = ""


@dataclass(eq=False)
class Container:
    """An image file's structure.

    Attributes:
        format: "jpeg", "png", "webp", "avif", "heif", "gif", "bmp", "tiff" or "jxl".
        width, height: in pixels as stored, None where not found.
        blocks: metadata, in file order.
        is_readable: whether metadata of this format can be read at all.
        is_complete: whether the file was walked to its end.
        problem: the rule that was broken, or None.
    """

    format: str
    width: int | None
    height: int | None
    blocks: tuple[Block, ...] = ()
    is_readable: bool = True
    is_complete: bool = True
    problem: str | None = None
    _exif: dict[str, str] | None = None

    def exif(self) -> dict[str, str]:
        """Texts of the EXIF tags that matter, by name; read once."""
        if self._exif is None:
            tags: dict[str, str] = {}
            for block in self.blocks:
                if block.kind == "exif":
                    tags = {**read_tags(block.data), **tags}
            self._exif = tags
        return self._exif

    def keep_exif(self, tags: dict[str, str]) -> None:
        """Take tags that the parser has read itself."""
        self._exif = tags

    def texts(self) -> dict[str, Block]:
        """Text blocks by keyword; the first of a name stands."""
        found: dict[str, Block] = {}
        for block in self.blocks:
            if block.kind == "text":
                found.setdefault(block.keyword, block)
        return found

    def of_kind(self, kind: str) -> list[Block]:
        return [block for block in self.blocks if block.kind == kind]
