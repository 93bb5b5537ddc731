"""Scores to p: numbers in, intervals out; no files, no models."""

from __future__ import annotations

from madaudit.estimation.counts import Histograms
from madaudit.estimation.floor import Floor, estimate_floor
from madaudit.estimation.labels import LabelChecks, allocate, labels_needed
from madaudit.estimation.prevalence import Estimate, estimate_prevalence, estimate_tiers
from madaudit.estimation.sketch import ScoreSketch
from madaudit.estimation.tally import MarkTally
from madaudit.estimation.tiers import Settings

__all__ = [
    "Estimate",
    "Floor",
    "Histograms",
    "LabelChecks",
    "MarkTally",
    "ScoreSketch",
    "Settings",
    "allocate",
    "estimate_floor",
    "estimate_prevalence",
    "estimate_tiers",
    "labels_needed",
]
