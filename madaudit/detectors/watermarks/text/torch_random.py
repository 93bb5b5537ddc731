"""torch's random numbers on the CPU without torch, bit for bit.

Watermarks permute a vocabulary by `torch.randperm` under a seed, so finding them needs the same
permutation. torch's CPU generator is MT19937 seeded by the low 32 bits of the seed, as numpy's
legacy generator is; `randperm` shuffles forwards with one 32-bit number a place (ATen
TensorFactories.cpp, randperm_cpu, below 2**32 / 20 places), `randint` takes one modulo the range.

Trap: a generator on a GPU is Philox and gives other numbers, so it marks with other lists.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

# Above it, torch draws 64 bits a place.
PLACES_DRAWN_BY_32_BITS = (2**32 - 1) // 20
_RANDOM = np.random.RandomState  # the legacy generator, whose stream is fixed for good


def draws(seed: int, n: int) -> npt.NDArray[np.uint32]:
    """The first `n` 32-bit numbers of `torch.Generator().manual_seed(seed)`, shape (n,)."""
    return _RANDOM(seed & 0xFFFFFFFF).randint(0, 2**32, size=n, dtype=np.uint32)


class Stream:
    """One generator reseeded again and again, which costs 2 µs where a new one costs 160."""

    def __init__(self) -> None:
        self._random = _RANDOM(0)

    def draws(self, seed: int, n: int) -> npt.NDArray[np.uint32]:
        """As the function `draws`."""
        self._random.seed(seed & 0xFFFFFFFF)
        return self._random.randint(0, 2**32, size=n, dtype=np.uint32)


def randperm(n: int, seed: int) -> npt.NDArray[np.int64]:
    """`torch.randperm(n, generator=torch.Generator().manual_seed(seed))`, int64 (n,)."""
    places = list(range(n))
    if n > 1:
        partners = np.arange(n - 1) + draws(seed, n - 1) % np.arange(n, 1, -1, dtype=np.uint32)
        for place, partner in enumerate(partners.tolist()):
            places[place], places[partner] = places[partner], places[place]
    return np.array(places, dtype=np.int64)


@lru_cache(maxsize=4)
def permutation_table(n: int, seed: int) -> npt.NDArray[np.int64]:
    """`randperm`, kept: the hash tables of a million places take half a second to make."""
    table = randperm(n, seed)
    table.flags.writeable = False
    return table


def coin_flips(n: int, seed: int) -> npt.NDArray[np.uint8]:
    """`torch.randint(0, 2, (n,), generator=torch.Generator().manual_seed(seed))`, uint8 (n,)."""
    return (draws(seed, n) & 1).astype(np.uint8)
