"""A small language model that writes marked text, for tests and demos: the checks' other side.

Invariants: the same generator writes the same text; tokens are numbers below the vocabulary. The
model is a bigram model mixed with single-token frequencies: it is no judge of quality, only a
distribution with some entropy that a mark can tilt.

Sources of the marks: Kirchenbauer et al. 2023, arXiv:2301.10226, algorithm 2; arXiv:2306.04634,
algorithm 3 (self-salted lists, by rejection over the candidates); Dathathri et al. 2024,
algorithm 1 in the form of synthid-text's `update_scores` (two candidates a match).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from madaudit.detectors.watermarks.text.g_values import Hashing
from madaudit.detectors.watermarks.text.green_lists import GreenLists
from madaudit.detectors.watermarks.text.seeding import Scheme, Tokens

Floats = npt.NDArray[np.float64]


class Mark(ABC):
    """Tilts the next token's distribution."""

    @abstractmethod
    def tilt(self, written: Sequence[int], candidates: Tokens, chances: Floats) -> Floats:
        """Marked chances.

        Args:
            written: tokens so far.
            candidates: tokens that may come next, (k,).
            chances: of the candidates, (k,), sum 1.

        Returns:
            Chances (k,), sum 1.
        """


@dataclass(frozen=True)
class GreenMark(Mark):
    """Raises the logits of green tokens by `delta`."""

    scheme: Scheme
    key: int
    lists: GreenLists
    delta: float = 2.0

    def are_green(self, written: Sequence[int], candidates: Tokens) -> npt.NDArray[np.bool_]:
        """Which candidates are green after what is written; none while the context is short."""
        width = self.scheme.ngram_width
        if len(written) < width - 1:
            return np.zeros(len(candidates), dtype=bool)
        context = np.array(written[len(written) - width + 1 :], dtype=np.int64)
        ngrams = np.column_stack([np.tile(context, (len(candidates), 1)), candidates])
        return self.lists.are_green(self.scheme.seeds(ngrams, self.key), candidates)

    def tilt(self, written: Sequence[int], candidates: Tokens, chances: Floats) -> Floats:
        weighed = chances * np.where(self.are_green(written, candidates), math.exp(self.delta), 1)
        return np.asarray(weighed / weighed.sum())


class TournamentMark(Mark):
    """SynthID-Text's tournament, non-distortionary, two candidates a match.

    Keeps the contexts it has seen, so one object writes one text.
    """

    def __init__(self, hashing: Hashing) -> None:
        self._hashing = hashing
        self._seen: set[tuple[int, ...]] = set()

    def tilt(self, written: Sequence[int], candidates: Tokens, chances: Floats) -> Floats:
        width = self._hashing.ngram_len
        context = tuple(written[len(written) - width + 1 :]) if len(written) >= width - 1 else None
        if context is None or context in self._seen:
            return chances
        self._seen.add(context)
        layers = self._hashing.next_g_values(np.array(context, dtype=np.int64), candidates)
        for g_values in layers.T.astype(np.float64):
            chances = chances * (1 + g_values - float((g_values * chances).sum()))
        return np.asarray(chances / chances.sum())


@dataclass(frozen=True)
class BigramModel:
    """What follows what, from example texts.

    Attributes:
        followers: token to (candidates, counts).
        common: the commonest tokens and their frequencies, which may follow any.
        smoothing: chance of a common token in place of a follower, (0, 1].
    """

    followers: dict[int, tuple[Tokens, Floats]]
    common: tuple[Tokens, Floats]
    smoothing: float = 0.5

    @classmethod
    def fit(cls, texts: Sequence[Tokens], *, n_common: int = 200) -> BigramModel:
        """Count the bigrams of tokenised texts."""
        single: Counter[int] = Counter()
        pairs: dict[int, Counter[int]] = defaultdict(Counter)
        for text in texts:
            numbers = text.tolist()
            single.update(numbers)
            for first, second in pairwise(numbers):
                pairs[first][second] += 1
        return cls(
            {first: _columns(counts.most_common(64)) for first, counts in pairs.items()},
            _columns(single.most_common(n_common)),
        )

    def candidates_after(self, token: int) -> tuple[Tokens, Floats]:
        """Candidates, each once, and their chances."""
        common, frequencies = self.common
        followers, counts = self.followers.get(token, self.common)
        tokens = np.concatenate([followers, common])
        chances = np.concatenate(
            [
                (1 - self.smoothing) * counts / counts.sum(),
                self.smoothing * frequencies / frequencies.sum(),
            ]
        )
        unique, place = np.unique(tokens, return_inverse=True)
        return unique, np.bincount(place, weights=chances).astype(np.float64)

    def write(self, n: int, generator: np.random.Generator, mark: Mark | None = None) -> Tokens:
        """`n` tokens, int64 (n,), marked or not."""
        written = [int(generator.choice(self.common[0]))]
        while len(written) < n:
            candidates, chances = self.candidates_after(written[-1])
            if mark is not None:
                chances = mark.tilt(written, candidates, chances)
            written.append(int(candidates[_draw(chances, generator)]))
        return np.array(written, dtype=np.int64)


@dataclass(frozen=True)
class UniformModel:
    """Every token as likely as any: the writer for which theory is exact.

    Attributes:
        vocabulary: number of tokens.
        n_candidates: how many of them, drawn afresh, are weighed for each place.
    """

    vocabulary: int
    n_candidates: int = 64

    def write(self, n: int, generator: np.random.Generator, mark: Mark | None = None) -> Tokens:
        """`n` tokens, int64 (n,), marked or not."""
        written: list[int] = []
        while len(written) < n:
            candidates = generator.choice(self.vocabulary, self.n_candidates, replace=False)
            chances = np.full(len(candidates), 1 / len(candidates))
            if mark is not None:
                chances = mark.tilt(written, candidates, chances)
            written.append(int(candidates[_draw(chances, generator)]))
        return np.array(written, dtype=np.int64)


def _draw(chances: Floats, generator: np.random.Generator) -> int:
    sums = np.cumsum(chances)
    place = np.searchsorted(sums, generator.random() * sums[-1], side="right")
    return min(int(place), len(chances) - 1)


def _columns(counted: list[tuple[int, int]]) -> tuple[Tokens, Floats]:
    tokens, counts = zip(*counted, strict=True)
    return np.array(tokens, dtype=np.int64), np.array(counts, dtype=np.float64)
