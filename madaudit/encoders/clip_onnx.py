"""CLIP's image tower from an ONNX file, on onnxruntime: no torch, any machine.

The file has one input, float32 (n, 3, s, s) normalised as CLIP's own preprocessing does, and an
output (n, d) with the embeddings, the way Hugging Face's exporter names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from madaudit.encoders.base import Encoder, Features
from madaudit.encoders.crops import Crop
from madaudit.encoders.pixels import clip_planes
from madaudit.encoders.weights import digest_of, find
from madaudit.errors import MissingExtraError, RequestError

try:
    import onnxruntime
except ImportError as error:
    raise MissingExtraError("run an ONNX encoder", package="onnxruntime", extra="onnx") from error


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

    def __post_init__(self) -> None:
        find(self.weights)

    @property
    def digest(self) -> str:
        return digest_of(find(self.weights))

    @property
    def arithmetic(self) -> str:
        return "onnxruntime"

    @property
    def side_px(self) -> int:
        return int(self._session().get_inputs()[0].shape[2])

    @property
    def dimension(self) -> int:
        return int(self._session().get_outputs()[0].shape[1])

    def load(self) -> None:
        self._session()

    def project(self, crops: Sequence[Crop]) -> Features:
        session = self._session()
        features = np.empty((len(crops), self.dimension), dtype=np.float32)
        name, output = session.get_inputs()[0].name, session.get_outputs()[0].name
        for row, crop in zip(features, crops, strict=True):
            row[:] = session.run([output], {name: clip_planes(crop)})[0][0]
        return features

    def _session(self) -> Any:
        return _open_session(str(find(self.weights)), self.threads)


@cache
def _open_session(path: str, threads: int) -> Any:
    """The tower, read once a process; detectors on one encoder share it.

    Raises:
        RequestError: the file is no image tower.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
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
    return session
