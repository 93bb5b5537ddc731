"""Self-consuming loops to trajectories: the Gaussian theory, its exact sampling, and mixtures.

Numbers in, numbers out; no files, no models. The harm of a loop is in `madaudit.assessment`.
"""

from __future__ import annotations

from madaudit.simulation.gaussian import moments_by_generation
from madaudit.simulation.limits import (
    best_real_share,
    limit_of,
    n_effective,
    sample_ceiling,
    synthetic_boundary,
)
from madaudit.simulation.loop import Filter, LoopSpec
from madaudit.simulation.trace import FixedPoint, LoopTrace, TraceRow, predict, sample_loop
from madaudit.simulation.wasserstein import effective_dimension, effective_samples

__all__ = [
    "Filter",
    "FixedPoint",
    "LoopSpec",
    "LoopTrace",
    "TraceRow",
    "best_real_share",
    "effective_dimension",
    "effective_samples",
    "limit_of",
    "moments_by_generation",
    "n_effective",
    "predict",
    "sample_ceiling",
    "sample_loop",
    "synthetic_boundary",
]
