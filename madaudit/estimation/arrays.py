"""Histograms from the arrays that users of QuaPy and of ppi-python already hold.

QuaPy: posteriors of a classifier on labelled and on unlabelled items. ppi-python: labels,
predictions on labelled items, predictions on the others. Predictions are probabilities of being
synthetic; they are binned by their logit, so a miscalibrated classifier costs nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from madaudit.errors import InputError
from madaudit.estimation.counts import Floats, Histograms
from madaudit.estimation.sketch import ScoreSketch


def histograms_from_posteriors(
    posteriors: npt.ArrayLike, labels: npt.ArrayLike, target_posteriors: npt.ArrayLike
) -> Histograms:
    """Calibration and target as QuaPy's quantifiers see them.

    Args:
        posteriors: of calibration items that the classifier was not fitted on, (n, 2) with
            synthetic second, or (n,) of synthetic.
        labels: 0 for real, 1 for synthetic (n,).
        target_posteriors: of the target, in the same form.

    Raises:
        InputError: shapes that do not fit, or labels other than 0 and 1.
    """
    scores = _logits("posteriors", posteriors)
    truth = _truth(labels, len(scores))
    target, missing = _counted(_logits("target_posteriors", target_posteriors))
    none = np.zeros(len(target))
    real, synthetic = (_counted(scores[truth == label])[0] for label in (0, 1))
    return Histograms(real, synthetic, target, none, none, missing_share=missing)


def histograms_from_predictions(
    labels: npt.ArrayLike, predictions: npt.ArrayLike, unlabelled_predictions: npt.ArrayLike
) -> Histograms:
    """Labels and target in the order of arguments of `ppi_mean_ci`, without calibration.

    Args:
        labels: Y, 0 for real and 1 for synthetic (n,), of a simple random sample of the target.
        predictions: Yhat, probabilities of being synthetic for those samples (n,).
        unlabelled_predictions: Yhat_unlabeled, for the others (N,).

    Raises:
        InputError: shapes that do not fit, or labels other than 0 and 1.
    """
    scores = _logits("predictions", predictions)
    truth = _truth(labels, len(scores))
    others, missing = _counted(_logits("unlabelled_predictions", unlabelled_predictions))
    real, synthetic = (_counted(scores[truth == label])[0] for label in (0, 1))
    none = np.zeros(len(others))
    target = others + real + synthetic
    return Histograms(none, none, target, real, synthetic, missing_share=missing)


def _logits(name: str, values: npt.ArrayLike) -> Floats:
    array: npt.NDArray[Any] = np.asarray(values, dtype=np.float64)
    if array.ndim == 2 and array.shape[1] == 2:
        array = array[:, 1]
    if array.ndim != 1 or bool(((array < 0) | (array > 1)).any()):
        raise InputError(
            f"{name} has shape {array.shape}; give probabilities of being synthetic, (n,) or "
            f"(n, 2) with synthetic second, all in [0, 1]"
        )
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(array) - np.log1p(-array))


def _truth(labels: npt.ArrayLike, n: int) -> npt.NDArray[np.int64]:
    array = np.asarray(labels)
    if array.shape != (n,) or not np.isin(array, (0, 1)).all():
        raise InputError(
            f"labels have shape {array.shape} for {n} items; give 0 (real) or 1 (synthetic) each"
        )
    return array.astype(np.int64)


def _counted(scores: Floats) -> tuple[Floats, float]:
    sketch = ScoreSketch.count(scores)
    return sketch.counts.astype(np.float64), sketch.missing_share
