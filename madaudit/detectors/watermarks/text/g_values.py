"""SynthID-Text's g-values: one pseudorandom bit for each token and layer of the tournament.

Sources: Dathathri et al. 2024, "Scalable watermarking for identifying large language model
outputs", Nature 634, 818–823; transformers 5.24, SynthIDTextWatermarkLogitsProcessor, and
google-deepmind/synthid-text 0.2.1 (`hashing="table"`, alike); the same repository's
logits_processing.py at 32197c3 (`hashing="iterated"`). The hashing and the keys with which
Google's own services mark are neither of these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from madaudit.detectors.watermarks.text.scoring import ngrams_of
from madaudit.detectors.watermarks.text.seeding import Tokens
from madaudit.detectors.watermarks.text.torch_random import coin_flips
from madaudit.errors import OptionError

# The keys of synthid-text's own configuration (synthid_mixin.py): for demonstrations, not secret.
PUBLIC_KEYS = (
    *(654, 400, 836, 123, 340, 443, 597, 160, 57, 29, 590, 639, 13, 715, 468),
    *(990, 966, 226, 324, 585, 118, 504, 421, 521, 129, 669, 732, 225, 90, 960),
)
HASHINGS = ("table", "iterated")
_MULTIPLIER = np.int64(6364136223846793005)
_ROUNDS, _SHIFT, _BIT = 12, np.int64(64 // 12), np.int64(30)


@dataclass(frozen=True)
class Hashing:
    """How tokens become g-values.

    Attributes:
        keys: one for each layer of the tournament.
        ngram_len: tokens that a g-value depends on, the scored one last.
        table_size, table_seed: of the table of bits that "table" looks up.
        context_history: contexts that the writer remembers; a remembered one is not marked again.
        hashing: "table" or "iterated".
    """

    keys: tuple[int, ...] = PUBLIC_KEYS
    ngram_len: int = 5
    table_size: int = 65536
    table_seed: int = 0
    context_history: int = 1024
    hashing: str = "table"

    def __post_init__(self) -> None:
        if self.hashing not in HASHINGS:
            raise OptionError(f"hashing is {self.hashing!r}; allowed: {' or '.join(HASHINGS)}")
        if not 2 <= self.ngram_len <= 64:
            raise OptionError(f"ngram_len is {self.ngram_len}; it must lie between 2 and 64")
        if not 2 <= self.table_size <= 1 << 26:
            raise OptionError(f"table_size is {self.table_size}; it must lie between 2 and 2**26")
        if self.context_history < 1:
            raise OptionError(f"context_history is {self.context_history}; it must be at least 1")

    @property
    def share(self) -> float:
        """Share of ones among the bits that a g-value is drawn from."""
        if self.hashing == "table":
            return float(_table(self.table_size, self.table_seed).mean())
        return 0.5

    def cells(self, tokens: Tokens) -> npt.NDArray[np.int64]:
        """What each g-value is looked up by, int64 (n − ngram_len + 1, depth).

        Equal cells hold the same bit, whichever tokens and layers lead there.
        """
        return self._cells_of(ngrams_of(tokens, self.ngram_len))

    def _cells_of(self, ngrams: Tokens) -> npt.NDArray[np.int64]:
        state = self._hash(self._start(), ngrams.T)
        keyed = self._hash(state[:, None], [np.array(self.keys, dtype=np.int64)])
        return keyed % np.int64(self.table_size) if self.hashing == "table" else keyed

    def bits(self, cells: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """The g-values in cells, uint8 of the same shape, 0 or 1."""
        if self.hashing == "table":
            return _table(self.table_size, self.table_seed)[cells]
        for _ in range(_ROUNDS):
            cells = ((cells + np.int64(1)) * _MULTIPLIER + np.int64(1)) >> _SHIFT
        return ((cells >> _BIT) & 1).astype(np.uint8)

    def g_values(self, tokens: Tokens) -> npt.NDArray[np.uint8]:
        """g-values of all n-grams, uint8 (n − ngram_len + 1, depth)."""
        return self.bits(self.cells(tokens))

    def next_g_values(self, context: Tokens, candidates: Tokens) -> npt.NDArray[np.uint8]:
        """g-values of tokens that may follow a context of ngram_len − 1, uint8 (k, depth)."""
        ngrams = np.column_stack([np.tile(context, (len(candidates), 1)), candidates])
        return self.bits(self._cells_of(ngrams))

    def unmasked(self, tokens: Tokens, eos: int | None = None) -> npt.NDArray[np.bool_]:
        """Which n-grams the writer may have marked, (n − ngram_len + 1,).

        Not those whose context is remembered, nor those that end at or behind the first `eos`.
        """
        hashes = self._hash(self._start(), ngrams_of(tokens[:-1], self.ngram_len - 1).T).tolist()
        fresh = np.ones(len(hashes), dtype=bool)
        seen: dict[int, int] = {0: -1}  # the writer's memory begins full of zeros
        for place, value in enumerate(hashes):
            fresh[place] = place - seen.get(value, -self.context_history - 1) > (
                self.context_history
            )
            seen[value] = place
        if eos is not None and (tokens == eos).any():
            fresh[max(0, int((tokens == eos).argmax()) - self.ngram_len + 1) :] = False
        return fresh

    def _start(self) -> npt.NDArray[np.int64]:
        if self.hashing == "table":
            return np.ones(1, dtype=np.int64)
        keys = np.array(self.keys, dtype="<i8").tobytes()
        start = int.from_bytes(hashlib.sha256(keys).digest(), "big") % (2**63 - 1)
        return np.array([start], dtype=np.int64)

    @staticmethod
    def _hash(
        state: npt.NDArray[np.int64], data: Iterable[npt.NDArray[np.int64]]
    ) -> npt.NDArray[np.int64]:
        """The linear congruential hash of both implementations, `accumulate_hash`."""
        for column in data:
            state = (state + column) * _MULTIPLIER + np.int64(1)
        return state


@lru_cache(maxsize=4)
def _table(size: int, seed: int) -> npt.NDArray[np.uint8]:
    table = coin_flips(size, seed)
    table.flags.writeable = False
    return table


def mean_score(g_values: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_]) -> float:
    """Mean g-value of the unmasked n-grams, [0, 1]; synthid-text's detector_mean.mean_score."""
    return float(g_values[mask].mean())


def weighted_mean_score(g_values: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_]) -> float:
    """As `mean_score` with weights that fall from 10 to 1; detector_mean.weighted_mean_score."""
    weights = np.linspace(10, 1, g_values.shape[1])
    weights *= len(weights) / weights.sum()
    return float((g_values[mask] * weights).mean())


def whole_weights(depth: int) -> npt.NDArray[np.int64]:
    """The published weights, 10 falling to 1, rounded to whole numbers, (depth,).

    Whole numbers make the distribution of the weighted mean exact.
    """
    return np.rint(np.linspace(10, 1, depth)).astype(np.int64)
