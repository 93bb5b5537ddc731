"""What contamination means: harm, risk, and where to cut; numbers in, numbers out."""

from __future__ import annotations

from madaudit.assessment.curves import (
    PhaseDiagram,
    Trajectory,
    phase_of,
    trace_of,
    trajectory_of,
)
from madaudit.assessment.cut_counts import MARKS_ONLY
from madaudit.assessment.cut_draws import CutOptions
from madaudit.assessment.harm import LIMITS, counts_of, harm_of, level_of
from madaudit.assessment.policy import Broken, Policy, parse_policy
from madaudit.assessment.risk import BIASES, PrevalenceEstimate, Risk, Strata, Tail, assess_risk
from madaudit.assessment.sampling_bias import Clustered, SamplingBias, measure_bias
from madaudit.assessment.threshold import (
    CutPoint,
    FoundCut,
    Threshold,
    best_cut,
    find_cut,
)
from madaudit.assessment.weighting import Weighting, weigh_real

__all__ = [
    "BIASES",
    "LIMITS",
    "MARKS_ONLY",
    "Broken",
    "Clustered",
    "CutOptions",
    "CutPoint",
    "FoundCut",
    "PhaseDiagram",
    "Policy",
    "PrevalenceEstimate",
    "Risk",
    "SamplingBias",
    "Strata",
    "Tail",
    "Threshold",
    "Trajectory",
    "Weighting",
    "assess_risk",
    "best_cut",
    "counts_of",
    "find_cut",
    "harm_of",
    "level_of",
    "measure_bias",
    "parse_policy",
    "phase_of",
    "trace_of",
    "trajectory_of",
    "weigh_real",
]
