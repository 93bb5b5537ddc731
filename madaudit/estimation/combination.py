"""Scores of several detectors and marks to one log-likelihood ratio per sample.

The ratio ln f1/f0 is that of the calibration's classes at equal weight, so it knows nothing of
any prevalence. Invariants: it never falls as a score rises; a mark outranks every score; a
detector without a score is left out of the model, so it widens the ratio towards 0 and does not
vote; a sample without any score has none.

Fit it on other samples than those whose histograms calibrate it: counted on the same ones, the
histograms are sharper than the target's (docs/estimation.md).
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from madaudit.errors import InputError

COMBINER_VERSION = 1
# Ramps of one detector: enough for any bend that a few hundred samples can show.
_N_RAMPS = 8
# Ridge on ramp heights, in samples: a ramp that few samples speak for stays flat.
_RIDGE = 1.0
# Every subset of the detectors has a model of its own; beyond this they are too many.
_MOST_DETECTORS = 6

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Model:
    """The ratio from the scores of some detectors.

    Attributes:
        used: places of these detectors.
        knots: ends of the ramps by detector (len(used), _N_RAMPS + 1), ascending.
        heights: rise of each ramp (len(used), _N_RAMPS), ≥ 0.
        intercept: the ratio where all ramps are at their foot.
    """

    used: tuple[int, ...]
    knots: Floats
    heights: Floats
    intercept: float

    def ratio(self, scores: Floats) -> Floats:
        """Ln f1/f0 of samples that have all of these scores (n, K)."""
        total = np.full(len(scores), self.intercept)
        for place, knots, heights in zip(self.used, self.knots, self.heights, strict=True):
            total += np.interp(scores[:, place], knots, np.append(0.0, heights.cumsum()))
        return total


@dataclass(frozen=True)
class Combiner:
    """From scores to one log-likelihood ratio.

    Attributes:
        detectors: names, in the order of the columns of scores.
        models: one per non-empty subset of them.
    """

    detectors: tuple[str, ...]
    models: tuple[_Model, ...]

    def log_ratio(self, scores: Floats, marked: npt.NDArray[np.bool_] | None = None) -> Floats:
        """Ln f1/f0 of samples.

        Args:
            scores: logits (n, K), NaN where a detector has none.
            marked: samples with a mark that says synthetic (n,); their ratio is +∞.

        Returns:
            float64 (n,), NaN where a sample has neither a score nor a mark.

        Raises:
            InputError: another number of columns than detectors.
        """
        scores = _columns(scores, len(self.detectors), "scores")
        ratio = np.full(len(scores), np.nan)
        seen = ~np.isnan(scores)
        for model in self.models:
            wanted = np.zeros(len(self.detectors), dtype=bool)
            wanted[list(model.used)] = True
            rows = (seen == wanted).all(axis=1)
            if rows.any():
                ratio[rows] = model.ratio(scores[rows])
        if marked is not None:
            ratio[np.asarray(marked, dtype=bool)] = np.inf
        return ratio

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the model: scores of two fingerprints never add up."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": COMBINER_VERSION,
            "detectors": list(self.detectors),
            "models": [
                {
                    "used": list(model.used),
                    "knots": model.knots.tolist(),
                    "heights": model.heights.tolist(),
                    "intercept": model.intercept,
                }
                for model in self.models
            ],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Combiner:
        """The combiner that `to_dict` described.

        Raises:
            InputError: another version, or no combiner at all.
        """
        if content.get("version") != COMBINER_VERSION:
            raise InputError(
                f"cannot read the combiner: version {content.get('version')!r}; this madaudit "
                f"reads {COMBINER_VERSION}; calibrate again"
            )
        try:
            names = tuple(str(name) for name in content["detectors"])
            models = tuple(_read_model(one, len(names)) for one in content["models"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"cannot read the combiner: {error}; calibrate again") from error
        if not 1 <= len(names) <= _MOST_DETECTORS or len(set(names)) < len(names):
            raise InputError(f"cannot read the combiner: detectors {names}; calibrate again")
        if len({model.used for model in models}) < len(models) or not models:
            raise InputError(
                "cannot read the combiner: no model, or two of the same detectors; calibrate again"
            )
        return cls(names, models)


def _read_model(one: Mapping[str, Any], n_detectors: int) -> _Model:
    """One model from a file that may be a stranger's.

    Raises:
        ValueError: it is no rising curve per detector.
    """
    used = tuple(int(place) for place in one["used"])
    if not used or list(used) != sorted(set(used)) or used[0] < 0 or used[-1] >= n_detectors:
        raise ValueError(f"a model is of detectors {used}, there are {n_detectors}")
    knots = np.array(one["knots"], dtype=np.float64)
    heights = np.array(one["heights"], dtype=np.float64)
    intercept = float(one["intercept"])
    if knots.shape != (len(used), _N_RAMPS + 1) or heights.shape != (len(used), _N_RAMPS):
        raise ValueError(f"a model has {knots.shape} knots and {heights.shape} heights")
    if not (np.isfinite(knots).all() and np.isfinite(heights).all() and np.isfinite(intercept)):
        raise ValueError("a model's numbers are not finite")
    if (np.diff(knots) <= 0).any() or (heights < 0).any():
        raise ValueError("a model falls where the evidence rises")
    return _Model(used, knots, heights, intercept)


def fit_combiner(real: Floats, synthetic: Floats, detectors: Sequence[str]) -> Combiner:
    """The combiner that tells known-synthetic samples from known-real ones best.

    An additive logistic model: each detector contributes a rising piecewise-linear curve, fitted
    together by penalised maximum likelihood with both classes at equal weight. The curves are flat
    beyond the knots, so that an outlying score counts as the largest one seen. Where a detector is
    missing, a model without it answers, fitted on everybody who has the others.

    Args:
        real: logits of known-real samples (n, K), NaN where a detector has none.
        synthetic: the same of known-synthetic ones (m, K).
        detectors: their K names.

    Raises:
        InputError: no sample of a class has a score, too many detectors, or a wrong shape.
    """
    names = tuple(detectors)
    if not 1 <= len(names) <= _MOST_DETECTORS:
        raise InputError(f"cannot combine {len(names)} detectors; allowed: 1 to {_MOST_DETECTORS}")
    real = _columns(real, len(names), "real")
    synthetic = _columns(synthetic, len(names), "synthetic")
    models = []
    for size in range(1, len(names) + 1):
        for used in itertools.combinations(range(len(names)), size):
            model = _fit(used, _complete(real, used), _complete(synthetic, used))
            if model is not None:
                models.append(model)
    if not models:
        raise InputError(
            "cannot fit a combiner: no detector has scores of both real and synthetic samples; "
            "calibrate with both"
        )
    return Combiner(names, tuple(models))


def _columns(scores: Floats, n_columns: int, name: str) -> Floats:
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != n_columns:
        raise InputError(
            f"cannot combine: {name} has shape {array.shape}; allowed is (n, {n_columns})"
        )
    return array


def _complete(scores: Floats, used: tuple[int, ...]) -> Floats:
    """Samples that have all of these scores, only their columns."""
    chosen = scores[:, list(used)]
    return np.asarray(chosen[~np.isnan(chosen).any(axis=1)])


def _fit(used: tuple[int, ...], real: Floats, synthetic: Floats) -> _Model | None:
    if not len(real) or not len(synthetic):
        return None
    pooled = np.concatenate([real, synthetic])
    is_synthetic = np.repeat([0.0, 1.0], [len(real), len(synthetic)])
    # Each class has half of the weight, whatever its number.
    shares = np.repeat([0.5 / len(real), 0.5 / len(synthetic)], [len(real), len(synthetic)])
    knots = np.array([_knots(pooled[:, place], shares) for place in range(len(used))])
    ramps = np.concatenate(
        [_ramps(pooled[:, place], knots[place]) for place in range(len(used))], axis=1
    )
    weights = shares * len(pooled)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        margin = parameters[0] + ramps @ parameters[1:]
        error = weights * (expit(margin) - is_synthetic)
        value = float(weights @ (np.logaddexp(0.0, margin) - is_synthetic * margin))
        value += 0.5 * _RIDGE * float(parameters[1:] @ parameters[1:])
        slope = np.append(error.sum(), ramps.T @ error + _RIDGE * parameters[1:])
        return value, slope

    n = ramps.shape[1]
    found = minimize(
        loss,
        np.zeros(n + 1),
        jac=True,
        method="L-BFGS-B",
        bounds=[(None, None), *[(0.0, None)] * n],
        options={"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-8},
    )
    heights = np.asarray(found.x[1:], dtype=np.float64).reshape(len(used), _N_RAMPS)
    return _Model(used, knots, heights, float(found.x[0]))


def _knots(scores: Floats, shares: Floats) -> Floats:
    """Quantiles at which a curve may bend, of both classes at equal weight, ascending."""
    order = np.argsort(scores, kind="stable")
    levels = np.linspace(0.0, 1.0, _N_RAMPS + 1)
    quantiles = np.interp(levels, shares[order].cumsum(), scores[order])
    # Equal scores in numbers would make knots coincide; then the ramp is a step.
    spacing = np.maximum(np.abs(quantiles).max(), 1.0) * 1e-9
    return np.asarray(quantiles + spacing * np.arange(_N_RAMPS + 1))


def _ramps(scores: Floats, knots: Floats) -> Floats:
    """How far up each ramp a score stands, [0, 1] (n, _N_RAMPS)."""
    feet, widths = knots[:-1], np.diff(knots)
    return np.asarray(np.clip((scores[:, None] - feet) / widths, 0.0, 1.0))
