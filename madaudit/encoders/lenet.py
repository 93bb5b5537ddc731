"""LeNet on real digits: the feature space of metrics on small images, in numpy alone.

The paper on MAD measures its MNIST loops by "FID" on LeNet features without saying which layer;
here it is the last hidden one, 84 numbers (F6 of LeCun et al. 1998, fig. 2), trained by
`scripts/train_lenet`. Images of any side and of one or three channels are brought to 28 × 28 grey
pixels first, so values of different sides may be compared, unlike those on raw pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from madaudit.encoders.base import Encoder, Features
from madaudit.encoders.crops import Crop
from madaudit.errors import OptionError

SIDE_PX = 28
N_FEATURES = 84
# Images that go through at once: their patches take 160 MB.
_TOGETHER = 512
Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LeNet:
    """A trained LeNet.

    Attributes:
        weights: by layer: conv1 (6, 1, 5, 5), conv2 (16, 6, 5, 5), dense1 (120, 400),
            dense2 (84, 120), each with a bias of the same name and "_bias".
    """

    weights: Mapping[str, npt.NDArray[Any]]

    def features(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Activations of the last hidden layer.

        Args:
            values: images (n, channels, side, side) in [−1, 1].

        Returns:
            float64 (n, 84), ≥ 0.

        Raises:
            OptionError: no square images.
        """
        shape = values.shape
        if len(shape) != 4 or shape[2] != shape[3]:
            raise OptionError(f"LeNet cannot look at samples of shape {shape[1:]}: no images")
        parts = [
            self._forward(values[start : start + _TOGETHER])
            for start in range(0, len(values), _TOGETHER)
        ]
        return np.concatenate(parts).astype(np.float64)

    def _forward(self, values: Array) -> Array:
        x = resized(values.mean(axis=1, keepdims=True, dtype=np.float32), SIDE_PX)
        # Background, −1, becomes 0, which is what surrounds an image.
        x = np.pad(x + np.float32(1), ((0, 0), (0, 0), (2, 2), (2, 2)))
        for layer in ("conv1", "conv2"):
            x = _halved(np.maximum(self._convolved(x, layer), 0))
        x = x.reshape(len(x), -1)
        for layer in ("dense1", "dense2"):
            x = np.maximum(x @ self._weight(layer).T + self._weight(f"{layer}_bias"), 0)
        return x

    def _convolved(self, x: Array, layer: str) -> Array:
        kernel = self._weight(layer)
        patches = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], axis=(2, 3))
        found = np.tensordot(patches, kernel, axes=((1, 4, 5), (1, 2, 3)))
        return np.asarray((found + self._weight(f"{layer}_bias")).transpose(0, 3, 1, 2))

    def _weight(self, name: str) -> Array:
        return self.weights[name].astype(np.float32)


@dataclass(frozen=True)
class DigitLeNet(Encoder):
    """LeNet as an encoder of squares of 28 × 28 pixels, for loops of small images.

    Attributes:
        weights: none but those in the package; for those who tell every encoder its weights.
        threads: likewise; numpy's own number counts.
    """

    name: ClassVar[str] = "lenet"
    version: ClassVar[int] = 1

    weights: str = ""
    threads: int = 1

    def __post_init__(self) -> None:
        if self.weights:
            raise OptionError(
                f"cannot give the encoder 'lenet' the weights {self.weights!r}: it knows those in "
                f"the package alone; give weights="
            )

    @property
    def digest(self) -> str:
        return hashlib.sha256(_file().read_bytes()).hexdigest()

    @property
    def arithmetic(self) -> str:
        return "float32"

    @property
    def side_px(self) -> int:
        return SIDE_PX

    @property
    def dimension(self) -> int:
        return N_FEATURES

    def load(self) -> None:
        load_lenet()

    def project(self, crops: Sequence[Crop]) -> Features:
        network = load_lenet()
        rows = np.empty((len(crops), N_FEATURES), np.float32)
        for row, crop in zip(rows, crops, strict=True):
            values = crop.astype(np.float32) / np.float32(127.5) - 1
            # One by one: the sums of a product of matrices depend on their number of rows.
            row[:] = network.features(np.ascontiguousarray(values.transpose(2, 0, 1))[None])[0]
        return rows


@cache
def load_lenet() -> LeNet:
    """The trained LeNet of the package."""
    with _file().open("rb") as stream, np.load(stream, allow_pickle=False) as content:
        return LeNet({name: content[name] for name in content.files})


def _file() -> Traversable:
    return resources.files("madaudit.encoders").joinpath("lenet.npz")


def resized(x: Array, side: int) -> Array:
    """Images (n, channels, s, s) at another side, bilinear between pixel centres."""
    old = x.shape[-1]
    if old == side:
        return x
    places = np.clip((np.arange(side) + 0.5) * old / side - 0.5, 0, old - 1)
    low = np.minimum(places.astype(np.intp), max(old - 2, 0))
    share = (places - low).astype(np.float32)
    matrix = np.zeros((side, old), np.float32)
    matrix[np.arange(side), low] += 1 - share
    matrix[np.arange(side), np.minimum(low + 1, old - 1)] += share
    return np.asarray(np.einsum("ij,ncjk,lk->ncil", matrix, x, matrix, optimize=True))


def _halved(x: Array) -> Array:
    n, channels, side, _ = x.shape
    return np.asarray(x.reshape(n, channels, side // 2, 2, side // 2, 2).mean(axis=(3, 5)))
