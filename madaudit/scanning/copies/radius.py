"""How far apart copies may be before strangers are taken for them, told by the hashes themselves.

Pairs of hashes drawn at random are almost never copies, so their distances are those of strangers.
Below 16 bits the share of such pairs falls by a steady factor a bit, far more slowly than for
random bits, since pictures have much in common (docs/duplicates.md). That factor is measured on
the data set and carried on to the small distances at which strangers are too rare to be counted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from madaudit.scanning.copies.hash_pairs import MIRRORED, Hashes, distances

#: The largest radius used unless one is asked for: crops of a twentieth of the area.
WIDEST = 8
#: Strangers within the radius that one hash may have on average.
STRANGERS_ALLOWED = 0.05
_N_PAIRS = 1 << 21
# Distances between which the factor is measured, the nearest first. Among few hashes heavily
# cropped copies, at 8 to 16 bits, outnumber strangers as near, so there the factor is taken from
# farther ones; it is larger there, so the share carried on is rather too high than too low.
_WINDOWS = ((12, 16), (16, 20))
_WINDOWS_OF_FEW = ((20, 24),)
_FEW = 10_000
# Pairs to have seen at a distance for its share to be used.
_ENOUGH = 10


class Strangers(NamedTuple):
    """How pairs that are no copies are spread.

    Attributes:
        share: of pairs that differ in at most `at` bits; of the nearer side for mirrored ones.
        at: that number of bits.
        factor: by which the share falls for each bit less.
    """

    share: float
    at: int
    factor: float

    def share_within(self, radius: int) -> float:
        """Share of pairs of strangers that differ in at most `radius` bits."""
        return self.share * float(self.factor ** (self.at - radius))


def measure_strangers(
    hashes: Hashes, rng: np.random.Generator, *, mirrored: bool = True
) -> Strangers | None:
    """The spread of strangers, from random pairs; None where too few are near to tell.

    Args:
        hashes: uint64 (n,), all different.
        rng: draws the pairs.
        mirrored: whether a pair counts as near once one of the two is mirrored.
    """
    if len(hashes) < 2:
        return None
    # No more draws than make each pair of a few come four times.
    n_pairs = min(_N_PAIRS, 2 * len(hashes) * (len(hashes) - 1))
    first = rng.integers(0, len(hashes), n_pairs)
    # Another one than the first, each with the same probability.
    second = (first + rng.integers(1, len(hashes), n_pairs)) % len(hashes)
    distance = distances(hashes[first], hashes[second])
    if mirrored:
        turned = distances(hashes[first], hashes[second] ^ np.uint64(MIRRORED))
        distance = np.minimum(distance, turned)
    counts = np.cumsum(np.bincount(distance, minlength=65))
    # What is nearer than the widest radius is copies rather than strangers.
    counts -= counts[WIDEST]
    n_others = n_pairs - int((distance <= WIDEST).sum())
    for near, far in _WINDOWS if len(hashes) >= _FEW else _WINDOWS_OF_FEW:
        if counts[near] >= _ENOUGH and counts[far] > counts[near]:
            factor = (counts[near] / counts[far]) ** (1 / (far - near))
            return Strangers(float(counts[near]) / n_others, near, float(factor))
    return None


def choose_radius(n: int, strangers: Strangers | None) -> int:
    """The widest radius within which a hash has few enough strangers, at most `WIDEST`.

    Args:
        n: number of different hashes.
        strangers: their spread; None where none are near.
    """
    if strangers is None:
        return WIDEST
    for radius in range(WIDEST, 0, -1):
        if n * strangers.share_within(radius) <= STRANGERS_ALLOWED:
            return radius
    return 0
