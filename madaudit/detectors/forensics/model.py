"""A linear model over features: fitted with equal say for every group, kept as JSON.

Invariants: the score is a logit at equal shares of both classes, so it knows no prevalence; the
fit has no randomness; a model belongs to one list of feature names and refuses others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize

from madaudit.detectors.forensics.traces import Features, feature_names
from madaudit.errors import InputError

Array = npt.NDArray[np.float64]

# Standard deviations beyond which a feature has no more say: a strange image must not decide.
_CLIP = 4.0


class Smoothing(NamedTuple):
    """What a fit pays for, per unit of the mean log loss; `--select` chose the values.

    Attributes:
        penalty: price of the squared weights; larger is smoother.
        steadiness: price of the score's variance between views of one image.
    """

    penalty: float = 0.1
    steadiness: float = 1.0


USUAL = Smoothing()


@dataclass(frozen=True, eq=False)
class ForensicModel:
    """Standardises features and adds them up.

    Attributes:
        names: what the features are, in order.
        centre: float64 (d,), balanced mean of the training features.
        scale: float64 (d,), balanced standard deviation, > 0.
        weights: float64 (d,), per standard deviation.
        bias: logit of an image at the centre.
        notes: what it was fitted on, for people.
    """

    names: tuple[str, ...]
    centre: Array
    scale: Array
    weights: Array
    bias: float
    notes: Mapping[str, Any]

    def score(self, features: Features | Array) -> Array:
        """Logit of "synthetic" where both classes are equally frequent.

        Args:
            features: (d,) of one image or (n, d).

        Returns:
            float64 () or (n,).
        """
        return np.asarray(self._standard(features) @ self.weights + self.bias)

    def contributions(self, features: Features | Array) -> dict[str, float]:
        """What each group of features adds to the score of one image, in logits.

        Args:
            features: (d,).
        """
        parts = self._standard(features) * self.weights
        found: dict[str, float] = {}
        for name, part in zip(self.names, parts, strict=True):
            group = name.partition(".")[0]
            found[group] = found.get(group, 0.0) + float(part)
        return found

    def _standard(self, features: Features | Array) -> Array:
        standard = (np.asarray(features, np.float64) - self.centre) / self.scale
        return np.asarray(np.clip(standard, -_CLIP, _CLIP), np.float64)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what decides a score, in hexadecimal digits."""
        text = json.dumps({**self.to_dict(), "notes": None}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, numbers to seven digits."""
        arrays = {"centre": self.centre, "scale": self.scale, "weights": self.weights}
        return {
            "names": list(self.names),
            **{name: [float(f"{value:.7g}") for value in array] for name, array in arrays.items()},
            "bias": float(f"{self.bias:.7g}"),
            "notes": dict(self.notes),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ForensicModel:
        """The model that `to_dict` wrote.

        Raises:
            InputError: it was fitted on other features than this version measures, or is broken.
        """
        if tuple(values.get("names", ())) != feature_names():
            raise InputError(
                "cannot use the forensic weights: they belong to other features than this version "
                "of madaudit measures; train them again with scripts/train_forensic"
            )
        arrays = {name: np.array(values[name], float) for name in ("centre", "scale", "weights")}
        fits = all(
            array.shape == (len(feature_names()),) and np.isfinite(array).all()
            for array in arrays.values()
        )
        if not fits or arrays["scale"].min() <= 0 or not np.isfinite(values["bias"]):
            raise InputError(
                "cannot use the forensic weights: a number is missing or not finite; train them "
                "again with scripts/train_forensic"
            )
        return cls(feature_names(), **arrays, bias=values["bias"], notes=values["notes"])


def fit_forensic(
    features: Features | Array,
    labels: npt.ArrayLike,
    groups: Sequence[str] | npt.NDArray[np.str_],
    *,
    items: Sequence[str] | npt.NDArray[np.str_] | None = None,
    smoothing: Smoothing = USUAL,
    notes: Mapping[str, Any] | None = None,
) -> ForensicModel:
    """Ridge logistic regression in which classes have equal weight, and groups within them.

    A group of n rows has weight √n within its class: many photos of one kind do not drown the
    others, and three images do not speak for a generator.

    Args:
        features: (n, d), finite.
        labels: n times 0 (real) or 1 (synthetic).
        groups: generator or photo source of each row.
        items: the image behind each row, where an image has several (other crops, sizes,
            compressions): what changes between them is no trace of generation, and a score that
            follows it is punished.
        smoothing: how much weights, and changes between views, cost.
        notes: kept with the model.

    Raises:
        InputError: one class is empty.
    """
    labels = np.asarray(labels, np.float64)
    if not 0 < labels.mean() < 1:
        raise InputError(
            f"cannot fit the forensic model: {int(labels.sum())} of {labels.size} images are "
            "synthetic; both real and synthetic ones are needed"
        )
    shares = _shares(labels, np.asarray(groups))
    values = np.asarray(features, np.float64)
    centre = shares @ values
    scale = np.sqrt(shares @ (values - centre) ** 2) + 1e-6
    standard = np.clip((values - centre) / scale, -_CLIP, _CLIP)
    ridge = smoothing.penalty * np.eye(values.shape[1])
    if items is not None:
        ridge += smoothing.steadiness * _between_views(standard, np.asarray(items), shares)
    fitted = _minimum(standard, 2 * labels - 1, shares, ridge)
    return ForensicModel(
        feature_names(), centre, scale, fitted[:-1], float(fitted[-1]), notes or {}
    )


def _shares(labels: Array, groups: npt.NDArray[Any]) -> Array:
    """Weight of each row; those of a class sum to ½."""
    shares = np.zeros(labels.size)
    for label in (0, 1):
        for group in np.unique(groups[labels == label]):
            of_group = (labels == label) & (groups == group)
            shares[of_group] = 1 / np.sqrt(of_group.sum())
        shares[labels == label] /= 2 * shares[labels == label].sum()
    return shares


def _between_views(standard: Array, items: npt.NDArray[Any], shares: Array) -> Array:
    """Covariance of features between views of one image, pooled over images, (d, d)."""
    _, places, counts = np.unique(items, return_inverse=True, return_counts=True)
    means = np.zeros((counts.size, standard.shape[1]))
    np.add.at(means, places, standard)
    means /= counts[:, None]
    n = counts[places]
    of_row = np.where(n > 1, shares * n / np.maximum(n - 1, 1), 0)
    apart = standard - means[places]
    return np.asarray((apart * of_row[:, None]).T @ apart / max(float(shares[n > 1].sum()), 1e-12))


def _minimum(standard: Array, signs: Array, shares: Array, ridge: Array) -> Array:
    """Weights and bias of least penalised log loss, (d + 1,)."""

    def loss(fitted: Array) -> tuple[float, Array]:
        margins = signs * (standard @ fitted[:-1] + fitted[-1])
        pull = -shares * signs / (1 + np.exp(np.clip(margins, -60, 60)))
        pressed = ridge @ fitted[:-1]
        slope = np.append(standard.T @ pull + pressed, pull.sum())
        value = shares @ np.logaddexp(0, -margins) + fitted[:-1] @ pressed / 2
        return float(value), slope

    start = np.zeros(standard.shape[1] + 1)
    found = optimize.fmin_l_bfgs_b(loss, start, pgtol=1e-7, maxiter=500)
    return np.asarray(found[0], np.float64)
