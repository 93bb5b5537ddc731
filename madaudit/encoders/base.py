"""What an encoder promises.

Invariants: the features of an image depend on its pixels alone, not on its neighbours; without
its weights an encoder cannot be built, so nothing is ever scored with random ones; a probe is
bound to the digest of the encoder whose features it was fitted on. Building one finds its weights
and reads nothing; they are loaded on first use, or by `load`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from madaudit.encoders.crops import Crop

Features = npt.NDArray[np.float32]


class Encoder(ABC):
    """Maps square crops to features.

    Class attributes:
        name: what users type.
        version: raised whenever its numbers change.
    """

    name: ClassVar[str]
    version: ClassVar[int]

    @property
    @abstractmethod
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the weights' file."""

    @property
    @abstractmethod
    def arithmetic(self) -> str:
        """What its numbers depend on besides weights and pixels, for example "bf16"."""

    @property
    @abstractmethod
    def side_px(self) -> int:
        """Side of the crops that it takes."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Number of features."""

    @abstractmethod
    def load(self) -> None:
        """Read the weights into memory, unless they are.

        Raises:
            RequestError: they are no weights of this kind.
        """

    @abstractmethod
    def project(self, crops: Sequence[Crop]) -> Features:
        """Features as the tower gives them.

        Args:
            crops: RGB uint8 (side_px, side_px, 3) each.

        Returns:
            float32 (n, dimension), of any length.
        """

    def encode(self, crops: Sequence[Crop]) -> Features:
        """Features of Euclidean length 1, as CLIP compares them.

        Args:
            crops: RGB uint8 (side_px, side_px, 3) each.

        Returns:
            float32 (n, dimension).
        """
        return unit_length(self.project(crops))


def unit_length(features: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows scaled to Euclidean length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, np.finfo(np.float32).tiny))
