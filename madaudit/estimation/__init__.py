"""Scores to p: numbers in, intervals out; no files, no models."""

from __future__ import annotations

from madaudit.estimation.floor import Floor, estimate_floor
from madaudit.estimation.tally import MarkTally

__all__ = ["Floor", "MarkTally", "estimate_floor"]
