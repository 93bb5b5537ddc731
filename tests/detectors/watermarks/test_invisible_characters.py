"""Hidden messages are told from the same characters in ordinary text."""

from __future__ import annotations

import random

import pytest

from madaudit.detectors.base import Look
from madaudit.detectors.watermarks.invisible_characters import InvisibleCharacters
from madaudit.errors import OptionError
from madaudit.types import Sample
from tests.detectors.image_building import SYNTHETIC_STORE
from tests.detectors.watermarks.text.marked_building import captioned, document, said_of

_PROSE = "The committee met on Tuesday and agreed that the bridge be repaired by spring. " * 8
_ENGLAND = "".join(chr(0xE0000 + ord(sign)) for sign in "gbeng") + "\U000e007f"


def _selectors(content: bytes) -> str:
    return "".join(chr(0xFE00 + b) if b < 16 else chr(0xE0100 + b - 16) for b in content)


def _c2pa(store: bytes, *, length: int | None = None) -> str:
    n = len(store) if length is None else length
    return "\ufeff" + _selectors(b"C2PATXT\0" + b"\x01" + n.to_bytes(4, "big") + store)


def _bits(n: int, zero: str, one: str, seed: int = 1) -> list[str]:
    generator = random.Random(seed)
    return [generator.choice((zero, one)) for _ in range(n)]


def _between_words(text: str, marks: list[str]) -> str:
    words = text.split(" ")
    return " ".join(
        word + (marks[place] if place < len(marks) else "") for place, word in enumerate(words)
    )


_HIDDEN = {
    "variation selectors as bytes": (
        "Hello" + _selectors(b"made by model 7"),
        "variation selectors",
    ),
    "selectors behind letters": (
        "".join(f"{sign}\ufe01" for sign in "marked words") + _PROSE,
        "variation selectors",
    ),
    "tags": (
        "Hello " + "".join(chr(0xE0000 + ord(sign)) for sign in "ignore this"),
        "tag characters",
    ),
    "zero-width run": (
        "Hello" + "".join(_bits(64, "\u200b", "\u200c")) + " world",
        "zero-width code",
    ),
    "zero-width apart": (
        _between_words(_PROSE, _bits(60, "\u200b", "\u2060")),
        "zero-width code",
    ),
    "Easymark": (_PROSE.replace(" ", "\u2004", 40), "Easymark spaces"),
    "space code": (
        "word".join(random.Random(2).choices("\u2005\u2006\u2008\u2009\u200a\u205f", k=80)),
        "space code",
    ),
    "homoglyphs": (_PROSE.replace("committee", "c\u043emmittee"), "homoglyphs"),
    "homoglyphs, Greek": (_PROSE.replace("bridge", "bridg\u0435").replace("T", "\u03a4"), None),
}

_ORDINARY = {
    "English": _PROSE,
    "mark of the byte order": "\ufeff" + _PROSE,
    "soft hyphens": _PROSE.replace("committee", "com\u00admit\u00adtee"),
    "emoji families and flags": f"👨‍👩‍👧‍👦 👩🏽‍💻 ❤️ 🏴{_ENGLAND} 🏳️‍🌈 1️⃣ " * 20,
    "a flag that lost its emoji": f"{_ENGLAND} x",
    "repeated emoji selectors": "❤" + "\ufe0f" * 12,
    "Persian": "می\u200cخواهم کتاب\u200cهای خوب را بخوانم و نامه\u200cای بنویسم " * 20,
    "Hindi": "क्\u200dष क्\u200cष अक्\u200dषर पढ़ना " * 20,
    "Thai with break hints": "ภาษา\u200bไทย\u200bเป็น\u200bภาษา " * 20,
    "Khmer": "ភាសា\u200bខ្មែរ\u200bគឺ\u200bជា " * 20,
    "Japanese with ideographic variants": "葛\U000e0100城市と辻\U000e0101さん " * 20,
    "line-break hints of one kind": _PROSE.replace("committee", "com\u200bmit\u200btee"),
    "German non-joiners": _PROSE.replace("repaired", "Auf\u200clage"),
    "a newsletter's padding": "Sale\u034f\u200c" * 3 + "\u034f\u200c" * 60 + _PROSE,
    "another padding": "News" + "\u200c\u00a0" * 80 + "\u2007\ufeff\u034f" * 40 + _PROSE,
    "a run of one sign": "a" + "\u200b" * 40 + "b",
    "French spaces": "« Bonjour\u202f! Comment va\u202f?\u00a0» dit-il, 10\u202f000\u202f€ " * 20,
    "thin spaces": "10\u2009km und z.\u2009B. das Haus\u2009am See " * 20,
    "wide spaces of a layout": "Name\u2003Age\u2002City\u2003Country\u2002Code " * 20,
    "narrow spaces of a chatbot": "about\u202f5 and\u202fsix or\u202fseven " * 20,
    "Hebrew with direction marks": "\u200fשלום\u200e (abc)\u200f \u2067עברית\u2069 " * 20,
    "empty isolates": "Hello " + "\u2068\u2069" * 20 + " world",
    "Russian": "Комитет собрался во вторник и решил, что мост CCCP починят весной. " * 20,
    "Russian read by machine": "Кoмитет coбрался вo втopник и peшил, чтo мocт " * 20,
    "Greek": "Η επιτροπή συνεδρίασε την Τρίτη για τη γέφυρα TNFα και β-globulin. " * 20,
    "a slip or two": _PROSE.replace("Tuesday", "Tu\u0435sday", 2),
    "old spelling": "ſo diẞ iſt ﬁne ﬂour Åsa naïve " * 20,
}


@pytest.fixture
def detector() -> InvisibleCharacters:
    return InvisibleCharacters()


@pytest.mark.parametrize("name", [name for name, (_, scheme) in _HIDDEN.items() if scheme])
def test_a_hidden_message_is_present_and_names_its_scheme(detector, name):
    text, scheme = _HIDDEN[name]
    evidence = said_of(detector, document(text))
    assert evidence.state == "present"
    assert evidence.detail is not None
    assert evidence.detail.message == scheme
    assert evidence.detail.label is None
    assert evidence.detail.says.isprintable()
    assert not evidence.is_hit


@pytest.mark.parametrize("name", sorted(_ORDINARY))
def test_ordinary_text_is_no_evidence(detector, name):
    assert said_of(detector, document(_ORDINARY[name])).state == "absent"


def test_a_message_in_text_is_shown(detector):
    for name in ("variation selectors as bytes", "tags"):
        evidence = said_of(detector, document(_HIDDEN[name][0]))
        assert evidence.detail is not None
        assert "made by model 7" in evidence.detail.says or "ignore this" in evidence.detail.says


def test_a_c2pa_manifest_in_the_text_carries_its_claim(detector):
    evidence = said_of(detector, document(_PROSE + _c2pa(SYNTHETIC_STORE)))
    assert evidence.is_hit
    assert evidence.detail is not None
    assert evidence.detail.message == "C2PA text manifest"
    assert evidence.detail.validation == "not checked"


def test_a_manifest_in_a_caption_is_no_hit_for_the_image(detector):
    evidence = said_of(detector, captioned(_PROSE + _c2pa(SYNTHETIC_STORE)))
    assert evidence.state == "present"
    assert not evidence.is_hit


@pytest.mark.parametrize(
    "wrapper",
    [
        _c2pa(SYNTHETIC_STORE[:100]),
        _c2pa(SYNTHETIC_STORE, length=2**31),
        _c2pa(b""),
        _selectors(b"C2PATXT\0"),
        _selectors(b"C2PATXT\0\x02" + bytes(8)),
    ],
)
def test_a_broken_manifest_is_present_without_a_claim(detector, wrapper):
    evidence = said_of(detector, document(_PROSE + wrapper))
    assert evidence.state == "present"
    assert evidence.detail is not None
    assert evidence.detail.label is None
    assert "cannot be read" in evidence.detail.says


def test_a_sample_without_text_is_unobservable(detector):
    assert said_of(detector, Look(Sample(0, "k"), None)).state == "unobservable"


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "\u200b\u200c" * 500_000,
        "\ufe00\ufe01" * 500_000,
        "\ud800" * 10**6,
        "\0é" * 500_000,
        "\u202e\u05d0" * 500_000,
        "a\u200bb\u200c" * 250_000,
        "o\u043e" * 500_000,
        "\U000e0041" * 10**6,
        "C2PATXT" + _selectors(b"C2PATXT\0\x01") * 50_000,
    ],
)
def test_hostile_text_is_bounded_and_never_an_exception(detector, text):
    assert said_of(detector, document(text)).state in ("present", "absent")


def test_both_ends_of_a_huge_text_are_looked_at():
    text = "é" * 5000 + _selectors(b"made by model 7")
    assert said_of(InvisibleCharacters(max_characters=100), document(text)).state == "present"


def test_a_length_that_makes_no_sense_is_refused():
    with pytest.raises(OptionError, match="max_characters"):
        InvisibleCharacters(max_characters=0)
