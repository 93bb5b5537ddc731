"""CBOR, as far as C2PA claims and assertions use it.

A strict decoder of our own: claims come from strangers, and general decoders build regular
expressions, dates and shared references on request. Here only maps, arrays, text, bytes, numbers
and simple values exist, tags are dropped, and depth and items are bounded.
Source: RFC 8949, 3 and appendix C.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from madaudit.errors import MalformedError
from madaudit.limits import MAX_CBOR_DEPTH, MAX_CBOR_ITEMS

_BREAK = object()


def decode(data: bytes) -> Any:
    """The first item in `data` as plain Python values.

    Raises:
        MalformedError: not CBOR, cut, or beyond the limits.
    """
    return _Decoder(data).item(0)


class _Decoder:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._n_items = 0

    def item(self, depth: int, *, may_break: bool = False) -> Any:
        self._n_items += 1
        if depth > MAX_CBOR_DEPTH or self._n_items > MAX_CBOR_ITEMS:
            raise MalformedError("CBOR nested or long beyond the limits")
        first = self._take(1)[0]
        major, info = first >> 5, first & 31
        if first == 0xFF and may_break:
            return _BREAK
        if major == 7:
            return self._simple(info)
        if info == 31:
            return self._indefinite(major, depth)
        argument = self._argument(info)
        if major in (0, 1):
            return argument if major == 0 else -1 - argument
        if major in (2, 3):
            return self._string(major, argument)
        if major == 4:
            return [self.item(depth + 1) for _ in range(self._bounded(argument))]
        if major == 5:
            return self._map(depth, self._bounded(argument))
        return self.item(depth + 1)

    def _map(self, depth: int, n_pairs: int) -> dict[Any, Any]:
        pairs = {}
        for _ in range(n_pairs):
            key = self.item(depth + 1)
            pairs[_hashable(key)] = self.item(depth + 1)
        return pairs

    def _indefinite(self, major: int, depth: int) -> Any:
        values = []
        while (value := self.item(depth + 1, may_break=True)) is not _BREAK:
            values.append(value)
        if major == 4:
            return values
        if major == 5 and len(values) % 2 == 0:
            return {_hashable(values[i]): values[i + 1] for i in range(0, len(values), 2)}
        if major == 3 and all(isinstance(value, str) for value in values):
            return "".join(values)
        if major == 2 and all(isinstance(value, bytes) for value in values):
            return b"".join(values)
        raise MalformedError("CBOR of indefinite length breaks its rules")

    def _string(self, major: int, length: int) -> bytes | str:
        raw = self._take(length)
        return raw if major == 2 else raw.decode("utf-8", "replace")

    def _simple(self, info: int) -> Any:
        if info in (20, 21):
            return info == 21
        if info in (25, 26, 27):
            kind = {25: ">e", 26: ">f", 27: ">d"}[info]
            (value,) = struct.unpack(kind, self._take(struct.calcsize(kind)))
            return value if math.isfinite(value) else None
        if info == 24:
            self._take(1)
        elif info > 24:
            raise MalformedError(f"CBOR value of kind {info} does not exist")
        return None

    def _argument(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise MalformedError(f"CBOR length of kind {info} does not exist")
        return int.from_bytes(self._take(1 << (info - 24)), "big")

    def _bounded(self, count: int) -> int:
        if count > len(self._data) - self._at:
            raise MalformedError(f"CBOR announces {count} items, more than the bytes left")
        return count

    def _take(self, length: int) -> bytes:
        piece = self._data[self._at : self._at + length]
        if len(piece) < length:
            raise MalformedError("CBOR is cut")
        self._at += length
        return piece


def _hashable(key: Any) -> Any:
    if isinstance(key, (dict, list)):
        raise MalformedError("CBOR map with a key that is itself a map or an array")
    return key
