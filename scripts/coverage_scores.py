"""How intervals are judged, by coverage_bench's studies and by the blind targets."""

from __future__ import annotations

from typing import Any

import numpy as np

# Of all intervals here; a miss of Winkler's score costs 2/α times its distance.
_ALPHA = 0.05


def summary(low: Any, point: Any, high: Any, pi: Any) -> dict[str, float]:
    """Error, misses of either side apart, and Winkler's score of 95 % intervals.

    Args:
        low, point, high: of π, (replicates,).
        pi: the truth, one number or (replicates,).

    Returns:
        `false_clean` is the share whose upper end lies below π, `false_alarm` that whose lower end
        lies above. `winkler` is the mean of width + 2/α times what a miss is off by (Winkler
        1972; less is better).
    """
    low, point, high = (np.asarray(part, dtype=float) for part in (low, point, high))
    off = np.maximum(low - pi, 0.0) + np.maximum(pi - high, 0.0)
    return {
        "mae": float(np.abs(point - pi).mean()),
        "bias": float((point - pi).mean()),
        "coverage": float((off == 0).mean()),
        "false_clean": float((high < pi).mean()),
        "false_alarm": float((low > pi).mean()),
        "width": float((high - low).mean()),
        "winkler": float((high - low + 2.0 / _ALPHA * off).mean()),
    }
