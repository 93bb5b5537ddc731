"""A shipped fake: the same answer for every image, for tests and for people who write engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from madaudit.detectors.base import Batch, Detector, Kind, Tier
from madaudit.types import Detail, Evidence


@dataclass(frozen=True)
class Constant(Detector):
    """Scores every readable image alike.

    Attributes:
        score: logit that it gives.
    """

    score: float = 0.0

    name: ClassVar[str] = "constant"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "graded"
    tier: ClassVar[Tier] = "headers"
    verified: ClassVar[str] = "a fake for tests: its score says nothing about an image"

    def detect(self, batch: Batch) -> list[Evidence]:
        said = Evidence("present", self.score, Detail("a constant, not evidence"))
        return [look.otherwise if look.container is None else said for look in batch.looks]
