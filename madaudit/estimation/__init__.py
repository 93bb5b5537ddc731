"""Scores to p: numbers in, intervals out; no files, no models."""

from __future__ import annotations

from madaudit.estimation.calibration import Calibration, Source
from madaudit.estimation.combination import Combiner, fit_combiner
from madaudit.estimation.counts import Histograms
from madaudit.estimation.floor import Floor, estimate_floor
from madaudit.estimation.labels import LabelChecks, allocate, labels_needed
from madaudit.estimation.prevalence import Estimate, estimate_prevalence, estimate_tiers
from madaudit.estimation.sketch import ScoreSketch
from madaudit.estimation.tally import MarkTally
from madaudit.estimation.tiers import Settings

__all__ = [
    "Calibration",
    "Combiner",
    "Estimate",
    "Floor",
    "Histograms",
    "LabelChecks",
    "MarkTally",
    "ScoreSketch",
    "Settings",
    "Source",
    "allocate",
    "estimate_floor",
    "estimate_prevalence",
    "estimate_tiers",
    "fit_combiner",
    "labels_needed",
]
