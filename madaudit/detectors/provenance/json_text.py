"""JSON objects in texts that strangers wrote."""

from __future__ import annotations

import json
from typing import Any

from madaudit.errors import MalformedError
from madaudit.limits import MAX_JSON_BYTES


def read_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, or None where it is none.

    Args:
        text: the whole value; zero bytes and spaces around it do not count.

    Returns:
        Names to values. None for other JSON, for text that only begins like an object, and for
        nesting or numbers beyond what Python reads.

    Raises:
        MalformedError: it begins like an object and is longer than what is read.
    """
    clean = text.strip("\0 \r\n\t\ufeff")
    if not clean.startswith("{"):
        return None
    if len(clean) > MAX_JSON_BYTES:
        raise MalformedError(f"JSON of {len(clean)} characters; at most {MAX_JSON_BYTES} are read")
    try:
        value = json.loads(clean)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
