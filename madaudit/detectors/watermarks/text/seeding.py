"""From the tokens before a place to the seed of its green list: every public seeding scheme.

Invariants: n-grams are int64 (n, width), the token that is scored last; arithmetic wraps at 64
bits as torch's does; two n-grams with one seed have one green list, so seeds are compared after
the cut to 32 bits that torch's generator makes.

Sources: jwkirchenbauer/lm-watermarking, alternative_prf_schemes.py and
extended_watermark_processor.py at 5b0e207 (Kirchenbauer et al. 2023, arXiv:2301.10226 and
arXiv:2306.04634); transformers 5.24, generation/logits_process.py, WatermarkLogitsProcessor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from madaudit.detectors.watermarks.text.torch_random import permutation_table
from madaudit.errors import OptionError

Tokens = npt.NDArray[np.int64]
PUBLIC_KEY = 15485863  # the millionth prime: the default of both implementations
_TABLE_SIZE = 1_000_003
_TABLE_SEED = 2971215073  # lm-watermarking's table is the same for every key


@dataclass(frozen=True)
class Scheme:
    """How a green list is seeded.

    Attributes:
        name: as users type it.
        function: how the context becomes a seed.
        context_width: tokens that the seed is made of, the scored one included if `self_salt`.
        self_salt: whether the scored token seeds its own list.
    """

    name: str
    function: str
    context_width: int
    self_salt: bool = False

    @property
    def ngram_width(self) -> int:
        """Tokens that decide whether the last of them is green."""
        return self.context_width + (not self.self_salt)

    def seeds(self, ngrams: Tokens, key: int) -> npt.NDArray[np.uint32]:
        """The seed of each n-gram's green list, shape (n,), cut to the 32 bits that count."""
        context = self._context(ngrams)
        if self.function in _KEY_LAST:  # multiplied outside torch, where nothing overflows
            values = [key * one for one in _KEY_LAST[self.function](context).tolist()]
        else:
            values = _KEY_INSIDE[self.function](context, np.int64(key)).tolist()
        cut = (value % (2**64 - 1) & 0xFFFFFFFF for value in values)
        return np.fromiter(cut, dtype=np.uint32, count=len(values))

    def is_keyed(self, ngrams: Tokens) -> npt.NDArray[np.bool_]:
        """Whether the key has a say in each n-gram's seed, shape (n,).

        Schemes that multiply bare token numbers lose the key wherever one is 0: such a list is
        the same for all keys, so nothing about it is random under "no watermark".
        """
        context = self._context(ngrams)
        if self.function in _KEY_LAST:
            return np.asarray(_KEY_LAST[self.function](context) != 0)
        if self.function in _HASH_OF_PRODUCT:
            return np.asarray((context != 0).all(axis=1))
        if self.function == "position_prf":
            return np.asarray((context != 0).any(axis=1))
        return np.ones(len(ngrams), dtype=bool)

    def _context(self, ngrams: Tokens) -> Tokens:
        return ngrams if self.self_salt else ngrams[:, :-1]


def scheme_named(name: str) -> Scheme:
    """The scheme of a public name.

    `transformers-lefthash-4` has a context of 4 tokens; `ff-FUNCTION-WIDTH-SELFSALT` is
    lm-watermarking's free form.

    Raises:
        OptionError: no such scheme.
    """
    if name in _PUBLIC:
        return _PUBLIC[name]
    base, _, width = name.rpartition("-")
    if base.startswith("transformers-") and base in _PUBLIC and _is_width(width):
        return replace(_PUBLIC[base], name=name, context_width=int(width))
    match name.split("-"):
        case ["ff", function, width, "True" | "False" as salt] if (
            function in _FREE_FORM and _is_width(width)
        ):
            if function == "minskipgram_prf" and int(width) < 2:
                raise OptionError(f"seeding scheme {name!r} needs a context of at least 2 tokens")
            return Scheme(name, function, int(width), self_salt=salt == "True")
    raise OptionError(
        f"seeding scheme {name!r} does not exist (known: {', '.join(_PUBLIC)}; a width may follow "
        "transformers' names; or ff-FUNCTION-WIDTH-True|False with FUNCTION one of "
        f"{', '.join(_FREE_FORM)}, for example ff-additive_prf-4-False)"
    )


def _is_width(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 2 and int(text) >= 1


def _hashed(tokens: Tokens) -> Tokens:
    return permutation_table(_TABLE_SIZE, _TABLE_SEED)[tokens % _TABLE_SIZE] + 1


def _product(context: Tokens) -> Tokens:
    return np.asarray(context.prod(axis=1))


def _sum(context: Tokens) -> Tokens:
    return np.asarray(context.sum(axis=1))


def _minimum(context: Tokens) -> Tokens:
    return np.asarray(context.min(axis=1))


def _last(context: Tokens) -> Tokens:
    return context[:, -1]


def _simple_skip(context: Tokens, key: np.int64) -> Tokens:
    return np.asarray(_hashed(key * context[:, ::2]).prod(axis=1))


def _skipgram(context: Tokens, key: np.int64) -> Tokens:
    return _hashed(key * context[:, 0])


def _anchored_skipgram(context: Tokens, key: np.int64) -> Tokens:
    return _hashed(key * context[:, 0]) * _hashed(key * context[:, -1])


def _minhash(context: Tokens, key: np.int64) -> Tokens:
    return np.asarray(_hashed(key * context).min(axis=1))


def _anchored_minhash(context: Tokens, key: np.int64) -> Tokens:
    return np.asarray((key * _hashed(context) * _hashed(context[:, -1:])).min(axis=1))


def _minskipgram(context: Tokens, key: np.int64) -> Tokens:
    hashed = _hashed(key * context)
    pairs = [hashed[:, a] * hashed[:, b] for a, b in combinations(range(context.shape[1]), 2)]
    return np.asarray(np.min(pairs, axis=0))


def _noncommutative(context: Tokens, key: np.int64) -> Tokens:
    state = np.full(len(context), key, dtype=np.int64)
    for place in range(context.shape[1]):
        state = state * _hashed(state * context[:, place]) % 2**32
    return state


def _positional(context: Tokens, key: np.int64) -> Tokens:
    return np.asarray((key * context * np.arange(1, context.shape[1] + 1)).sum(axis=1))


def _transformers_self(context: Tokens, key: np.int64) -> Tokens:
    table = permutation_table(_TABLE_SIZE, int(key))  # the table itself is seeded by the key
    return np.asarray(
        (
            key * (table[context % _TABLE_SIZE] + 1) * (table[context[:, -1:] % _TABLE_SIZE] + 1)
        ).min(axis=1)
    )


_KEY_LAST: dict[str, Callable[[Tokens], Tokens]] = {
    "multiplicative_prf": _product,
    "additive_prf": _sum,
    "minfunc_prf": _minimum,
    "transformers_left": _last,
}
_KEY_INSIDE: dict[str, Callable[[Tokens, np.int64], Tokens]] = {
    "simple_skip_prf": _simple_skip,
    "skipgram_prf": _skipgram,
    "anchored_skipgram_prf": _anchored_skipgram,
    "minhash_prf": _minhash,
    "anchored_minhash_prf": _anchored_minhash,
    "minskipgram_prf": _minskipgram,
    "noncomm_prf": _noncommutative,
    "position_prf": _positional,
    "transformers_self": _transformers_self,
}
_HASH_OF_PRODUCT = (
    "simple_skip_prf",
    "skipgram_prf",
    "anchored_skipgram_prf",
    "minhash_prf",
    "minskipgram_prf",
)
_FREE_FORM = tuple(name for name in (*_KEY_LAST, *_KEY_INSIDE) if not name.startswith("transf"))
_PUBLIC = {
    scheme.name: scheme
    for scheme in (
        Scheme("lefthash", "additive_prf", 1),
        Scheme("simple_1", "additive_prf", 1),
        Scheme("selfhash", "anchored_minhash_prf", 4, self_salt=True),
        Scheme("algorithm-3", "anchored_minhash_prf", 4, self_salt=True),
        Scheme("minhash", "minhash_prf", 4),
        Scheme("skipgram", "skipgram_prf", 5),
        Scheme("transformers-lefthash", "transformers_left", 1),
        Scheme("transformers-selfhash", "transformers_self", 1, self_salt=True),
    )
}
