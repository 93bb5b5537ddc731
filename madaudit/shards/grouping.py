"""File names to samples: which files belong together, and which of them is the image.

The rule is webdataset's: the key is the path up to the first dot of the file's name, the field is
what follows, and neighbouring files with one key are one sample. Two rules are ours: a field that
comes twice under one key begins a new sample (webdataset raises), so a repeated key gives two
rows; and an image with a dotted name ("img.v2.jpg") is still found, by its last extension.
"""

from __future__ import annotations

from typing import NamedTuple

IMAGE_EXTENSIONS = frozenset({"jpg", "jpeg", "jfif", "jpe", "png", "webp", "avif", "heic", "heif"})
IMAGE_EXTENSIONS |= {"gif", "bmp", "tif", "tiff", "jxl", "img", "image"}


class Name(NamedTuple):
    """A file's place in a sample: `key`, `field` (lower case, without the first dot)."""

    key: str
    field: str


def split_name(path: str) -> Name | None:
    """Key and field of a path, or None for a file that is no part of a sample.

    Hidden files ("._x.jpg", ".DS_Store") and files without an extension belong to no sample.
    """
    start = path.rfind("/") + 1
    dot = path.find(".", start)
    if dot <= start:
        return None
    return Name(path[:dot], path[dot + 1 :].lower())


def is_image(field: str) -> bool:
    """Whether a field names an image, by its last extension."""
    return field in IMAGE_EXTENSIONS or field[field.rfind(".") + 1 :] in IMAGE_EXTENSIONS


def is_unsafe(path: str) -> bool:
    """Whether a name points outside the folder it would be unpacked in."""
    return path.startswith("/") or ".." in path.split("/") or "\\" in path
