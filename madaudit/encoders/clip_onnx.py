"""CLIP's image tower from an ONNX file, on onnxruntime: no torch, any machine.

The file has one input, float32 (n, 3, s, s) normalised as CLIP's own preprocessing does, and an
output (n, d) with the embeddings, the way Hugging Face's exporter names them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from madaudit.encoders.base import Crop, Encoder, Features
from madaudit.encoders.weights import find
from madaudit.errors import MissingExtraError, RequestError

try:
    import onnxruntime
except ImportError as error:
    raise MissingExtraError("run an ONNX encoder", package="onnxruntime", extra="onnx") from error

# Radford et al. 2021, arXiv:2103.00020: the channels' mean and standard deviation, of 0 to 1.
_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
_STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)
_SCALE, _SHIFT = 1 / (255 * _STD), -_MEAN / _STD


@dataclass(frozen=True)
class ClipOnnx(Encoder):
    """CLIP's image tower in ONNX form.

    Images go through one by one: dynamic quantisation takes its scale from the whole batch, so
    that the features of an image would depend on its neighbours (by up to .6 in a vector of
    length 10 with random input).

    Attributes:
        weights: path of the ONNX file, or the name of weights that `madaudit weights` knows.
        threads: of onnxruntime; 1 where several processes encode.
    """

    name: ClassVar[str] = "clip-onnx"
    version: ClassVar[int] = 1

    weights: str = "clip-vit-b16-int8"
    threads: int = 1
    _session: Any = field(init=False, repr=False, compare=False)
    _digest: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        path = find(self.weights)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        data = path.read_bytes()
        try:
            session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise RequestError(
                f"cannot use {path} as an encoder: onnxruntime says {str(error)[:200]!r}; give an "
                f"exported CLIP image tower"
            ) from error
        shape = session.get_inputs()[0].shape
        if len(shape) != 4 or shape[1] != 3 or not isinstance(shape[2], int):
            raise RequestError(
                f"cannot use {path} as an encoder: its input is {shape}; allowed is "
                f"(n, 3, side, side) with a fixed side"
            )
        # A frozen dataclass lets nobody else write to it, its own construction included.
        object.__setattr__(self, "_session", session)
        object.__setattr__(self, "_digest", hashlib.sha256(data).hexdigest())

    @property
    def digest(self) -> str:
        return self._digest

    @property
    def side_px(self) -> int:
        return int(self._session.get_inputs()[0].shape[2])

    @property
    def dimension(self) -> int:
        return int(self._session.get_outputs()[0].shape[1])

    def encode(self, crops: Sequence[Crop]) -> Features:
        features = np.empty((len(crops), self.dimension), dtype=np.float32)
        name = self._session.get_inputs()[0].name
        output = self._session.get_outputs()[0].name
        for row, crop in zip(features, crops, strict=True):
            planes = (crop * _SCALE + _SHIFT).astype(np.float32).transpose(2, 0, 1)[None]
            row[:] = self._session.run([output], {name: planes})[0][0]
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        features /= np.maximum(lengths, np.finfo(np.float32).tiny)
        return features
