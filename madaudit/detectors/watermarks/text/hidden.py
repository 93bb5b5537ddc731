"""Messages hidden in characters that nobody sees, told from the same characters in ordinary text.

Every rule asks for what no script, keyboard or web page produces: a code, not a character. What
counts as ordinary stands beside each rule; docs/text-watermarks.md lists it.

Sources: C2PA Technical Specification 2.4, A.8 (manifests in unstructured text); Unicode Technical
Standard 51 (emoji tag sequences) and 37 (ideographic variation); Sato et al. 2023,
arXiv:2310.08920 (Easymark); Rizzo et al. 2016 (homoglyphs).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from madaudit.detectors.base import one_line
from madaudit.detectors.provenance.manifest_store import Manifest, read_store
from madaudit.detectors.provenance.source_types import CLASSES, name_of
from madaudit.errors import MalformedError
from madaudit.types import Label

_TAGS = re.compile("[\U000e0001\U000e0020-\U000e007f]{4,}")
# A flag emoji's region, which stays behind where a program drops the flag before it.
_FLAG_TAIL = re.compile("[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{8,}")
_ON_LETTERS = re.compile("[A-Za-z][\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_INVISIBLE = "\u034f\u180e\u200b-\u200d\u2060-\u2064\ufeff"
_INVISIBLE_RUN = re.compile(f"[{_INVISIBLE}]{{8,}}")
_INVISIBLE_APART = re.compile(
    f"(?<=[A-Za-z0-9 .,;:!?])[{_INVISIBLE}]{{1,7}}(?=[A-Za-z0-9 .,;:!?])"
)
# Scripts and signs in which joiners, non-joiners and zero-width spaces have work to do.
_USES_JOINERS = re.compile(
    "[\u0590-\u08ff\u0900-\u0dff\u0e00-\u0fff\u1000-\u109f\u1780-\u18af\u1a00-\u1aaf\u1b00-\u1b7f"
    "\u3040-\u30ff\u4e00-\u9fff\ua8e0-\ua9ff\ufb50-\ufdff\ufe70-\ufefc\U0001f000-\U0001faff]"
)
_THIRD_SPACE = re.compile("(?<=[^\\W\\d_])\u2004(?=[^\\W\\d_])")
_RARE_SPACES = re.compile("(?<=[^\\W\\d_])[\u2000-\u2006\u2008-\u200a\u202f\u205f](?=[^\\W\\d_])")
_MIXED_WORD = re.compile("[A-Za-zАВЕКМНОРСТХІЈЅаеорсухіјѕһԁΑΒΕΖΗΙΚΜΝΟΡΤΥΧο]{3,}")
_LOOKALIKES = frozenset("АВЕКМНОРСТХІЈЅаеорсухіјѕһԁΑΒΕΖΗΙΚΜΝΟΡΤΥΧο")
_LETTER = re.compile("[^\\W\\d_]")
_FEWEST = 8
_FEWEST_APART = 16
_C2PA_MAGIC = b"C2PATXT\0"
_LARGEST_STORE = 1 << 22


class Hidden(NamedTuple):
    """A hidden message, or the place where one must be.

    Attributes:
        scheme: what it is written in.
        says: what was seen, for a person.
        label: what the message says of the text, None where it says nothing.
        tool: who wrote it, where it says so.
    """

    scheme: str
    says: str
    label: Label | None = None
    tool: str | None = None


def find_hidden(text: str) -> list[Hidden]:
    """Every hidden message, the most telling scheme first."""
    if text.isascii():
        return []
    finders = (_selector_codes, _selectors_on_letters, _tags, _invisible_runs, _invisible_apart)
    found = [hidden for finder in finders for hidden in finder(text)]
    return [*found, *_spaces(text), *_homoglyphs(text)]


def _selector_codes(text: str) -> Iterator[Hidden]:
    """Bytes as variation selectors, one after another. Ordinary: one or two behind a sign."""
    for match in _SELECTORS.finditer(text):
        if len(set(match[0])) < 2:
            continue  # a program that repeats the emoji selector
        content = bytes(_selector_byte(sign) for sign in match[0])
        if content.startswith(_C2PA_MAGIC):
            yield _c2pa(content)
        else:
            says = f"{len(content)} bytes as variation selectors: {_shown(content)}"
            yield Hidden("variation selectors", says)


def _selector_byte(sign: str) -> int:
    code = ord(sign)
    return code - 0xFE00 if code <= 0xFE0F else code - 0xE0100 + 16


def _c2pa(content: bytes) -> Hidden:
    """A C2PA manifest; its claim is told, its signature is not checked."""
    scheme = "C2PA text manifest"
    length = int.from_bytes(content[9:13], "big")
    try:
        if content[8] != 1 or length > min(_LARGEST_STORE, len(content) - 13):
            raise MalformedError("cut off, or of another version")
        active = read_store(content[13 : 13 + length])[-1]
    except (MalformedError, IndexError) as error:
        return Hidden(scheme, f"a C2PA manifest that cannot be read ({one_line(str(error), 60)})")
    label = _claimed(active)
    claim = "says a trained model created the text" if label else "says nothing of its origin"
    tool = one_line(active.tool, 60)
    return Hidden(scheme, f"a C2PA manifest by {tool} {claim} (not validated)", label, tool)


def _claimed(manifest: Manifest) -> Label | None:
    for action in manifest.actions:
        name = name_of(action.source_type) if action.source_type else None
        if action.name == "c2pa.created" and name and CLASSES[name] == "synthetic":
            return "synthetic"
    return None


def _selectors_on_letters(text: str) -> Iterator[Hidden]:
    """Selectors behind Latin letters. Ordinary: behind emoji, digits (keycaps), ideographs."""
    n = sum(1 for _ in _ON_LETTERS.finditer(text))
    if n >= _FEWEST:
        yield Hidden("variation selectors", f"{n} variation selectors behind Latin letters")


def _tags(text: str) -> Iterator[Hidden]:
    """ASCII as tag characters. Ordinary: the region of a flag emoji."""
    for match in _TAGS.finditer(text):
        if _FLAG_TAIL.fullmatch(match[0]) is None:
            content = bytes(ord(sign) & 0x7F for sign in match[0])
            yield Hidden("tag characters", f"{len(content)} tag characters: {_shown(content)}")


def _invisible_runs(text: str) -> Iterator[Hidden]:
    """A code of two or more zero-width signs.

    Ordinary: one sign repeated, or a short pattern repeated, as newsletters pad their preview.
    """
    for match in _INVISIBLE_RUN.finditer(text):
        run = match[0].lstrip("\ufeff")
        if len(run) >= _FEWEST and len(set(run)) >= 2 and not _is_periodic(run):
            says = f"a run of {len(run)} zero-width signs of {len(set(run))} kinds"
            yield Hidden("zero-width code", says)


def _is_periodic(run: str) -> bool:
    return any(run == (run[:n] * (len(run) // n + 1))[: len(run)] for n in range(1, 5))


def _invisible_apart(text: str) -> Iterator[Hidden]:
    """Zero-width signs of several kinds scattered between Latin letters.

    Ordinary: line-break hints of one kind, and any sign in a text whose script or emoji need it.
    """
    runs = _INVISIBLE_APART.findall(text)
    if len(runs) < _FEWEST_APART or _USES_JOINERS.search(text):
        return
    kinds = Counter("".join(runs))
    if sum(1 for n in kinds.values() if n >= 4) >= 2:
        says = f"{kinds.total()} zero-width signs of {len(kinds)} kinds between Latin letters"
        yield Hidden("zero-width code", says)


def _spaces(text: str) -> Iterator[Hidden]:
    """Unusual spaces between words in a text that has usual ones as well.

    Ordinary: no-break, narrow and thin spaces as French and typesetters set them (one or two
    kinds), wide ones from a page layout.
    """
    n_third = sum(1 for _ in _THIRD_SPACE.finditer(text))
    if n_third >= _FEWEST:
        yield Hidden("Easymark spaces", f"{n_third} three-per-em spaces between words")
        return
    kinds = Counter(_RARE_SPACES.findall(text))
    often = [sign for sign, n in kinds.items() if n >= 4]
    if len(often) >= 4 and kinds.total() >= 2 * _FEWEST_APART:
        yield Hidden("space code", f"{kinds.total()} spaces of {len(kinds)} unusual kinds")


def _homoglyphs(text: str) -> Iterator[Hidden]:
    """Latin words with Cyrillic or Greek letters that look Latin.

    Ordinary: a few slips, and texts that are mostly in the other script.
    """
    if _LOOKALIKES.isdisjoint(text):
        return
    mixed = [
        word
        for word in _MIXED_WORD.findall(text)
        if not word.isascii() and sum(sign.isascii() for sign in word) > len(word) / 2
    ]
    if len(mixed) < _FEWEST:
        return
    letters = _LETTER.findall(text)
    if sum(sign.isascii() for sign in letters) > 0.9 * len(letters):
        says = f"{len(mixed)} Latin words with look-alike letters, for example {mixed[0][:40]!r}"
        yield Hidden("homoglyphs", says)


def _shown(content: bytes) -> str:
    """The beginning of a message: as text where it is text, else in hexadecimal digits."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return content[:16].hex()
    return repr(one_line(text, 60)) if text.isprintable() else content[:16].hex()
