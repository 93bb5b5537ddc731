"""Which places of a text are scored for green, each independent piece of evidence once.

A repeated n-gram is green every time or never, so it counts once (Kirchenbauer et al. 2023,
arXiv:2301.10226 §4.1). Two different n-grams with one seed and one token are just as bound to
each other, so what counts once is the pair of seed and token.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.detectors.watermarks.text.green_lists import GreenLists
from madaudit.detectors.watermarks.text.seeding import Scheme, Tokens


class Scored(NamedTuple):
    """The scored places of a text, in order.

    Attributes:
        green: whether the token is in its green list, (n,).
        seeds: of the lists, uint32 (n,); equal seeds are one list.
    """

    green: npt.NDArray[np.bool_]
    seeds: npt.NDArray[np.uint32]

    def list_sizes(self) -> npt.NDArray[np.int64]:
        """Number of tokens tested against each list, (n_lists,)."""
        return np.unique(self.seeds, return_counts=True)[1].astype(np.int64)


class GreenCount(NamedTuple):
    """Counts as the public detectors make them.

    Attributes:
        n_scored, n_green: n-grams, and those whose last token is green.
        z: standardised excess of green ones (arXiv:2301.10226, eq. 3), NaN where n is 0.
    """

    n_scored: int
    n_green: int
    z: float


def ngrams_of(tokens: Tokens, width: int) -> Tokens:
    """All n-grams in order, int64 (n − width + 1, width)."""
    if len(tokens) < width:
        return np.empty((0, width), dtype=np.int64)
    return np.lib.stride_tricks.sliding_window_view(tokens, width)


def score(tokens: Tokens, scheme: Scheme, key: int, lists: GreenLists) -> Scored:
    """Score each distinct pair of list and token once, where it first occurs.

    N-grams whose list is the same for all keys are left out, and so are tokens beyond the
    vocabulary: neither can tell a key from another.
    """
    ngrams = ngrams_of(tokens, scheme.ngram_width)
    ngrams = ngrams[scheme.is_keyed(ngrams) & (ngrams[:, -1] < lists.vocabulary)]
    seeds = scheme.seeds(ngrams, key)
    pairs = seeds.astype(np.uint64) << np.uint64(32) | ngrams[:, -1].astype(np.uint64)
    first = np.sort(np.unique(pairs, return_index=True)[1])
    return Scored(lists.are_green(seeds[first], ngrams[first, -1]), seeds[first])


def count_as_published(
    tokens: Tokens, scheme: Scheme, key: int, lists: GreenLists, *, ignore_repeated: bool = True
) -> GreenCount:
    """The counts and z of lm-watermarking's and transformers' own detectors.

    They count n-grams, repeated ones once if `ignore_repeated`, and take every list as random.
    Their z is no p-value: repeated and shared lists are taken as independent.
    """
    ngrams, counts = np.unique(ngrams_of(tokens, scheme.ngram_width), axis=0, return_counts=True)
    if ignore_repeated:
        counts = np.ones_like(counts)
    green = lists.are_green(scheme.seeds(ngrams, key), ngrams[:, -1])
    n_scored, n_green = int(counts.sum()), int(counts[green].sum())
    if not n_scored:
        return GreenCount(0, 0, math.nan)
    spread = math.sqrt(n_scored * lists.gamma * (1 - lists.gamma))
    return GreenCount(n_scored, n_green, (n_green - lists.gamma * n_scored) / spread)
