"""A small encoder whose features anyone can compute."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from madaudit.encoders.base import Encoder, Features
from madaudit.encoders.crops import Crop


@dataclass(frozen=True)
class Means(Encoder):
    """The mean of each channel of a square of 8 px."""

    seed: int = 0
    name: ClassVar[str] = "means"
    version: ClassVar[int] = 1

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"means {self.seed}".encode()).hexdigest()

    @property
    def arithmetic(self) -> str:
        return "numpy"

    @property
    def side_px(self) -> int:
        return 8

    @property
    def dimension(self) -> int:
        return 3

    def load(self) -> None: ...

    def project(self, crops: Sequence[Crop]) -> Features:
        means = [crop.mean(axis=(0, 1)) for crop in crops]
        return np.array(means, dtype=np.float32).reshape(-1, 3)
