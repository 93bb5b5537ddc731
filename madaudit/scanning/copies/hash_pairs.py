"""All pairs of perceptual hashes that differ in few bits, mirrored copies included, none missed.

Cut the bits into m blocks. Two hashes that differ in at most r bits agree in m − r blocks,
whichever those are, so sorting by every choice of m − r blocks brings each such pair together once
at least (Manku et al. 2007, "Detecting near-duplicates for web crawling", WWW, §3). m is chosen by
the number of hashes: more blocks, longer keys, more sorts, fewer pairs to look at. Where many
hashes agree in a key, as those of pictures with little structure do, the bits outside it are
searched in the same way.

A mirrored picture needs no key of its own. Its DCT coefficients of odd horizontal frequency change
their sign, so its hash is the picture's with these bits flipped, but for the few coefficients
between the median and minus the median (docs/duplicates.md has how many). Before each sort every
hash is turned to the side on which a bit of the key that mirroring flips is 0: both sides of a
pair that agrees in the key then lie next to each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.errors import OptionError

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint8]

#: Bits of `perceptual_hash` that mirroring flips: those of odd horizontal frequency.
MIRRORED = 0x5555_5555_5555_5555
#: Beyond this two orientations of a pair could both be close, and random pairs are.
FARTHEST = 15
_N_BITS = 64
# Hashes of one key that are compared with one another at once; more are searched by further keys.
_LONG_RUN = 512
# Keys, or pairs, compared at once: they stay in the processor's cache.
_AT_ONCE = 1 << 17
# Where fewer than one in so many has a neighbour of its key left, only these are looked at.
_DENSE = 8
# Of one comparison beside one hash of one sort, measured.
_COST_OF_SORT = 12.0
_UP_TO_BLOCKS = 20


class Pairs(NamedTuple):
    """Pairs of close hashes.

    Attributes:
        first, second: positions of the hashes, int64 (n,), first < second.
        distance: differing bits, uint8 (n,); of the mirrored hash where that is closer.
    """

    first: Indices
    second: Indices
    distance: Bits


class _Table(NamedTuple):
    """One choice of blocks.

    Attributes:
        spans: (lowest bit, number of bits) of the stretches that make the key, highest first.
        rest: mask of the bits outside it.
    """

    spans: tuple[tuple[int, int], ...]
    rest: int

    @property
    def width(self) -> int:
        return sum(n for _, n in self.spans)


def pairs_within(hashes: Hashes, radius: int, *, mirrored: bool = True) -> Iterator[Pairs]:
    """All pairs that differ in at most `radius` bits, each once, in no special order.

    Takes about 40 bytes a hash while it runs.

    Args:
        hashes: uint64 (n,), all different, fewer than 2³².
        radius: largest number of differing bits, 0 to 15.
        mirrored: also pairs that are close once one of the two is mirrored.

    Raises:
        OptionError: the radius is out of its range.
    """
    if not 0 <= radius <= FARTHEST:
        raise OptionError(f"the radius is {radius} bits; allowed: 0 to {FARTHEST}")
    flips = MIRRORED if mirrored else 0
    yield from _pairs(np.ascontiguousarray(hashes, dtype=np.uint64), _N_BITS, radius, flips)


def distances(first: Hashes, second: Hashes) -> Bits:
    """Differing bits of hash and hash, uint8."""
    return _popcount(first ^ second)


def _pairs(words: Hashes, n_bits: int, radius: int, flips: int) -> Iterator[Pairs]:
    """Pairs of different words of `n_bits` bits; `flips` is what mirroring flips."""
    n = len(words)
    n_blocks = _choose_blocks(n, n_bits, radius)
    if n_blocks is None:
        yield from _compare_all(words, radius, flips)
        return
    edges = np.linspace(0, n_bits, n_blocks + 1).round().astype(int).tolist()
    left_out = list(combinations(range(n_blocks), radius))
    first_table = _first_tables(left_out, n_blocks)
    for number, blocks in enumerate(left_out):
        table = _table(edges, blocks, n_bits)
        turned = _turn(words, table, flips)
        for pairs in _pairs_of_table(turned, table, radius):
            differing = _differing_blocks(turned[pairs.first] ^ turned[pairs.second], edges)
            is_first = first_table[differing] == number
            yield Pairs(pairs.first[is_first], pairs.second[is_first], pairs.distance[is_first])


def _choose_blocks(n: int, n_bits: int, radius: int) -> int | None:
    """The number of blocks that costs least, None where comparing all pairs does."""
    index_bits = max(n - 1, 1).bit_length()
    best, least = None, n * (n - 1) / 2
    for n_blocks in range(radius + 1, min(_UP_TO_BLOCKS, n_bits) + 1):
        width = n_bits * (n_blocks - radius) // n_blocks
        # A key and an index share a word. Less than two bits would hold none that is mirrored.
        if width < 2 or width + n_blocks > _N_BITS - index_bits:
            continue
        cost = math.comb(n_blocks, radius) * n * (_COST_OF_SORT + n / 2**width / 2)
        if cost < least:
            best, least = n_blocks, cost
    return best


def _table(edges: list[int], left_out: tuple[int, ...], n_bits: int) -> _Table:
    spans: list[tuple[int, int]] = []
    rest = (1 << n_bits) - 1
    for block in range(len(edges) - 1):
        if block in left_out:
            continue
        low, n = edges[block], edges[block + 1] - edges[block]
        rest &= ~(((1 << n) - 1) << low)
        if spans and sum(spans[-1]) == low:
            spans[-1] = (spans[-1][0], spans[-1][1] + n)
        else:
            spans.append((low, n))
    return _Table(tuple(spans[::-1]), rest)


def _first_tables(left_out: list[tuple[int, ...]], n_blocks: int) -> npt.NDArray[np.int32]:
    """For each set of differing blocks, as bits, the first table that leaves all of them out."""
    masks = np.array([sum(1 << block for block in blocks) for blocks in left_out], dtype=np.int64)
    sets = np.arange(1 << n_blocks, dtype=np.int64)
    first = np.full(len(sets), -1, dtype=np.int32)
    for number in range(len(masks) - 1, -1, -1):
        first[(sets & ~masks[number]) == 0] = number
    return first


def _turn(words: Hashes, table: _Table, flips: int) -> Hashes:
    """The words, or where the key's highest bit that mirroring flips is 1, their mirrored ones."""
    in_key = flips & ~table.rest
    if not in_key:
        return words
    pivot = in_key.bit_length() - 1
    is_set = (words >> np.uint64(pivot)) & np.uint64(1)
    turned: Hashes = words ^ (is_set * np.uint64(flips))
    return turned


def _pairs_of_table(words: Hashes, table: _Table, radius: int) -> Iterator[Pairs]:
    """Close pairs among the words that agree in the key."""
    index_bits = np.uint64(max(len(words) - 1, 1).bit_length())
    keyed = _keys(words, table) << index_bits
    keyed |= np.arange(len(words), dtype=np.uint64)
    keyed.sort()
    runs = _long_runs(keyed, index_bits)
    for start, end in runs:
        members = _indices(keyed[start:end], index_bits)
        # The whole key agrees, so what differs lies outside it.
        outside, n_bits = _gather(words[members], table.rest)
        for pairs in _pairs(outside, n_bits, radius, 0):
            yield _ordered(members[pairs.first], members[pairs.second], pairs.distance)
    if runs:
        keyed = np.delete(keyed, np.concatenate([np.arange(*run) for run in runs]))
    for start in range(0, len(keyed), _AT_ONCE):
        # Runs are shorter than this by now, so no pair reaches further.
        yield from _neighbours(
            keyed[start : start + _AT_ONCE + _LONG_RUN], words, index_bits, radius
        )


def _neighbours(
    keyed: Hashes, words: Hashes, index_bits: np.uint64, radius: int
) -> Iterator[Pairs]:
    """Close pairs whose first member is one of the first `_AT_ONCE` of a stretch."""
    keys = keyed >> index_bits
    indices = _indices(keyed, index_bits)
    in_order = words[indices]
    offset = 1
    # Neighbours of other keys are compared as well: faster than to pick out those that are not.
    # Close ones among them are dropped later, since they differ in the key.
    while np.count_nonzero(keys[:-offset] == keys[offset:]) > len(keys) // _DENSE:
        distance = distances(in_order[:-offset], in_order[offset:])[:_AT_ONCE]
        close = np.flatnonzero(distance <= radius)
        if len(close):
            yield _ordered(indices[close], indices[close + offset], distance[close])
        offset += 1
    places = np.flatnonzero((keys[:-offset] == keys[offset:])[:_AT_ONCE])
    while len(places):
        distance = distances(in_order[places], in_order[places + offset])
        close = places[distance <= radius]
        if len(close):
            yield _ordered(indices[close], indices[close + offset], distance[distance <= radius])
        offset += 1
        places = places[places + offset < len(keys)]
        places = places[keys[places] == keys[places + offset]]


def _long_runs(keyed: Hashes, index_bits: np.uint64) -> list[tuple[int, int]]:
    """Stretches of more than `_LONG_RUN` equal keys."""
    runs: list[tuple[int, int]] = []
    for start in range(0, len(keyed) - _LONG_RUN, _AT_ONCE):
        keys = keyed[start : start + _AT_ONCE + _LONG_RUN] >> index_bits
        places = np.flatnonzero(keys[:-_LONG_RUN] == keys[_LONG_RUN:])
        if not len(places):
            continue
        breaks = np.flatnonzero((np.diff(places) > 1) | (np.diff(keys[places]) > 0))
        begins = places[np.concatenate([[0], breaks + 1])]
        ends = places[np.concatenate([breaks, [len(places) - 1]])] + _LONG_RUN + 1
        for begin, end in zip((start + begins).tolist(), (start + ends).tolist(), strict=True):
            if runs and begin < runs[-1][1]:
                runs[-1] = (runs[-1][0], end)  # one run that reaches over two stretches
            else:
                runs.append((begin, end))
    return runs


def _keys(words: Hashes, table: _Table) -> Hashes:
    keys = np.zeros(len(words), dtype=np.uint64)
    for low, n in table.spans:
        keys <<= np.uint64(n)
        keys |= (words >> np.uint64(low)) & np.uint64((1 << n) - 1)
    return keys


def _gather(words: Hashes, mask: int) -> tuple[Hashes, int]:
    """The bits of a mask, moved together, and how many they are."""
    gathered = np.zeros(len(words), dtype=np.uint64)
    n_bits = 0
    for bit in range(_N_BITS):
        if mask >> bit & 1:
            gathered |= ((words >> np.uint64(bit)) & np.uint64(1)) << np.uint64(n_bits)
            n_bits += 1
    return gathered, n_bits


def _indices(keyed: Hashes, index_bits: np.uint64) -> Indices:
    mask = np.uint64((1 << int(index_bits)) - 1)
    indices: Indices = (keyed & mask).astype(np.int64)
    return indices


def _differing_blocks(differing: Hashes, edges: list[int]) -> Indices:
    """For each word of differing bits, the blocks that hold any, as bits."""
    blocks = np.zeros(len(differing), dtype=np.int64)
    for block, (low, high) in enumerate(pairwise(edges)):
        mask = np.uint64(((1 << (high - low)) - 1) << low)
        blocks |= ((differing & mask) != 0).astype(np.int64) << block
    return blocks


def _compare_all(words: Hashes, radius: int, flips: int) -> Iterator[Pairs]:
    """Close pairs by comparing each with each."""
    n = len(words)
    rows = max(_AT_ONCE // max(n, 1), 1)
    for start in range(0, n - 1, rows):
        block = words[start : start + rows, None] ^ words[None, start + 1 :]
        distance = _popcount(block)
        if flips:
            distance = np.minimum(distance, _popcount(block ^ np.uint64(flips)))
        first, second = np.nonzero(distance <= radius)
        is_upper = second >= first
        first, second = first[is_upper], second[is_upper]
        yield Pairs(start + first, start + 1 + second, distance[first, second])


def _ordered(first: Indices, second: Indices, distance: Bits) -> Pairs:
    return Pairs(np.minimum(first, second), np.maximum(first, second), distance)


if hasattr(np, "bitwise_count"):

    def _popcount(words: Hashes) -> Bits:
        counts: Bits = np.bitwise_count(words)
        return counts

else:  # numpy 1.26
    _ONES = np.array([value.bit_count() for value in range(1 << 16)], dtype=np.uint8)

    def _popcount(words: Hashes) -> Bits:
        parts = np.ascontiguousarray(words).view(np.uint16).reshape(*words.shape, 4)
        counts: Bits = _ONES[parts].sum(axis=-1, dtype=np.uint8)
        return counts
