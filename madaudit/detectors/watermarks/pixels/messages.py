"""Messages to look for, from the file that comes with madaudit and from users' own.

What photos answer to the built-in ones was measured and stands in nulls.toml, which
scripts/watermark_null writes.

Invariants: data only, TOML; every message says where it was read.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import resources
from typing import Any, cast

from madaudit.detectors.watermarks.pixels.codec import Bits, message_bits
from madaudit.detectors.watermarks.pixels.p_values import tail
from madaudit.errors import OptionError
from madaudit.limits import MAX_MESSAGE_BITS
from madaudit.types import LABELS, Label

_KEYS = frozenset({"name", "text", "bits", "tool", "label", "source", "null", "checks"})
_NULL_KEYS = frozenset({"mean", "correlation"})


@dataclass(frozen=True)
class Null:
    """What photos without a mark answer to one message.

    Attributes:
        mean: probability that a bit matches.
        correlation: between two bits of one image.
    """

    mean: float = 0.5
    correlation: float = 0.0


FREQUENCY_CHECKS = ("dwt_dct", "dwt_dct_svd")
_FAIR = Null()


@dataclass(frozen=True)
class Message:
    """A message that a tool writes.

    Attributes:
        name: unique.
        digits: its bits as 0 and 1.
        tool: who writes it.
        label: what it says of an image.
        source: where that was read.
        checks: detectors that look for it.
        nulls: detector to what photos answer; the binomial where none was measured.
    """

    name: str
    digits: str
    tool: str
    label: Label
    source: str
    checks: tuple[str, ...] = FREQUENCY_CHECKS
    nulls: tuple[tuple[str, Null], ...] = ()

    @property
    def n_bits(self) -> int:
        return len(self.digits)

    @cached_property
    def bits(self) -> Bits:
        return message_bits([int(digit) for digit in self.digits])

    def tail(self, check: str) -> tuple[float, ...]:
        """P(at least k bits match) on an image without the mark, k = 0 … n."""
        null = self._null_of.get(check, _FAIR)
        return tail(self.n_bits, null.mean, null.correlation)

    @cached_property
    def _null_of(self) -> dict[str, Null]:
        return dict(self.nulls)


@dataclass(frozen=True)
class Catalogue:
    """Messages and the digest of the files they came from."""

    messages: tuple[Message, ...]
    digest: str

    def wanted_by(self, check: str) -> tuple[Message, ...]:
        """Messages that a detector looks for."""
        return tuple(message for message in self.messages if check in message.checks)


@cache
def load(path: str = "") -> Catalogue:
    """The built-in messages and those of a user's file.

    Args:
        path: of the user's file; none where empty.

    Raises:
        OptionError: it cannot be read, or an entry breaks the form.
    """
    folder = resources.files(__package__)
    measured = folder.joinpath("nulls.toml").read_bytes()
    texts = [("messages.toml", folder.joinpath("messages.toml").read_bytes())]
    if path:
        try:
            with open(path, "rb") as file:
                texts.append((path, file.read()))
        except OSError as error:
            raise OptionError(f"cannot read the messages' file {path!r}: {error}") from error
    messages = [message for name, text in texts for message in _parse(name, text)]
    nulls = {k: v for k, v in tomllib.loads(measured.decode()).items() if isinstance(v, dict)}
    messages = [
        replace(message, nulls=_nulls("nulls.toml", nulls[message.name]))
        if message.name in nulls
        else message
        for message in messages
    ]
    names = [message.name for message in messages]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise OptionError(f"two messages are named {twice!r}; a name must be unique")
    read = b"\0".join([measured, *(text for _, text in texts)])
    return Catalogue(tuple(messages), hashlib.sha256(read).hexdigest())


def _parse(name: str, text: bytes) -> list[Message]:
    try:
        content = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OptionError(f"cannot read {name}: {error}") from error
    entries = content.get("message")
    if set(content) != {"message"} or not isinstance(entries, list):
        raise OptionError(f"{name} must hold [[message]] tables and nothing else")
    return [_message(name, entry) for entry in entries]


def _message(file: str, entry: dict[str, Any]) -> Message:
    where = f"{file}, message {entry.get('name')!r}"
    if set(entry) - _KEYS:
        raise OptionError(
            f"{where}: {sorted(set(entry) - _KEYS)} are not known (known: {sorted(_KEYS)})"
        )
    missing = [key for key in ("name", "tool", "source") if not isinstance(entry.get(key), str)]
    if missing:
        raise OptionError(f"{where}: {', '.join(missing)} must be given as text")
    label = entry.get("label", "synthetic")
    if label not in LABELS:
        raise OptionError(f"{where}: label is {label!r}; allowed: {', '.join(LABELS)}")
    return Message(
        entry["name"],
        _digits(where, entry),
        entry["tool"],
        cast(Label, label),
        entry["source"],
        _checks(where, entry.get("checks", list(FREQUENCY_CHECKS))),
        _nulls(where, entry.get("null", {})),
    )


def _digits(where: str, entry: dict[str, Any]) -> str:
    if ("text" in entry) == ("bits" in entry):
        raise OptionError(f"{where}: give either text or bits")
    if "text" in entry:
        digits = "".join(f"{byte:08b}" for byte in str(entry["text"]).encode())
    else:
        digits = str(entry["bits"])
    if not 1 <= len(digits) <= MAX_MESSAGE_BITS or set(digits) - {"0", "1"}:
        raise OptionError(
            f"{where}: {len(digits)} bits; allowed: 1 to {MAX_MESSAGE_BITS} of 0 and 1"
        )
    return digits


def _checks(where: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not given or not all(isinstance(c, str) for c in given):
        raise OptionError(f"{where}: checks is {given!r}; allowed: a list of detectors' names")
    return tuple(given)


def _nulls(where: str, given: Any) -> tuple[tuple[str, Null], ...]:
    if not isinstance(given, dict):
        raise OptionError(f"{where}: null is {given!r}; allowed: one table for each method")
    nulls = []
    for method, values in given.items():
        is_known = isinstance(values, dict) and set(values) <= _NULL_KEYS
        null = Null(**values) if is_known else Null(mean=0.0)
        if not (0 < null.mean < 1 and 0 <= null.correlation < 1):
            raise OptionError(
                f"{where}: null.{method} is {values!r}; allowed: mean in (0, 1) and correlation "
                f"in [0, 1)"
            )
        nulls.append((method, null))
    return tuple(nulls)
