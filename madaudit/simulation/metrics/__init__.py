"""How far synthetic samples are from real ones: features in, numbers out.

Every metric takes features (n, d) of one encoder and says nothing about pixels. Compare values
only at equal sample numbers and with one encoder; a stored name tells both (`metric_name`).
"""

from __future__ import annotations

from madaudit.simulation.metrics.frechet import frechet_distance
from madaudit.simulation.metrics.kernel import kernel_distance
from madaudit.simulation.metrics.manifold import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    precision_recall,
)
from madaudit.simulation.metrics.naming import metric_name

__all__ = [
    "DensityCoverage",
    "PrecisionRecall",
    "density_coverage",
    "frechet_distance",
    "kernel_distance",
    "metric_name",
    "precision_recall",
]
