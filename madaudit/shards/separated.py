"""URLs and captions in tab-separated text: CC3M's and CC12M's two columns, or columns with names.

Without a header the column of the first row that is a URL is the URL, the other one the caption.
Tabs part the columns and nothing is quoted, as in those data sets.
"""

from __future__ import annotations

from typing import NamedTuple

from madaudit.shards.cells import positional_key
from madaudit.shards.columns import CAPTION_NAMES, KEY_NAMES, URL_NAMES
from madaudit.shards.lines import OpenLines, broken_line
from madaudit.types import Sample, Shard, Sidecar

_PROTOCOLS = ("http://", "https://")


class _Places(NamedTuple):
    """Which column plays which part, from 0; None where none does."""

    url: int
    caption: int | None
    key: int | None


class OpenSeparated(OpenLines):
    """One file of tab-separated rows being read; its samples have no image."""

    def __init__(self, shard: Shard) -> None:
        super().__init__(shard)
        self._places: _Places | None = None

    def _is_header(self, line: bytes) -> bool:
        cells = _cells(line)
        names = [cell.strip().lower() for cell in cells]
        url = _place(names, URL_NAMES)
        if url is not None:
            self._places = _Places(url, _place(names, CAPTION_NAMES), _place(names, KEY_NAMES))
            return True
        urls = [place for place, cell in enumerate(cells) if cell.startswith(_PROTOCOLS)]
        if urls and len(cells) <= 2:
            self._places = _Places(urls[0], 1 - urls[0] if len(cells) == 2 else None, None)
        return False

    def _sample(self, ordinal: int, line: bytes) -> Sample:
        if self._places is None:
            return broken_line(
                ordinal,
                line,
                "the file's first line neither names a url column nor holds a URL and a caption",
            )
        cells = _cells(line)
        needed = max(place for place in self._places if place is not None)
        if needed >= len(cells):
            why = f"{len(cells)} columns; at least {needed + 1} are needed"
            return broken_line(ordinal, line, why)
        url, caption, key = (None if at is None else cells[at] for at in self._places)
        side = Sidecar(url=url or None, caption=caption or None)
        return Sample(ordinal, key or positional_key(ordinal), sidecar=side)


def _cells(line: bytes) -> list[str]:
    return line.decode("utf-8", "replace").split("\t")


def _place(names: list[str], wanted: tuple[str, ...]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)
