"""Small calibrations of made-up scores."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from madaudit.estimation.calibration import Calibration, Source
from madaudit.estimation.combination import Combiner, fit_combiner
from madaudit.estimation.sketch import ScoreSketch

IDENTITIES = {"a": "1" * 64, "b": "2" * 64}
# How far the classes lie apart, in standard deviations.
_SHIFTS = (2.0, 1.0, 0.5, 1.5)


@functools.cache
def _combiner(seed: int, n: int, names: tuple[str, ...]) -> Combiner:
    random = np.random.default_rng((seed, 1))
    shift = np.array(_SHIFTS[: len(names)])
    real, synthetic = (random.normal(size=(n, len(names))) for _ in range(2))
    return fit_combiner(real, synthetic + shift, names)


def make_calibration(
    *,
    seed: int = 0,
    identities: Mapping[str, str] = IDENTITIES,
    generators: Sequence[str] = ("gan", "diffusion"),
    pipeline: str = "none",
    least_detected: float | None = 0.5,
    n: int = 300,
) -> Calibration:
    """Two real sources and some generators; each detector sees them some deviations apart."""
    random = np.random.default_rng(seed)
    shift = np.array(_SHIFTS[: len(identities)])
    combiner = _combiner(seed, n, tuple(identities))

    def sketch(center: np.ndarray) -> ScoreSketch:
        scores = random.normal(size=(n, len(shift))) + center
        scores[0] = np.nan
        return ScoreSketch.count(combiner.log_ratio(scores), combiner=combiner.fingerprint)

    return Calibration(
        detectors=dict(identities),
        tier="pixels",
        pipeline=pipeline,
        combiner=combiner,
        real={name: sketch(0 * shift) for name in ("camera", "scans")},
        synthetic={name: sketch(shift) for name in generators},
        least_detected=least_detected,
        n_generators=len(generators),
        performance={"a": {"auc": {"low": 0.8, "point": 0.9, "high": 0.95, "level": 0.95}}},
        sources=(Source("camera", "real", n, "CC0", "3 broken"), Source("gan", "synthetic", n)),
    )
