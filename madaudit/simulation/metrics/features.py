"""What every metric asks of its features."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from madaudit.errors import InputError

Features = npt.NDArray[np.float64]


def as_features(real: npt.ArrayLike, synthetic: npt.ArrayLike, least: int) -> list[Features]:
    """Both as float64 (n, d), refused where no metric could be taken of them.

    Args:
        real: features (n, d).
        synthetic: features (m, d) of the same encoder.
        least: samples that either side needs.

    Raises:
        InputError: not two-dimensional, other dimensions, too few samples, NaN or infinite.
    """
    both = [_as_matrix("real", real), _as_matrix("synthetic", synthetic)]
    if both[0].shape[1] != both[1].shape[1]:
        raise InputError(
            f"cannot compare features of {both[0].shape[1]} and {both[1].shape[1]} dimensions; "
            f"encode both with one encoder"
        )
    for name, features in zip(("real", "synthetic"), both, strict=True):
        if len(features) < least:
            raise InputError(
                f"cannot compare: {len(features)} {name} samples; at least {least} are needed"
            )
        if not np.isfinite(features).all():
            raise InputError(
                f"cannot compare: {name} features are not all finite; leave out samples that "
                f"could not be encoded"
            )
    return both


def _as_matrix(name: str, features: Any) -> Features:
    matrix = np.asarray(features, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] < 1:
        raise InputError(
            f"cannot compare: {name} features have shape {matrix.shape}; allowed is (n, d)"
        )
    return matrix
