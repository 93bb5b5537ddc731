"""IPTC-IIM: the records that press photos carry since the nineties.

Source: IPTC-NAA Information Interchange Model 4.2, 1.5 (datasets) and 5.1 (coded character set).
"""

from __future__ import annotations

from madaudit.limits import MAX_IIM_DATASETS

KEYWORDS = (2, 25)
CREDIT = (2, 110)
_CHARACTER_SET = (1, 90)
_UTF8 = b"\x1b%G"


def read_datasets(data: bytes) -> dict[tuple[int, int], list[str]]:
    """Texts by (record, dataset); what stands behind a broken dataset is left out."""
    raw: list[tuple[tuple[int, int], bytes]] = []
    at = 0
    while at + 5 <= len(data) and data[at] == 0x1C and len(raw) < MAX_IIM_DATASETS:
        name = (data[at + 1], data[at + 2])
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        at += 5
        if length & 0x8000:  # an extended dataset: the length's own length
            width = length & 0x7FFF
            length = int.from_bytes(data[at : at + width], "big") if width <= 4 else len(data)
            at += width
        if at + length > len(data):
            break
        raw.append((name, data[at : at + length]))
        at += length
    is_utf8 = (_CHARACTER_SET, _UTF8) in raw
    found: dict[tuple[int, int], list[str]] = {}
    for name, value in raw:
        found.setdefault(name, []).append(_text(value, is_utf8=is_utf8))
    return found


def _text(value: bytes, *, is_utf8: bool) -> str:
    """UTF-8 where it is declared or valid, else Latin-1, which most old programs meant."""
    try:
        return value.decode("utf-8", "replace" if is_utf8 else "strict").strip("\0 ")
    except UnicodeDecodeError:
        return value.decode("latin-1").strip("\0 ")
