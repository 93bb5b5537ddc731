"""A linear probe: weights on an encoder's features, bound to that encoder and its crops.

Invariants: a probe scores features of its own encoder only, told by the SHA-256 of its weights;
its file is JSON of plain numbers, so reading one runs nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from madaudit.encoders.base import unit_length
from madaudit.encoders.crops import CENTRE, CropRule
from madaudit.errors import InputError
from madaudit.limits import MAX_EMBEDDING_DIMENSIONS

FORMAT = "madaudit linear probe"
VERSION = 1
Floats = npt.NDArray[np.float64]
_KEYS = {
    "format",
    "version",
    "encoder",
    "crops",
    "unit_length",
    "weights",
    "intercept",
    "provenance",
}


@dataclass(frozen=True, eq=False)
class Probe:
    """A score w·x + b of features, as a logit: ln of the odds at equal numbers of both classes.

    Attributes:
        weights: w, float64 (d,).
        intercept: b.
        encoder: SHA-256 (hexadecimal) of the encoder's weights.
        crops: which squares of an image the features are of.
        unit_length: whether features are scaled to Euclidean length 1 before they are weighed.
        provenance: what it was fitted on and how; anything that JSON can hold.
    """

    weights: Floats
    intercept: float
    encoder: str
    crops: CropRule = CENTRE
    unit_length: bool = True
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.weights.ndim != 1 or not 0 < len(self.weights) <= MAX_EMBEDDING_DIMENSIONS:
            raise InputError(
                f"cannot use a probe with weights of shape {self.weights.shape}; allowed: (d,) "
                f"with d from 1 to {MAX_EMBEDDING_DIMENSIONS}"
            )
        if not (np.isfinite(self.weights).all() and math.isfinite(self.intercept)):
            raise InputError("cannot use a probe whose weights are not all finite; fit it anew")

    def scores(self, features: npt.NDArray[Any]) -> Floats:
        """Logits (n,) of features (n, d), or of one vector (d,) as (1,); higher: more synthetic.

        Raises:
            InputError: features of another number of dimensions.
        """
        rows = np.atleast_2d(np.asarray(features, dtype=np.float64))
        if rows.shape[1] != len(self.weights):
            raise InputError(
                f"cannot score features of {rows.shape[1]} dimensions: the probe has "
                f"{len(self.weights)}; it belongs to encoder {self.encoder[:12]}"
            )
        return (unit_length(rows) if self.unit_length else rows) @ self.weights + self.intercept

    def with_provenance(self, **more: Any) -> Probe:
        """The same probe, with more said of where it comes from."""
        return replace(self, provenance={**self.provenance, **more})

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of everything that its scores depend on."""
        content = {**self.to_dict(), "provenance": None}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "encoder": self.encoder,
            "crops": self.crops.to_dict(),
            "unit_length": self.unit_length,
            "intercept": self.intercept,
            "weights": self.weights.tolist(),
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_dict(cls, content: Any) -> Probe:
        """The probe that `to_dict` wrote.

        Raises:
            InputError: it is none, or of another version.
        """
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise InputError(
                f"cannot read a probe: its format is not {FORMAT!r}; make one with: madaudit "
                f"calibrate --train-probe"
            )
        if content.get("version") != VERSION:
            raise InputError(
                f"cannot read a probe of version {content.get('version')!r}; this madaudit reads "
                f"{VERSION}: fit it anew"
            )
        fault = _fault(content)
        if fault:
            raise InputError(f"cannot read a probe: {fault}; fit it anew")
        return cls(
            np.array(content["weights"], dtype=np.float64),
            float(content["intercept"]),
            content["encoder"],
            CropRule.from_dict(content["crops"]),
            content["unit_length"],
            content["provenance"],
        )


def _fault(content: dict[str, Any]) -> str | None:
    """What is wrong with a probe's JSON, or None."""
    if set(content) != _KEYS:
        return f"its keys are {sorted(content)!r:.200}, needed are {sorted(_KEYS)}"
    numbers = content["weights"]
    if not isinstance(numbers, list) or len(numbers) > MAX_EMBEDDING_DIMENSIONS:
        return "its weights are no list of numbers"
    if not all(_is_number(value) for value in (*numbers, content["intercept"])):
        return "a weight is no number"
    for key, kind in (("encoder", str), ("crops", dict), ("unit_length", bool)):
        if not isinstance(content[key], kind):
            return f"its {key!r} is {content[key]!r:.60}"
    return None if isinstance(content["provenance"], dict) else "its provenance is no object"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300
