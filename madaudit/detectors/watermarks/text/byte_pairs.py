"""Byte-pair encoding as GPT-2 and CLIP cut text, from their published vocabulary files.

Invariants: numpy and the standard library only; linear in the text but for a logarithm, so a
million characters without a space cost seconds and not days; any string is cut, half a surrogate
pair as a question mark.

Sources: openai/gpt-2 src/encoder.py; openai/CLIP clip/simple_tokenizer.py (in open_clip:
tokenizer.py).
"""

from __future__ import annotations

import heapq
import html
import re
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

_SPACE = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # White_Space
_CLITICS = "'s|'t|'re|'ve|'m|'ll|'d"
# ftfy, which CLIP's own tokenizer repairs captions with, straightens quotation marks.
_STRAIGHT = str.maketrans(
    "‘’‚‛“”„‟",
    "''''" + '""""',
    "".join(map(chr, [*range(9), 11, *range(14, 32), 127, 0xFEFF])),  # and drops control signs
)
_WORDS_KEPT = 1 << 16
_LONGEST_KEPT = 64


@dataclass
class BytePairs:
    """Cuts text into the numbers of a vocabulary.

    Attributes:
        numbers: token text, in byte letters, to its number.
        ranks: pair of token texts to the order in which it is merged.
        pattern: finds the words that are encoded apart.
        ending: what marks the end of a word.
        special: token texts taken whole.
        cleans: whether the text is cleaned as CLIP cleans captions.
    """

    numbers: Mapping[str, int]
    ranks: Mapping[tuple[str, str], int]
    pattern: re.Pattern[str]
    ending: str = ""
    special: tuple[str, ...] = ()
    cleans: bool = False
    _kept: dict[str, tuple[int, ...]] = field(default_factory=dict, repr=False)

    def encode(self, text: str) -> list[int]:
        """Numbers of the text's tokens, without special ones before and after."""
        if self.cleans:
            text = clean_caption(text)
        numbers: list[int] = []
        for word in self.pattern.findall(text):
            numbers += self._encode_word(word)
        return numbers

    def _encode_word(self, word: str) -> tuple[int, ...]:
        known = self._kept.get(word)
        if known is not None:
            return known
        if word in self.special:
            return (self.numbers[word],)
        letters = byte_letters()
        symbols = [letters[byte] for byte in word.encode("utf-8", "replace")]
        symbols[-1] += self.ending
        numbers = tuple(self.numbers[symbol] for symbol in merge(symbols, self.ranks))
        if len(word) <= _LONGEST_KEPT and len(self._kept) < _WORDS_KEPT:
            self._kept[word] = numbers
        return numbers


def gpt2(numbers: Mapping[str, int], merges: list[str]) -> BytePairs:
    """GPT-2's tokenizer.

    Args:
        numbers: content of `encoder.json` (`vocab.json`).
        merges: lines of `vocab.bpe` (`merges.txt`).
    """
    letters, digits = _letters_and_digits()
    pattern = re.compile(
        f"{_CLITICS}| ?[{letters}]+| ?[{digits}]+| ?[^{_SPACE}{letters}{digits}]+"
        f"|[{_SPACE}]+(?![^{_SPACE}])|[{_SPACE}]+"
    )
    return BytePairs(numbers, _ranks(merges[1:]), pattern)


def clip(lines: list[str]) -> BytePairs:
    """CLIP's tokenizer, from the lines of `bpe_simple_vocab_16e6.txt`."""
    letters, digits = _letters_and_digits()
    special = ("<start_of_text>", "<end_of_text>")
    merges = lines[1 : 49152 - 256 - 2 + 1]
    base = list(byte_letters().values())
    vocabulary = [*base, *(letter + "</w>" for letter in base)]
    vocabulary += ["".join(merge.split()) for merge in merges]
    vocabulary += special
    pattern = re.compile(
        f"{'|'.join(special)}|{_CLITICS}|[{letters}]+|[{digits}]|[^{_SPACE}{letters}{digits}]+"
    )
    numbers = {token: number for number, token in enumerate(vocabulary)}
    return BytePairs(numbers, _ranks(merges), pattern, "</w>", special, cleans=True)


def clean_caption(text: str) -> str:
    """Lower case, single spaces, straight quotes, no HTML entities.

    CLIP's own cleaning also repairs wrongly decoded text (ftfy); that is left out, so a caption
    with such damage is cut differently.
    """
    text = unicodedata.normalize("NFC", text.translate(_STRAIGHT))
    return " ".join(html.unescape(html.unescape(text)).split()).lower()


def merge(symbols: list[str], ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """Join neighbours, the lowest rank first and from the left, until no pair is known."""
    after = [*range(1, len(symbols)), -1]
    before = list(range(-1, len(symbols) - 1))
    queue: list[tuple[int, int, str, str]] = []

    def offer(left: int) -> None:
        right = after[left]
        if right >= 0:
            rank = ranks.get((symbols[left], symbols[right]))
            if rank is not None:
                heapq.heappush(queue, (rank, left, symbols[left], symbols[right]))

    for place in range(len(symbols) - 1):
        offer(place)
    while queue:
        _, left, first, second = heapq.heappop(queue)
        right = after[left]
        if symbols[left] != first or right < 0 or symbols[right] != second:
            continue  # one of the two was joined with another neighbour meanwhile
        symbols[left], symbols[right] = first + second, ""
        after[left] = after[right]
        if after[right] >= 0:
            before[after[right]] = left
        offer(left)
        if before[left] >= 0:
            offer(before[left])
    return [symbol for symbol in symbols if symbol]


@cache
def byte_letters() -> dict[int, str]:
    """A printable letter for every byte: itself where it is printable, else one from 256 on."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in own]
    pairs = [(byte, chr(byte)) for byte in own]
    pairs += [(byte, chr(256 + place)) for place, byte in enumerate(others)]
    return dict(pairs)


def _ranks(merges: list[str]) -> dict[tuple[str, str], int]:
    pairs = [line.split() for line in merges]
    return {(pair[0], pair[1]): rank for rank, pair in enumerate(pairs) if len(pair) == 2}


@cache
def _letters_and_digits() -> tuple[str, str]:
    r"""Character ranges for \p{L} and \p{N}, which the standard `re` does not know."""
    return _ranges("L"), _ranges("N")


def _ranges(category: str) -> str:
    spans: list[str] = []
    first = None
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and unicodedata.category(chr(code))[0] == category
        if inside and first is None:
            first = code
        elif not inside and first is not None:
            spans.append(f"\\U{first:08x}-\\U{code - 1:08x}")
            first = None
    return "".join(spans)
