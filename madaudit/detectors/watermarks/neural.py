"""What the checks by a published network share: weights by path, bits, p-value.

Invariants: no weights come with madaudit and none are downloaded; a check without its weights,
with a file of another shape, or without a message to look for refuses to run. The p-value is exact
for a message drawn at random; what photos answer to a published one is docs/watermarks.md's to
say, where it was measured.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from madaudit.detectors.base import Batch, Detector, Kind, Pixels, Tier
from madaudit.detectors.watermarks.pixels import messages as known
from madaudit.detectors.watermarks.pixels.judging import (
    evidence_of,
    require_threshold,
    unobservable,
    without_pixels,
)
from madaudit.detectors.watermarks.pixels.messages import Message
from madaudit.detectors.watermarks.pixels.reading import Fit
from madaudit.errors import MissingExtraError, RequestError
from madaudit.types import Evidence

Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class NeuralWatermark(Detector):
    """Looks for known messages by a published decoder.

    Attributes:
        weights: path of the decoder's file.
        messages: TOML file with messages to look for, beside those that come with madaudit.
        threshold: largest p-value that is called present.

    Class attributes:
        n_bits: that the decoder reads.
        min_pixels: of an image that can carry the mark.
        weights_source: where the file is to be had.
    """

    weights: str = ""
    messages: str = ""
    threshold: float = 1e-6

    kind: ClassVar[Kind] = "one-sided"
    tier: ClassVar[Tier] = "model"
    n_bits: ClassVar[int]
    min_pixels: ClassVar[int]
    weights_source: ClassVar[str]

    def __post_init__(self) -> None:
        require_threshold(self.name, self.threshold)
        known.load(self.messages)

    @abstractmethod
    def read_bits(self, pixels: Pixels) -> Bits:
        """The bits (n_bits,) that the network reads in an image."""

    @abstractmethod
    def why_unloadable(self) -> str | None:
        """Why the weights cannot be used here, or None where they can."""

    def why_unavailable(self) -> str | None:
        if not self.weights:
            return (
                f"it needs weights, and none are downloaded: give {self.name}.weights=PATH "
                f"({self.weights_source})"
            )
        if not Path(self.weights).is_file():
            return f"its weights {self.weights!r} are not there ({self.weights_source})"
        if not self._wanted():
            return (
                f"no message is known for it: give {self.name}.messages=FILE with a message of "
                f"{self.n_bits} bits and checks = ['{self.name}']"
            )
        return self.why_unloadable()

    def fingerprint(self) -> Mapping[str, Any]:
        return {
            "messages": known.load(self.messages).digest,
            "weights": digest_of(self.weights) if Path(self.weights).is_file() else None,
        }

    def detect(self, batch: Batch) -> list[Evidence]:
        return [self._evidence(batch, index) for index in range(len(batch))]

    def _evidence(self, batch: Batch, index: int) -> Evidence:
        pixels = batch.pixels(index)
        if pixels is None:
            return without_pixels(batch.looks[index].sample)
        height, width = pixels.shape[:2]
        if height * width < self.min_pixels:
            return unobservable(
                f"{width} × {height} pixels are fewer than the {self.min_pixels} that a mark needs"
            )
        bits = self.read_bits(pixels)
        fits = []
        for message in self._wanted():
            n_agree = int((bits == message.bits).sum())
            fits.append(Fit(message, n_agree, message.tail(self.name)[n_agree], 1))
        best = min(fits, key=lambda fit: fit.p_value)
        return evidence_of(
            best, threshold=self.threshold, hypotheses=len(fits), field="pixels, by a network"
        )

    def _wanted(self) -> list[Message]:
        known_messages = known.load(self.messages).wanted_by(self.name)
        return [message for message in known_messages if message.n_bits == self.n_bits]


@cache
def digest_of(path: str) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@cache
def onnx_session(path: str) -> Any:
    """A session of onnxruntime on one core, so that workers do not fight for them.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        RequestError: the file is no model.
    """
    try:
        import onnxruntime  # noqa: PLC0415 — optional, loaded on use
    except ImportError as error:
        raise MissingExtraError(
            "read an ONNX model", package="onnxruntime", extra="watermark"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise RequestError(f"cannot read {path} as an ONNX model: {str(error)[:200]}") from error


def why_other_shape(path: str, *, given: str, shape: tuple[int, ...], n_bits: int) -> str | None:
    """Why an ONNX file is not the decoder that a check expects, or None.

    Args:
        path: of the file.
        given: the input's name.
        shape: of the input; 0 stands for any length.
        n_bits: the output's last length.
    """
    try:
        session = onnx_session(path)
    except (MissingExtraError, RequestError) as error:
        return str(error)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    seen = f"{[(i.name, i.shape) for i in inputs]} to {[(o.name, o.shape) for o in outputs]}"
    fits = (
        len(inputs) == 1
        and inputs[0].name == given
        and len(inputs[0].shape) == len(shape)
        and all(
            not wanted or not isinstance(got, int) or got == wanted
            for got, wanted in zip(inputs[0].shape, shape, strict=True)
        )
        and outputs[0].shape[-1] in (n_bits, *(d for d in outputs[0].shape if isinstance(d, str)))
    )
    if fits:
        return None
    return (
        f"{path} is another model: it maps {seen}; expected is {given!r} of {len(shape)} "
        f"dimensions to {n_bits} numbers"
    )
