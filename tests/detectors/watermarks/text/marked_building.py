"""A small tokenizer, text written with a mark through it, and samples that hold it."""

from __future__ import annotations

import json
import string
from pathlib import Path

import numpy as np

from madaudit.detectors.base import Batch, Detector, Look
from madaudit.detectors.watermarks.text.byte_pairs import byte_letters
from madaudit.detectors.watermarks.text.writing import BigramModel, Mark
from madaudit.types import Evidence, Sample, Sidecar

N_TOKENS = 50257


def small_gpt2(folder: Path) -> Path:
    """A vocabulary of GPT-2's size and form whose only merges make "the"."""
    letters = list(byte_letters().values())
    symbols = [*letters, "th", "the", "Ġthe"]
    symbols += [f"<unused {number}>" for number in range(50257 - len(symbols))]
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    folder.mkdir(exist_ok=True)
    (folder / "encoder.json").write_text(json.dumps(numbers), encoding="utf-8")
    merges = ["#version: 0.2", "t h", "th e", "Ġ the", ""]
    (folder / "vocab.bpe").write_text("\n".join(merges), encoding="utf-8")
    return folder


def _letters() -> dict[int, str]:
    """Token numbers of bytes that no merge joins, and what they stand for."""
    signs = (set(string.ascii_letters) - {"t", "h", "e"}) | set(" .,;")
    order = list(byte_letters())
    return {number: chr(byte) for number, byte in enumerate(order) if chr(byte) in signs}


def written(n: int, seed: int, mark: Mark | None = None) -> str:
    """Text that the small tokenizer cuts into the `n` tokens that the model wrote."""
    letters = _letters()
    tokens = np.array(sorted(letters), dtype=np.int64)
    model = BigramModel({}, (tokens, np.ones(len(tokens))))
    numbers = model.write(n, np.random.default_rng(seed), mark)
    return "".join(letters[number] for number in numbers.tolist())


def document(text: str) -> Look:
    return Look(Sample(0, "key", text=text), None)


def captioned(text: str) -> Look:
    return Look(Sample(0, "key", sidecar=Sidecar(caption=text)), None)


def said_of(detector: Detector, look: Look) -> Evidence:
    (evidence,) = detector.detect(Batch([look]))
    return evidence
