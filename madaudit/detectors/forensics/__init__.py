"""Traces of generation in an image's pixels: features, and the linear model over them."""

from __future__ import annotations

from madaudit.detectors.forensics.model import ForensicModel, Smoothing, fit_forensic
from madaudit.detectors.forensics.traces import feature_names, features

__all__ = ["ForensicModel", "Smoothing", "feature_names", "features", "fit_forensic"]
