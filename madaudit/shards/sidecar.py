"""What the pipeline that made a shard recorded beside the images.

Formats: img2dataset's `.json` member and Parquet, DataComp's and LAION's column names, and
`_stats.json`. img2dataset decodes and writes images anew (unless told not to, in which case width
and height are null), so a record of its shape means that marks in the container are gone; the
EXIF it saw is kept in the `exif` column as JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

from madaudit.limits import MAX_JSON_BYTES
from madaudit.types import NO_SIDECAR, Sidecar

_URL = ("url", "URL")
_CAPTION = ("caption", "TEXT", "text", "txt")
COLUMNS = (
    "key",
    "uid",
    *_URL,
    *_CAPTION,
    "sha256",
    "exif",
    "status",
    "width",
    "height",
    "original_width",
)


def from_json(data: bytes | memoryview, caption: str | None) -> Sidecar:
    """The sidecar of one sample from its .json member.

    Args:
        data: the member's bytes; anything that is not a JSON object counts as no record, and so
            does more than MAX_JSON_BYTES of it.
        caption: text of the .txt member, which wins over the record's own.
    """
    try:
        record = parse(data) if len(data) <= MAX_JSON_BYTES else None
    except (ValueError, RecursionError):
        return NO_SIDECAR if caption is None else Sidecar(caption=caption)
    if not isinstance(record, dict):
        return NO_SIDECAR if caption is None else Sidecar(caption=caption)
    return from_record(record, caption)


def parse(data: bytes | memoryview) -> Any:
    """JSON by orjson, five times as fast, and by json what orjson is too strict for.

    That is NaN and half surrogate pairs, which other pipelines' records do hold.
    """
    try:
        return orjson.loads(data)
    except ValueError:
        return json.loads(bytes(data))


def from_record(record: Mapping[str, Any], caption: str | None) -> Sidecar:
    """The sidecar of one sample from a dictionary of img2dataset, DataComp or LAION columns."""
    get = record.get
    url = get("url")
    if url is None:
        url = get("URL")
    if caption is None:
        caption = text_of(_first(record, _CAPTION))
    reencoded = None
    if "original_width" in record and "status" in record:
        reencoded = get("width") is not None
    uid, sha256, exif = get("uid"), get("sha256"), get("exif")
    return Sidecar(
        uid if uid is None else text_of(uid),
        url if url is None else text_of(url),
        caption,
        sha256 if sha256 is None else text_of(sha256),
        exif if exif is None else text_of(exif),
        reencoded,
    )


def n_successes(data: bytes) -> int | None:
    """Samples that `_stats.json` says were downloaded; None where it does not say."""
    return _count(data, "successes")


def n_asked_for(data: bytes) -> int | None:
    """Samples that `_stats.json` says were asked for, failed ones included; None likewise."""
    return _count(data, "count")


def _count(data: bytes, name: str) -> int | None:
    try:
        stats = json.loads(data) if len(data) <= MAX_JSON_BYTES else None
    except (ValueError, RecursionError):
        return None
    count = stats.get(name) if isinstance(stats, dict) else None
    return count if type(count) is int and 0 <= count < 1 << 63 else None


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        value = record.get(name)
        if value is not None:
            return value
    return None


def text_of(value: Any) -> str | None:
    """The value if it is text; half a surrogate pair, which no Parquet file takes, becomes "?"."""
    if not isinstance(value, str) or value.isascii():
        return value if isinstance(value, str) else None
    return value.encode("utf-8", "replace").decode("utf-8")
