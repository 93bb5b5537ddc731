"""What an encoder promises.

Invariants: the features of an image depend on its pixels alone, not on its neighbours; without
its weights an encoder cannot be built, so nothing is ever scored with random ones; a probe is
bound to the digest of the encoder whose features it was fitted on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

Crop = npt.NDArray[np.uint8]
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
        """SHA-256 (hexadecimal) of the weights."""

    @property
    @abstractmethod
    def side_px(self) -> int:
        """Side of the crops that it takes."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Number of features."""

    @abstractmethod
    def encode(self, crops: Sequence[Crop]) -> Features:
        """Features of images.

        Args:
            crops: RGB uint8 (side_px, side_px, 3) each.

        Returns:
            float32 (n, dimension), each row of Euclidean length 1.
        """
