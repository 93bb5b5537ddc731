"""SynthID-Text's Bayesian detector: trained probabilities of g-values in marked text.

Sources: synthid-text 0.2.1 detector_bayesian.py; transformers 5.24, BayesianDetectorModel. The
likelihood of marked text is normalised, so its ratio to the null's has mean 1 under "no
watermark", and 1 / ratio is a p-value that is never too small (Ville's and Markov's inequality).
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from madaudit.errors import OptionError
from madaudit.shards.array_files import parse_npz

Floats = npt.NDArray[np.float64]
_NAMES = ("beta", "delta", "prior")
_KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
_LARGEST_BYTES = 1 << 26


@dataclass(frozen=True)
class Parameters:
    """A trained detector.

    Attributes:
        beta: (depth,).
        delta: (depth, depth); only entries below the diagonal count.
        prior: probability that a text is marked, (0, 1).
        digest: SHA-256 of the file.
    """

    beta: Floats
    delta: Floats
    prior: float
    digest: str

    def probabilities(self, g_values: npt.NDArray[np.uint8]) -> Floats:
        """P(g-value | marked) of each g-value that was seen, float64 (n, depth)."""
        logits = g_values @ np.tril(self.delta, -1).T + self.beta
        two = special.expit(logits)  # two different tokens met in this layer
        return np.asarray(0.5 * ((g_values + 0.5) * two + 1 - two))

    def posterior(self, g_values: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_]) -> float:
        """P(marked | g-values), as the published detectors give it; not a p-value."""
        prior = min(max(self.prior, 1e-5), 1 - 1e-5)
        surprise = float(np.log(self.probabilities(g_values[mask]) / 0.5).sum())
        return float(special.expit(surprise + special.logit(prior)))

    def log_ratio(
        self, g_values: npt.NDArray[np.uint8], is_new: npt.NDArray[np.bool_], share: float
    ) -> float:
        """Logarithm of P(g-values | marked) / P(g-values | not marked).

        Args:
            g_values: of the unmasked n-grams, (n, depth).
            is_new: whether a g-value's cell was not seen before, (n, depth); a bit that is known
                already says nothing more.
            share: probability of a 1 under "no watermark".
        """
        null = np.where(g_values == 1, share, 1 - share)
        return float(np.log(self.probabilities(g_values) / null)[is_new].sum())


def load_parameters(path: str) -> Parameters:
    """Parameters from a safetensors file (transformers) or an npz file (flax's arrays).

    Raises:
        OptionError: the file cannot be read, or holds other arrays.
    """
    try:
        with open(path, "rb") as stream:
            content = stream.read(_LARGEST_BYTES + 1)
        if len(content) > _LARGEST_BYTES:
            raise ValueError("more than 64 MiB")
        arrays = _npz(content) if content[:2] == b"PK" else _safetensors(content)
        return _checked(arrays, hashlib.sha256(content).hexdigest())
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise OptionError(
            f"cannot read the parameters {Path(path).as_posix()!r}: {error}; allowed: a "
            "safetensors file of transformers' BayesianDetectorModel, or an npz file with the "
            "arrays beta, delta and prior"
        ) from error


def _checked(arrays: dict[str, Floats], digest: str) -> Parameters:
    missing = [name for name in _NAMES if name not in arrays]
    if missing:
        raise ValueError(f"no array {missing[0]!r}")
    beta = arrays["beta"].reshape(-1)
    delta = arrays["delta"].reshape(len(beta), len(beta))
    prior = float(arrays["prior"].reshape(-1)[0])
    if not (np.isfinite(beta).all() and np.isfinite(delta).all() and 0 < prior < 1):
        raise ValueError("numbers that are not finite, or a prior outside 0 to 1")
    return Parameters(beta, delta, prior, digest)


def _short(name: str) -> str:
    """`likelihood_model_watermarked.beta` and `params/…/beta` to `beta`."""
    return name.replace("/", ".").rpartition(".")[2]


def _npz(content: bytes) -> dict[str, Floats]:
    arrays = parse_npz(content, most_bytes=_LARGEST_BYTES)
    return {_short(name): values.astype(np.float64) for name, values in arrays.items()}


def _safetensors(content: bytes) -> dict[str, Floats]:
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 + length:
        raise ValueError("neither npz nor safetensors")
    header: dict[str, Any] = json.loads(content[8 : 8 + length])
    body = content[8 + length :]
    arrays = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            values = np.frombuffer(body[start:end], dtype=_KINDS[entry["dtype"]])
            if math.prod(entry["shape"]) != values.size:
                raise ValueError(f"array {name!r} is cut")
            arrays[_short(name)] = values.astype(np.float64).reshape(entry["shape"])
    return arrays
