"""JUMBF: the boxes in which C2PA keeps its manifests.

A superbox ("jumb") holds a description ("jumd": 16 bytes of type, toggles, label) and content.
Source: ISO/IEC 19566-5:2023; C2PA 2.2, 11.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from madaudit.errors import MalformedError
from madaudit.limits import MAX_JUMBF_BOXES, MAX_JUMBF_DEPTH


class Superbox(NamedTuple):
    """A labelled box.

    Attributes:
        label: its name in references, "" where it has none.
        content: (kind, bytes) of its plain boxes, "cbor" and "json" among them.
        children: superboxes inside it.
    """

    label: str
    content: tuple[tuple[bytes, bytes], ...]
    children: tuple[Superbox, ...]

    def child(self, label: str) -> Superbox | None:
        """The child of that label, an instance suffix ("__1") or version being part of it."""
        for box in self.children:
            if box.label == label:
                return box
        return None


def parse_superbox(data: bytes) -> Superbox:
    """The superbox that `data` begins with.

    Raises:
        MalformedError: no superbox, cut, or nested beyond the limits.
    """
    counter = [0]
    for kind, body in _boxes(data, counter):
        if kind != b"jumb":
            raise MalformedError(f"JUMBF expected, box {kind!r} found")
        return _superbox(body, 0, counter)
    raise MalformedError("JUMBF is empty")


def _superbox(body: bytes, depth: int, counter: list[int]) -> Superbox:
    if depth > MAX_JUMBF_DEPTH:
        raise MalformedError(f"JUMBF nested deeper than {MAX_JUMBF_DEPTH}")
    label = ""
    content: list[tuple[bytes, bytes]] = []
    children: list[Superbox] = []
    for kind, data in _boxes(body, counter):
        if kind == b"jumd":
            label = _label(data)
        elif kind == b"jumb":
            children.append(_superbox(data, depth + 1, counter))
        else:
            content.append((kind, data))
    return Superbox(label, tuple(content), tuple(children))


def _label(description: bytes) -> str:
    if len(description) < 18 or not description[16] & 0x02:
        return ""
    return description[17:].split(b"\0", 1)[0].decode("utf-8", "replace")


def _boxes(data: bytes, counter: list[int]) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        counter[0] += 1
        if counter[0] > MAX_JUMBF_BOXES:
            raise MalformedError(f"JUMBF of more than {MAX_JUMBF_BOXES} boxes")
        length = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        header = 8
        if length == 1:
            length = int.from_bytes(data[at + 8 : at + 16], "big")
            header = 16
        elif length == 0:
            length = len(data) - at
        if length < header or at + length > len(data):
            raise MalformedError(f"JUMBF box {kind!r} of {length} bytes is cut")
        yield kind, data[at + header : at + length]
        at += length
