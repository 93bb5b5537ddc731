"""LAION's join key: a hash of URL and text, by which its score files are joined.

`mmh3.hash64((url + text).encode("utf-8"))[0]`, a signed 64-bit integer; a missing part counts as
empty. Source: rom1504/laion-prepro, laion5B/.
"""

from __future__ import annotations

from collections.abc import Sequence

from madaudit.errors import MissingExtraError
from madaudit.limits import MAX_COLUMN_CHARS


def laion_hashes(urls: Sequence[str | None], texts: Sequence[str | None]) -> list[int | None]:
    """The hash of each row; None where the URL is missing, or a store has cut one of the texts.

    Raises:
        MissingExtraError: mmh3 is not installed.
    """
    try:
        import mmh3  # noqa: PLC0415 — an extra's, and only this format needs it
    except ImportError as error:
        raise MissingExtraError("hash as LAION does", package="mmh3", extra="filter") from error
    hashes: list[int | None] = []
    for url, text in zip(urls, texts, strict=True):
        if url is None or max(len(url), len(text or "")) >= MAX_COLUMN_CHARS:
            hashes.append(None)
        else:
            hashes.append(mmh3.hash64((url + (text or "")).encode())[0])
    return hashes
