"""The cues' patterns: read from TOML, checked, and applied to many texts at once.

Web-scale lists have hundreds of millions of captions, of which few hold a cue. So every pattern
names literals ("hints") one of which each of its matches contains; they are looked for in a whole
batch of texts joined together, and the regular expression sees only texts with a hint.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from madaudit.errors import OptionError
from madaudit.limits import MAX_CUE_CHARS

_FIELDS = frozenset({"name", "tool", "hints", "pattern", "domain", "source", "why"})
_KINDS = ("caption", "path", "site")
# A site is told by its domain, not by a pattern.
_DOMAIN = re.compile("")


class Cue(NamedTuple):
    """One pattern.

    Attributes:
        name: of the cue.
        tool: program or service that it points to, None for no one of them.
        hints: lower-case literals, one of which every match contains.
        pattern: compiled, for lower-case text.
        why: what makes it a cue.
    """

    name: str
    tool: str | None
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    why: str


class Cues:
    """Patterns of one kind, ready to be looked for."""

    def __init__(self, cues: Sequence[Cue]) -> None:
        self.cues = tuple(cues)
        by_hint: dict[str, list[Cue]] = {}
        for cue in self.cues:
            for hint in cue.hints:
                by_hint.setdefault(hint, []).append(cue)
        self._by_hint = by_hint

    def find(self, texts: Sequence[str]) -> dict[int, list[Cue]]:
        """Cues by place of the text in which their pattern matches.

        Args:
            texts: lower-case, without line feeds.
        """
        found: dict[int, list[Cue]] = {}
        joined = "\n".join(texts)
        for hint, cues in self._by_hint.items():
            if hint not in joined:
                continue
            for index, text in enumerate(texts):
                if hint in text:
                    said = found.setdefault(index, [])
                    said += [cue for cue in cues if cue not in said and cue.pattern.search(text)]
        return {index: said for index, said in found.items() if said}


def plain(text: str) -> str:
    """A text as patterns see it: cut, in lower case, on one line."""
    return text[:MAX_CUE_CHARS].lower().replace("\n", " ")


@cache
def load_cues(kind: str, path: str) -> Cues:
    """Cues of a kind from a file.

    Args:
        kind: "caption", "path" or "site".
        path: a TOML file of the same form as the package's own; "" for that one.

    Raises:
        OptionError: the file cannot be read, or an entry breaks its form.
    """
    table = _read(path)
    entries = table.get(kind, [])
    if not isinstance(entries, list):
        raise OptionError(f"cannot use {_name(path)}: {kind} is no list of tables ([[{kind}]])")
    return Cues([_cue(kind, entry, path) for entry in entries])


def contents(path: str) -> bytes:
    """The bytes that the cues are read from.

    Raises:
        OptionError: the file cannot be read.
    """
    if not path:
        return (files("madaudit.detectors.cues") / "patterns.toml").read_bytes()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise OptionError(f"cannot read cues from {path}: {error.strerror}") from error


def _read(path: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(contents(path).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"cannot read cues from {_name(path)}: no TOML: {error}") from error
    unknown = sorted(table.keys() - set(_KINDS))
    if unknown:
        raise OptionError(
            f"cannot use {_name(path)}: unknown table {unknown[0]!r}; allowed: {', '.join(_KINDS)}"
        )
    return table


def _cue(kind: str, entry: Any, path: str) -> Cue:
    needed = {"domain"} if kind == "site" else {"name", "pattern", "hints"}
    needed |= {"source", "why"}
    if not isinstance(entry, dict) or not needed <= entry.keys() <= _FIELDS:
        raise OptionError(
            f"cannot use {_name(path)}: [[{kind}]] {_label(entry)} needs "
            f"{', '.join(sorted(needed))} and may have tool; nothing else is allowed"
        )
    if kind == "site":
        domain = str(entry["domain"]).lower()
        return Cue(domain, entry.get("tool"), (domain,), _DOMAIN, str(entry["why"]))
    hints = entry["hints"]
    if not isinstance(hints, list) or not all(_is_hint(hint) for hint in hints) or not hints:
        raise OptionError(
            f"cannot use {_name(path)}: hints of {_label(entry)} must be a list of lower-case "
            f"texts"
        )
    try:
        pattern = re.compile(str(entry["pattern"]))
    except re.error as error:
        raise OptionError(
            f"cannot use {_name(path)}: pattern of {_label(entry)} is no regular expression: "
            f"{error}"
        ) from error
    return Cue(str(entry["name"]), entry.get("tool"), tuple(hints), pattern, str(entry["why"]))


def _is_hint(hint: Any) -> bool:
    return isinstance(hint, str) and bool(hint) and hint == hint.lower() and "\n" not in hint


def _label(entry: Any) -> str:
    name = entry.get("name", entry.get("domain")) if isinstance(entry, dict) else entry
    return repr(name)


def _name(path: str) -> str:
    return path or "madaudit's own patterns"
