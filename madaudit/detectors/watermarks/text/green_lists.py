"""Which tokens are green: one place of a seeded permutation, found without making all of it.

torch shuffles a vocabulary of V tokens forwards: step i swaps place i with a partner at or behind
it, and place i is final from then on. The green list is the first G places, so only G steps
matter, and one token can be followed through them: it rests until a step takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from madaudit.detectors.watermarks.text.torch_random import PLACES_DRAWN_BY_32_BITS, Stream
from madaudit.errors import OptionError

# Lists of this many contexts are kept: common words come again. 50 KB each at 50,000 tokens.
_KEPT = 512


@dataclass(frozen=True)
class GreenLists:
    """The green lists of one vocabulary.

    Attributes:
        vocabulary: number of tokens that the model knows, special ones and padding included.
        gamma: share of the vocabulary that is green, (0, 1).
        legacy: the green tokens are the last places of the permutation, not the first
            (`select_green_tokens=False` of lm-watermarking).
    """

    vocabulary: int
    gamma: float
    legacy: bool = False

    def __post_init__(self) -> None:
        if not 2 <= self.vocabulary < PLACES_DRAWN_BY_32_BITS:
            raise OptionError(
                f"vocabulary is {self.vocabulary}; it must lie between 2 and "
                f"{PLACES_DRAWN_BY_32_BITS:,}"
            )
        if not (0 < self.gamma < 1 and 0 < self.n_green < self.vocabulary):
            raise OptionError(
                f"gamma is {self.gamma}; it must lie between 0 and 1 and leave green and red "
                f"tokens among {self.vocabulary}"
            )

    @property
    def n_green(self) -> int:
        """Green tokens of a list: gamma times the vocabulary, cut as both implementations do."""
        return int(self.vocabulary * self.gamma)

    @property
    def share(self) -> float:
        """Exact probability that a token is green under "no watermark"."""
        return self.n_green / self.vocabulary

    def are_green(
        self, seeds: npt.NDArray[np.uint32], tokens: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Whether each token is in the list of its seed, shape (n,); others' lists are untouched.

        Tokens outside the vocabulary are in no list.
        """
        n_steps = self.vocabulary - self.n_green if self.legacy else self.n_green
        answers = np.empty(len(seeds), dtype=bool)
        for place, (seed, token) in enumerate(zip(seeds.tolist(), tokens.tolist(), strict=True)):
            if not 0 <= token < self.vocabulary:
                answers[place] = False
                continue
            partners = _partners(seed, self.vocabulary, n_steps)
            answers[place] = _is_taken(partners, token) != self.legacy
        return answers


@lru_cache(maxsize=1)
def _stream() -> Stream:
    return Stream()


@lru_cache(maxsize=8)
def _choices(vocabulary: int, n_steps: int) -> npt.NDArray[np.uint32]:
    return np.arange(vocabulary, vocabulary - n_steps, -1, dtype=np.uint32)


@lru_cache(maxsize=_KEPT)
def _partners(seed: int, vocabulary: int, n_steps: int) -> npt.NDArray[np.uint32]:
    """The place with which each step of the shuffle swaps, uint32 (n_steps,)."""
    choices = _choices(vocabulary, n_steps)
    n_draws = min(n_steps, vocabulary - 1)
    partners = np.arange(n_steps, dtype=np.uint32)
    partners[:n_draws] += _stream().draws(seed, n_draws) % choices[:n_draws]
    return partners


def _is_taken(partners: npt.NDArray[np.uint32], token: int) -> bool:
    """Whether a step of the shuffle puts the token into its final place."""
    place, first, n_steps = token, 0, len(partners)
    while True:
        # Nobody behind `place` can be its partner: partners lie at or behind their step.
        if (partners[first : place + 1] == place).any():
            return True
        if place >= n_steps:
            return False
        place, first = int(partners[place]), place + 1
