"""What detectors with a linear head on an encoder share: from a sample to its evidence.

Invariants: nothing is scored but features of the head's own space; what cannot be scored is
unobservable with the reason, what should have been and failed is missing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from madaudit.detectors.base import Batch, Detector
from madaudit.detectors.probes.probe import Probe
from madaudit.encoders.space import FeatureSpace
from madaudit.errors import MadauditError
from madaudit.types import MISSING, UNOBSERVABLE, Detail, Evidence, Sample


class ProbeDetector(Detector):
    """Scores images by a probe on an encoder's features; a graded detector."""

    @abstractmethod
    def read_probe(self) -> Probe:
        """The probe.

        Raises:
            RequestError: it is not there, or is none.
        """

    @abstractmethod
    def open_space(self) -> FeatureSpace:
        """The space of its features; finds the weights and does not load them.

        Raises:
            RequestError: the weights are not here.
            MissingExtraError: a package that the encoder needs is not installed.
        """

    def space(self) -> FeatureSpace | None:
        return self.open_space()

    def why_unavailable(self) -> str | None:
        try:
            probe, space = self.read_probe(), self.open_space()
        except MadauditError as error:
            return str(error)
        if probe.encoder and probe.encoder != space.encoder.digest:
            return (
                f"its probe belongs to the encoder with SHA-256 {probe.encoder[:12]}…, these "
                f"weights have {space.encoder.digest[:12]}…: give the weights it was fitted on, "
                f"or fit one on these with: madaudit calibrate --train-probe"
            )
        if not probe.encoder and space.encoder.dimension != len(probe.weights):
            return (
                f"its head weighs {len(probe.weights)} features, its encoder gives "
                f"{space.encoder.dimension}: give the encoder that the head was published for"
            )
        return None

    def fingerprint(self) -> Mapping[str, Any]:
        if self.why_unavailable() is not None:
            return {}
        space = self.open_space()
        return {
            "probe": self.read_probe().digest,
            "encoder": space.encoder.digest,
            "encoder_version": space.encoder.version,
            "arithmetic": space.encoder.arithmetic,
        }

    def detect(self, batch: Batch) -> list[Evidence]:
        if not len(batch):
            return []
        probe, space = self.read_probe(), self.open_space()
        return [self._evidence(batch, index, probe, space) for index in range(len(batch))]

    def _evidence(self, batch: Batch, index: int, probe: Probe, space: FeatureSpace) -> Evidence:
        sample = batch.looks[index].sample
        if sample.image is None and sample.status == "ok":
            return _without_image(sample, probe, space)
        pixels = batch.pixels(index)
        if pixels is None:
            return MISSING
        features = batch.features(index, space)
        if features is None:
            return _unobservable(
                f"its short side is below the {space.encoder.side_px} px that the encoder needs, "
                f"and no image is enlarged or padded"
            )
        return _scored(probe.scores(features)[0], f"{space.encoder.name} features")


def _scored(score: np.float64, of: str) -> Evidence:
    if not np.isfinite(score):
        return MISSING._replace(detail=Detail("the check failed: its features are not finite"))
    return Evidence("present", float(score), Detail(f"scored by a linear probe on {of}"))


def _without_image(sample: Sample, probe: Probe, space: FeatureSpace) -> Evidence:
    """What to say of a document, of metadata alone, or of an embedding."""
    if sample.text is not None:
        return _unobservable("a text has no pixels")
    if sample.embedding is None:
        return _unobservable("it holds neither pixels nor features")
    if not probe.unit_length:
        return _unobservable("an embedding has lost the length that this head needs")
    if sample.space is None:
        return _unobservable(
            "the data set does not say which encoder its embeddings are of (encoder.json)"
        )
    if sample.space != space.key or len(sample.embedding) != len(probe.weights):
        return _unobservable("its embedding is of another encoder, or of other crops")
    return _scored(probe.scores(sample.embedding)[0], "the data set's own embedding")


def _unobservable(why: str) -> Evidence:
    return UNOBSERVABLE._replace(detail=Detail(f"cannot be scored: {why}"))
