"""Fitting a linear probe: logistic regression in which classes and sources weigh alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from madaudit.detectors.probes.probe import Floats, Probe
from madaudit.encoders.base import unit_length
from madaudit.encoders.crops import CENTRE, CropRule
from madaudit.errors import InputError

#: Weight of the penalty against the mean loss; docs/models/clip_probe.md says how it was chosen.
DEFAULT_PENALTY = 0.1


def fit_probe(
    features: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    groups: Sequence[str],
    *,
    encoder: str = "",
    crops: CropRule = CENTRE,
    penalty: float = DEFAULT_PENALTY,
) -> Probe:
    """A probe that tells synthetic from real, fitted so that no source outweighs another.

    Minimises Σ u_i ln(1 + exp(−y_i (w·z_i + b))) + penalty/2 ‖w‖² with y = ±1. The weights u add
    up to ½ in each class, and within a class to the same for every group, so that 288 photos of
    clothes teach no more than 19 of anything. z are unit-length features less their weighted mean,
    over their weighted standard deviation, which makes `penalty` mean the same on any encoder; w
    and b are given back for plain unit-length features. Deterministic: the function is convex.

    Args:
        features: (n, d), of one encoder at one crop rule; scaled to length 1 here.
        labels: (n,), true for synthetic.
        groups: (n,) generator or real source of each.
        encoder: SHA-256 (hexadecimal) of the encoder's weights.
        crops: the crop rule of the features.
        penalty: > 0.

    Returns:
        A probe whose provenance holds the counts by group and the penalty; add to it with
        `Probe.with_provenance`.

    Raises:
        InputError: a class without samples, features that are not finite, a penalty that is not
            positive, or arrays of different lengths.
    """
    is_synthetic = np.asarray(labels, dtype=bool)
    _require(np.asarray(features), is_synthetic, groups, penalty)
    x = unit_length(np.asarray(features, dtype=np.float64))
    u = _weights(is_synthetic, groups)
    mean = u @ x
    # A feature that hardly varies must not be blown up to the size of the others.
    std = np.sqrt(u @ (x - mean) ** 2)
    std = np.maximum(std, 1e-3 * std.max() + np.finfo(float).tiny)
    w, b, converged = _minimum((x - mean) / std, np.where(is_synthetic, 1.0, -1.0), u, penalty)
    w = w / std
    about = {
        "method": "logistic regression, classes and groups weighted alike",
        "penalty": penalty,
        "converged": converged,
        "n_real": int((~is_synthetic).sum()),
        "n_synthetic": int(is_synthetic.sum()),
        "groups": _counts(is_synthetic, groups),
    }
    return Probe(
        w,
        float(b - mean @ w),
        encoder,
        crops,
        provenance={"fit": about},
    )


def _require(
    features: npt.NDArray[Any],
    is_synthetic: npt.NDArray[np.bool_],
    groups: Sequence[str],
    penalty: float,
) -> None:
    n = len(is_synthetic)
    if features.ndim != 2 or not len(features) == n == len(groups):
        raise InputError(
            f"cannot fit a probe: features {features.shape}, {n} labels and {len(groups)} groups; "
            f"needed are (n, d) and n of each"
        )
    if not is_synthetic.any() or is_synthetic.all():
        raise InputError(
            f"cannot fit a probe on {int(is_synthetic.sum())} synthetic and "
            f"{int((~is_synthetic).sum())} real samples; give both"
        )
    if not np.isfinite(features).all():
        raise InputError("cannot fit a probe: some features are not finite; leave those out")
    if not 0 < penalty < np.inf:
        raise InputError(f"cannot fit a probe with penalty {penalty}; allowed: above 0")


def _weights(is_synthetic: npt.NDArray[np.bool_], groups: Sequence[str]) -> Floats:
    """Weights (n,) that add up to 1: classes alike, and groups alike within a class."""
    pairs = [f"{flag:d}{group}" for flag, group in zip(is_synthetic, groups, strict=True)]
    names, inverse, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    n_groups = [sum(name.startswith(flag) for name in names) for flag in "01"]
    shares = np.array([0.5 / n_groups[int(name[0])] for name in names]) / counts
    return np.asarray(shares[inverse])


def _minimum(z: Floats, y: Floats, u: Floats, penalty: float) -> tuple[Floats, float, bool]:
    """Weights, intercept, and whether the search ended at the minimum."""

    def loss(parameters: Floats) -> tuple[float, Floats]:
        w, b = parameters[:-1], parameters[-1]
        margin = y * (z @ w + b)
        slope = -u * y * expit(-margin)
        gradient = np.append(slope @ z + penalty * w, slope.sum())
        return float(u @ np.logaddexp(0, -margin) + penalty / 2 * w @ w), gradient

    found = minimize(
        loss,
        np.zeros(z.shape[1] + 1),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 2000, "ftol": 1e-14, "gtol": 1e-9},
    )
    return found.x[:-1], float(found.x[-1]), bool(np.abs(found.jac).max() < 1e-6)


def _counts(is_synthetic: npt.NDArray[np.bool_], groups: Sequence[str]) -> dict[str, int]:
    kinds = ["synthetic" if flag else "real" for flag in is_synthetic]
    names = [f"{kind}: {group}" for kind, group in zip(kinds, groups, strict=True)]
    return {name: names.count(name) for name in sorted(set(names))}
