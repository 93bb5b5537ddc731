"""`scripts/bench metrics`: precision and recall beside a brute force over all pairs.

Processor time of one thread, so that a shared machine slows neither. The brute force measures
every distance in double precision and sorts them; it is linear in the rows that it takes against
all others, so at full size a part of its rows is timed and scaled. Equality is checked at a size
that the brute force does whole.
"""

from __future__ import annotations

import time

import numpy as np
from bench_rounds import figure
from scipy.spatial.distance import cdist

_D, _K = 84, 5
_WHOLE = 4000
_AT_ONCE = 100


def bench_metrics(n: int, n_rows: int) -> None:
    """Time both at n features, the brute force on some of its rows, and compare at 4,000."""
    from madaudit.simulation.metrics import precision_recall

    real, synthetic = _features(_WHOLE)
    ours = precision_recall(real, synthetic, _K)
    theirs = (_inside(real, synthetic, _WHOLE).mean(), _inside(synthetic, real, _WHOLE).mean())
    print(f"{_WHOLE} features: precision and recall {ours}; the brute force's are equal: "
          f"{tuple(ours) == theirs}")  # fmt: skip
    real, synthetic = _features(n)
    began = time.process_time()
    precision_recall(real, synthetic, _K)
    taken = time.process_time() - began
    began = time.process_time()
    for reference, points in ((real, synthetic), (synthetic, real)):
        _inside(reference, points, n_rows)
    slow = (time.process_time() - began) * n / n_rows
    figure(
        f"precision and recall of {n} features of {_D} dimensions: {slow / taken:.1f} times as "
        f"fast as a brute force, {n_rows} of whose rows were timed ({taken:.0f} s; aim 5 times)"
    )


def _features(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Like LeNet's: not negative, some zeros, correlated."""
    generator = np.random.default_rng(0)
    mixing = generator.normal(size=(_D, _D)) / np.sqrt(_D)
    real, synthetic = (generator.normal(size=(n, _D)) @ mixing for _ in range(2))
    return np.maximum(real, 0), np.maximum(0.1 + 0.9 * synthetic, 0)


def _inside(reference: np.ndarray, points: np.ndarray, n_rows: int) -> np.ndarray:
    """Whether points lie in any ball of the first n_rows of the reference."""
    inside = np.zeros(len(points), bool)
    for start in range(0, n_rows, _AT_ONCE):
        rows = reference[start : start + _AT_ONCE]
        radii = np.sort(cdist(rows, reference), axis=1)[:, _K]
        inside |= (cdist(rows, points) <= radii[:, None]).any(axis=0)
    return inside
