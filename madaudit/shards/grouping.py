"""File names to samples: which files belong together, and which of them is the image.

The rule is webdataset's: the key is the path up to the first dot of the file's name, the field is
what follows, and neighbouring files with one key are one sample. Two rules are ours: a field that
comes twice under one key begins a new sample (webdataset raises), so a repeated key gives two
rows; and an image with a dotted name ("img.v2.jpg") is still found, by its last extension.
"""

from __future__ import annotations

IMAGE_EXTENSIONS = frozenset({"jpg", "jpeg", "jfif", "jpe", "png", "webp", "avif", "heic", "heif"})
IMAGE_EXTENSIONS |= {"gif", "bmp", "tif", "tiff", "jxl", "img", "image"}


_ROLES = {
    "json": "record",
    "txt": "caption",
    "caption": "caption",
    **dict.fromkeys(IMAGE_EXTENSIONS, "image"),
}


def split_name(path: str) -> tuple[str, str]:
    """Key and field of a path; the field in lower case, without the first dot.

    Hidden files ("._x.jpg", ".DS_Store") and files without an extension belong to no sample:
    both parts are empty.
    """
    dot = path.find(".", path.rfind("/") + 1)
    if dot <= 0 or path[dot - 1] == "/":
        return "", ""
    return path[:dot], path[dot + 1 :].lower()


def role_of(field: str) -> str:
    """What a field is to a sample: "image", "record", "caption" or "" for none of these.

    An image is known by its last extension, so "v2.jpg" is one.
    """
    role = _ROLES.get(field)
    if role is None:
        return "image" if is_image(field) else ""
    return role


def is_image(field: str) -> bool:
    """Whether a field names an image, by its last extension."""
    return field in IMAGE_EXTENSIONS or field[field.rfind(".") + 1 :] in IMAGE_EXTENSIONS


def is_unsafe(path: str) -> bool:
    """Whether a name points outside the folder it would be unpacked in."""
    if ".." in path and ".." in path.split("/"):
        return True
    return path.startswith("/") or "\\" in path
