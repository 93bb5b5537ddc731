"""Nearest neighbours among known real and known synthetic images: a score for every image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from madaudit.detectors.base import Batch, Detector, Kind, Tier, one_line
from madaudit.encoders import build_encoder
from madaudit.encoders.bank import Bank, read_bank
from madaudit.encoders.space import FeatureSpace
from madaudit.errors import MadauditError, OptionError
from madaudit.types import MISSING, UNOBSERVABLE, Detail, Evidence

_FAILED = MISSING._replace(detail=Detail("the check failed: its features are not finite"))


@dataclass(frozen=True)
class Neighbours(Detector):
    """Scores images by how much nearer synthetic ones of a bank are than real ones.

    An image that stands in the bank itself, or a copy of it, gets the score of a known one:
    calibrate on other images than the bank's.

    Attributes:
        bank: folder that `madaudit bank build` wrote.
        k: neighbours on each side.
        encoder: name of the encoder, the bank's.
        weights: what that encoder takes; they must be those of the bank.
        threads: of the encoder; 1 where several processes encode.
    """

    bank: str = ""
    k: int = 5
    encoder: str = "clip-onnx"
    weights: str = "clip-vit-b16-int8"
    threads: int = 1

    name: ClassVar[str] = "neighbours"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "graded"
    tier: ClassVar[Tier] = "model"
    idle_options: ClassVar[tuple[str, ...]] = ("weights", "threads")
    verified: ClassVar[str] = "depends on the bank; see docs/duplicates.md"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise OptionError(f"neighbours.k is {self.k}; it must be at least 1")

    def space(self) -> FeatureSpace | None:
        return self._space() if self.bank else None

    def why_unavailable(self) -> str | None:
        if not self.bank:
            return (
                "it needs a bank of known images: give neighbours.bank=DIR, or build one with: "
                "madaudit bank build -o DIR --synthetic INPUT --real INPUT"
            )
        try:
            bank, space = read_bank(self.bank), self._space()
        except MadauditError as error:
            return str(error)
        if bank.space != space.key:
            return (
                f"its bank is of the features {bank.space[:12]}…, this encoder gives "
                f"{space.key[:12]}…: give the encoder and weights that the bank was built with"
            )
        return None

    def fingerprint(self) -> Mapping[str, Any]:
        if self.why_unavailable() is not None:
            return {}
        bank, space = read_bank(self.bank), self._space()
        return {
            "bank": bank.digest,
            "encoder": space.encoder.digest,
            "encoder_version": space.encoder.version,
            "arithmetic": space.encoder.arithmetic,
        }

    def detect(self, batch: Batch) -> list[Evidence]:
        if not len(batch):
            return []
        bank, space = read_bank(self.bank), self._space()
        evidence, features = [], {}
        for index in range(len(batch)):
            evidence.append(_unscored(batch, index, space))
            found = _features(batch, index, space)
            if found is not None:
                features[index] = found
                evidence[index] = _FAILED
        sound = [i for i, one in features.items() if np.isfinite(one).all() and one.any()]
        if sound:
            scored = self._scored(bank, np.stack([features[index] for index in sound]))
            for index, item in zip(sound, scored, strict=True):
                evidence[index] = item
        return evidence

    def _space(self) -> FeatureSpace:
        options = {"weights": self.weights, "threads": self.threads}
        return FeatureSpace(build_encoder(self.encoder, options), read_bank(self.bank).crops)

    def _scored(self, bank: Bank, features: np.ndarray[Any, Any]) -> list[Evidence]:
        scores = bank.log_ratio(features, self.k)
        sides = {"real": bank.real, "synthetic": bank.synthetic}
        nearest = {label: side.nearest(features, 1) for label, side in sides.items()}
        evidence = []
        for row, score in enumerate(scores.tolist()):
            label = max(sides, key=lambda label: nearest[label].similarity[row, 0])
            similarity = nearest[label].similarity[row, 0]
            item = one_line(sides[label].name(int(nearest[label].place[row, 0])))
            says = f"nearest known image: {label}, {item}, cosine {similarity:.3f}"
            evidence.append(Evidence("present", score, Detail(says)))
        return evidence


def _features(batch: Batch, index: int, space: FeatureSpace) -> np.ndarray[Any, Any] | None:
    """Features of one sample in the bank's space, None where it has none."""
    sample = batch.looks[index].sample
    if sample.image is not None:
        return batch.features(index, space)
    # Which encoder a data set's embeddings are of, only some readers can tell.
    if sample.embedding is not None and sample.space == space.key:
        return np.asarray(sample.embedding, dtype=np.float32)
    return None


def _unscored(batch: Batch, index: int, space: FeatureSpace) -> Evidence:
    """What to say of a sample without features."""
    sample = batch.looks[index].sample
    if sample.text is not None:
        return _unobservable("a text has no pixels")
    if sample.image is None and sample.status == "ok":
        what = "neither pixels nor features" if sample.embedding is None else "another's features"
        return _unobservable(f"it holds {what}")
    pixels = batch.pixels(index)
    if pixels is None:
        return MISSING
    height, width = pixels.shape[:2]
    return _unobservable(
        f"{width} × {height} pixels hold no square of {space.encoder.side_px}, and none is "
        f"enlarged or padded to one"
    )


def _unobservable(why: str) -> Evidence:
    return UNOBSERVABLE._replace(detail=Detail(f"cannot be scored: {why}"))
