"""JSON objects in texts that strangers wrote."""

from __future__ import annotations

import json
from typing import Any


def read_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, or None where it is none.

    Args:
        text: the whole value; zero bytes and spaces around it do not count.

    Returns:
        Names to values. None for other JSON, for text that only begins like an object, and for
        nesting or numbers beyond what Python reads.
    """
    clean = text.strip("\0 \r\n\t\ufeff")
    if not clean.startswith("{"):
        return None
    try:
        value = json.loads(clean)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
