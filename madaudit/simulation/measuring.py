"""One generation's row: every metric between a model's draws and real samples never trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from madaudit.errors import OptionError
from madaudit.simulation.generators.base import Values
from madaudit.simulation.metrics import (
    density_coverage,
    frechet_distance,
    kernel_distance,
    metric_name,
    precision_recall,
)

Features = npt.NDArray[np.float64]
# Eigenvalues of the real covariance below this share of the largest are noise of the encoder.
_LEAST_EIGENVALUE = 1e-6


@dataclass(frozen=True, eq=False)
class Gauge:
    """What measures a loop: real samples that no generation is trained on, and an encoder.

    Attributes:
        real: of the evaluation (n, …).
        encode: samples to features (n, d).
        encoder: its name, which stands in every metric's name.
        k: neighbour of precision, recall, density and coverage; the paper on MAD takes 5.
    """

    real: Values
    encode: Callable[[Values], Features]
    encoder: str
    k: int = 5

    @property
    def n(self) -> int:
        """Samples that either side has in every metric."""
        return len(self.real)

    @cached_property
    def _real_features(self) -> Features:
        """Encoded once, since a tower takes minutes for what every generation needs."""
        return self.encode(self.real)

    def names(self) -> dict[str, str]:
        """Short name of each metric to the full one."""
        short = ("fid", "kid", "precision", "recall", "density", "coverage")
        return {name: metric_name(name, self.encoder, self.n) for name in short}

    def measure(self, drawn: Values) -> dict[str, float]:
        """A row of a trace.

        Args:
            drawn: as many samples as `real` has.

        Returns:
            fid, kid, precision, recall, density, coverage; w2_squared (equal to fid: in feature
            units squared), mean_error ‖μ − μ_0‖², variance_ratio tr Σ / tr Σ0 and log_det_ratio
            (within the directions in which real features vary; −∞ where draws are flat in one).

        Raises:
            OptionError: another number of samples.
        """
        if len(drawn) != self.n:
            raise OptionError(
                f"cannot compare {len(drawn)} draws with {self.n} real samples: metrics hold at "
                f"equal numbers only"
            )
        real, synthetic = self._real_features, self.encode(drawn)
        fid = frechet_distance(real, synthetic)
        manifold = precision_recall(real, synthetic, self.k)
        balls = density_coverage(real, synthetic, self.k)
        gap = synthetic.mean(axis=0) - real.mean(axis=0)
        spread = float(synthetic.var(axis=0, ddof=1).sum() / real.var(axis=0, ddof=1).sum())
        return {
            "w2_squared": fid,
            "mean_error": float(gap @ gap),
            "variance_ratio": spread,
            "log_det_ratio": _log_det_ratio(real, synthetic),
            "fid": fid,
            "kid": kernel_distance(real, synthetic),
            "precision": manifold.precision,
            "recall": manifold.recall,
            "density": balls.density,
            "coverage": balls.coverage,
        }

    def variance_kept(self, biased: Values, unbiased: Values) -> float:
        """Measured λ: trace of the features' covariance with sampling bias over that without."""
        features = [self.encode(one).var(axis=0, ddof=1).sum() for one in (biased, unbiased)]
        return float(features[0] / features[1])


def _log_det_ratio(real: Features, synthetic: Features) -> float:
    eigenvalues, vectors = np.linalg.eigh(np.cov(real, rowvar=False).reshape(real.shape[1], -1))
    kept = eigenvalues > _LEAST_EIGENVALUE * eigenvalues[-1]
    inner = np.cov(synthetic @ vectors[:, kept], rowvar=False).reshape(kept.sum(), -1)
    sign, value = np.linalg.slogdet(inner)
    return float(value - np.log(eigenvalues[kept]).sum()) if sign > 0 else -np.inf
