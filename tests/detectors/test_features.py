"""A batch makes the features of an image once, whoever asks, and for nobody who does not."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from madaudit.detectors.base import Batch, Raster
from madaudit.encoders.space import FeatureSpace
from tests.detectors.image_building import look_at, pillow_bytes
from tests.encoders.encoder_fakes import Means


@dataclass(frozen=True)
class Counted(Means):
    """Counts the squares that it is given."""

    seen: list[int] = field(default_factory=list, compare=False)

    def project(self, crops):
        self.seen.append(len(crops))
        return super().project(crops)


def _batch(*rasters: Raster | None) -> Batch:
    looks = [look_at(pillow_bytes("PNG", (16, 16))) for _ in rasters]
    return Batch(looks, lambda index: rasters[index])


def _raster(seed: int) -> Raster:
    return Raster(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8))


def test_an_image_is_encoded_once_for_all_who_ask():
    encoder = Counted()
    batch = _batch(_raster(0), _raster(1))
    one, other = FeatureSpace(encoder), FeatureSpace(Counted(seen=encoder.seen))
    first = batch.features(0, one)
    assert batch.features(0, other) is first
    assert batch.single(0).features(0, one) is first
    assert encoder.seen == [1]


def test_each_image_and_each_encoder_has_features_of_its_own():
    batch = _batch(_raster(0), _raster(1))
    space = FeatureSpace(Means())
    np.testing.assert_allclose(
        batch.features(1, space), _raster(1).rgb[0:8, 0:8].mean(axis=(0, 1)), rtol=1e-5
    )
    assert (batch.features(0, space) != batch.features(1, space)).any()
    other = FeatureSpace(Counted(seed=1))
    batch.features(0, other)
    assert other.encoder.seen == [1]


def test_what_cannot_be_decoded_has_no_features():
    assert _batch(None).features(0, FeatureSpace(Means())) is None
    assert Batch([look_at(b"")]).features(0, FeatureSpace(Means())) is None
