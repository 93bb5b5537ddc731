"""What a table holds, told by the names and types of its columns; the one place that tells it.

Names are compared without regard to case: LAION writes URL and TEXT, DataComp url and text. A
column counts only with a type that fits its part, so a `jpg` column of numbers is no image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import pyarrow as pa

from madaudit.errors import ShardError

Kind = Literal["parquet", "metadata", "documents"]
Form = Literal["bytes", "struct", "list of bytes", "list of structs"]
Names = tuple[str, ...]

_IMAGE: Names = ("jpg", "jpeg", "png", "webp", "avif", "gif", "image", "img", "images")
_IMAGE += ("image_bytes", "image_content", "bytes", "content", "data")
#: Names of columns and of JSON fields, in lower case, the first that is there counts.
URL_NAMES: Names = ("url", "image_url", "img_url", "image_link")
CAPTION_NAMES: Names = ("caption", "text", "txt", "alt_text", "alt")
TEXT_NAMES: Names = ("text", "content", "raw_content", "document")
# What joins a row with other files, the most particular first.
KEY_NAMES: Names = ("key", "__key__", "uid", "sample_id", "id", "image_id", "doc_id", "hash")
_WIDTH: Names = ("width", "original_width", "image_width")
_HEIGHT: Names = ("height", "original_height", "image_height")
# Columns that only the metadata of images has; a table with a URL and a text but none of these may
# be web pages. LAION-400M, LAION-5B, DataComp, COYO-700M, img2dataset.
_OF_IMAGES = frozenset(
    (
        *("width", "original_width", "image_width", "height", "original_height", "image_height"),
        *("similarity", "nsfw", "punsafe", "pwatermark", "aesthetic", "license", "sample_id"),
        *("hash", "face_bboxes", "bboxes", "exif", "sha256", "sha256hash", "image_phash"),
        *("clip_b32_similarity_score", "clip_l14_similarity_score", "clip_similarity_vitb32"),
        *("caption", "txt", "alt", "alt_text", "image_url", "img_url"),
    )
)
# Columns that the documents of web crawls have: C4, FineWeb, Dolma, RedPajama, datatrove.
_OF_DOCUMENTS = frozenset(
    (
        *("timestamp", "date", "dump", "id", "doc_id", "language", "lang", "language_score"),
        *("warc", "token_count", "file_path", "metadata", "meta", "source", "added", "created"),
        *("title", "raw_content", "document", "content"),
    )
)
#: What is looked for, in the words of an error.
LOOKED_FOR = (
    "an image (a column such as jpg, image, image_bytes that holds bytes), "
    "a url beside image metadata (width, height, caption …), or a text or content column"
)


class Image(NamedTuple):
    """The column that holds images, and in which form."""

    column: str
    form: Form


@dataclass(frozen=True)
class Layout:
    """Which column plays which part; None where none does.

    Attributes:
        kind: name of the reader for such tables.
        image: the column with image bytes.
        text: the document.
        key, uid, url, caption, sha256, exif: as in a store's row.
        width, height: the image's size as the data set states it.
        status, error: what img2dataset says of a download.
        original_width: present where img2dataset made the table.
    """

    kind: Kind
    image: Image | None = None
    text: str | None = None
    key: str | None = None
    uid: str | None = None
    url: str | None = None
    caption: str | None = None
    sha256: str | None = None
    exif: str | None = None
    width: str | None = None
    height: str | None = None
    status: str | None = None
    error: str | None = None
    original_width: str | None = None

    @property
    def columns(self) -> list[str]:
        """All columns to read, each once."""
        names = [getattr(self, part) for part in _PARTS]
        if self.image is not None:
            names.append(self.image.column)
        return list(dict.fromkeys(name for name in names if name is not None))


_PARTS: Names = ("text", "key", "uid", "url", "caption", "sha256", "exif", "width", "height")
_PARTS += ("status", "error", "original_width")


def recognise(schema: pa.Schema, kind: str | None = None) -> Layout:
    """What a table holds.

    Args:
        schema: its columns.
        kind: what the user says it holds, None where that is to be found out.

    Raises:
        ShardError: it cannot be told, or it is not what the user says; the message names the
            columns seen and what is looked for.
    """
    table = _Columns(schema)
    image = _image(table)
    is_unclear = False
    if kind is None:
        kind, is_unclear = _kind(table, image)
    layout = None
    if kind == "parquet" and image is not None:
        layout = _layout("parquet", table, image=image)
    elif kind == "metadata" and table.text(URL_NAMES):
        layout = _layout("metadata", table)
    elif kind == "documents" and table.text(TEXT_NAMES):
        layout = _layout("documents", table, text=table.text(TEXT_NAMES))
    if layout is None:
        raise ShardError(_in_words(schema, kind, is_unclear=is_unclear))
    return layout


def layout_of_embeddings(schema: pa.Schema) -> Layout:
    """The parts of the table that clip-retrieval writes beside its embeddings."""
    table = _Columns(schema)
    layout = _layout("metadata", table)
    return replace(layout, key=table.text(("image_path",)) or layout.key)


def _kind(table: _Columns, image: Image | None) -> tuple[str | None, bool]:
    """The reader for a table, and whether a user must say which of two it is."""
    if image is not None:
        return "parquet", False
    names = table.names
    has_text = table.text(TEXT_NAMES) is not None
    if table.text(URL_NAMES):
        if not has_text or names & _OF_IMAGES or "TEXT" in table.schema.names:
            return "metadata", False
        return ("documents", False) if names & _OF_DOCUMENTS else (None, True)
    return ("documents", False) if has_text else (None, False)


def _layout(
    kind: Kind, table: _Columns, *, image: Image | None = None, text: str | None = None
) -> Layout:
    is_text = kind == "documents"
    return Layout(
        kind,
        image,
        text,
        key=table.key(KEY_NAMES),
        uid=table.key(("uid",)),
        url=table.text(URL_NAMES),
        caption=None if is_text else table.text(CAPTION_NAMES),
        sha256=table.text(("sha256", "sha256hash")),
        exif=table.text(("exif",)),
        width=None if is_text else table.number(_WIDTH),
        height=None if is_text else table.number(_HEIGHT),
        status=table.text(("status",)),
        error=table.text(("error_message",)),
        original_width=table.number(("original_width",)),
    )


class _Columns:
    """Columns by name in lower case; one that comes twice is not used."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self._fields: dict[str, pa.Field] = {}
        twice = set()
        for field in schema:
            name = field.name.lower()
            if name in self._fields:
                twice.add(name)
            self._fields[name] = field
        for name in twice:
            del self._fields[name]
        self.names = frozenset(self._fields)

    def field(self, name: str) -> pa.Field | None:
        return self._fields.get(name)

    def fields(self) -> Iterable[pa.Field]:
        return self._fields.values()

    def text(self, names: Names) -> str | None:
        return self._first(names, is_text)

    def key(self, names: Names) -> str | None:
        return self._first(names, lambda kind: is_text(kind) or pa.types.is_integer(kind))

    def number(self, names: Names) -> str | None:
        return self._first(
            names, lambda kind: pa.types.is_integer(kind) or pa.types.is_floating(kind)
        )

    def _first(self, names: Names, fits: Callable[[pa.DataType], bool]) -> str | None:
        for name in names:
            field = self._fields.get(name)
            if field is not None and fits(_value_type(field.type)):
                return str(field.name)
        return None


def _image(table: _Columns) -> Image | None:
    """The column with images: one of the usual names, else any of Hugging Face's image type."""
    for name in _IMAGE:
        field = table.field(name)
        form = None if field is None else _form(field.type)
        if field is not None and form is not None:
            return Image(field.name, form)
    for field in table.fields():
        form = _form(field.type)
        if form in ("struct", "list of structs"):
            return Image(field.name, form)
    return None


def _form(kind: pa.DataType) -> Form | None:
    """How a column of this type holds images; None where it cannot."""
    if _is_binary(kind):
        return "bytes"
    if _is_image_struct(kind):
        return "struct"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        if _is_binary(kind.value_type):
            return "list of bytes"
        if _is_image_struct(kind.value_type):
            return "list of structs"
    return None


def _is_image_struct(kind: pa.DataType) -> bool:
    """Whether a type is Hugging Face's image: {bytes, path}."""
    if not pa.types.is_struct(kind):
        return False
    place = kind.get_field_index("bytes")
    return place >= 0 and _is_binary(kind.field(place).type)


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    )


def is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


# Columns that an error names at most; a hostile table has thousands.
_NAMED = 20


def _in_words(schema: pa.Schema, kind: str | None, *, is_unclear: bool) -> str:
    seen = ", ".join(f"{f.name[:40]} ({str(f.type)[:40]})" for f in list(schema)[:_NAMED])
    if len(schema) > _NAMED:
        seen += f" and {len(schema) - _NAMED} more"
    if is_unclear:
        return (
            f"a url and a text may be image metadata or documents; columns seen: {seen}; "
            f"say which with --format metadata or --format documents"
        )
    what = f"no columns for --format {kind}" if kind else "no columns that are known"
    return f"{what}; columns seen: {seen or 'none'}; looked for: {LOOKED_FOR}"
