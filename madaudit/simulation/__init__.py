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
from madaudit.simulation.mixture import Mixture, MixtureTrace, mixture25, sample_mixture
from madaudit.simulation.rare_concepts import chance_of_absence, lost_share, zipf_weights
from madaudit.simulation.trace import FixedPoint, LoopTrace, TraceRow, predict, sample_loop
from madaudit.simulation.wasserstein import effective_dimension, effective_samples

__all__ = [
    "Filter",
    "FixedPoint",
    "LoopSpec",
    "LoopTrace",
    "Mixture",
    "MixtureTrace",
    "TraceRow",
    "best_real_share",
    "chance_of_absence",
    "effective_dimension",
    "effective_samples",
    "limit_of",
    "lost_share",
    "mixture25",
    "moments_by_generation",
    "n_effective",
    "predict",
    "sample_ceiling",
    "sample_loop",
    "sample_mixture",
    "synthetic_boundary",
    "zipf_weights",
]
