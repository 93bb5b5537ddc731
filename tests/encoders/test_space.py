"""Features of one space: the mean over an image's squares, or none where there is no room."""

from __future__ import annotations

import numpy as np

from madaudit.encoders.crops import CropRule
from madaudit.encoders.space import FeatureSpace
from tests.encoders.encoder_fakes import Means


def _image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_features_are_the_mean_over_the_squares():
    image = _image(40, 56)
    space = FeatureSpace(Means(), CropRule(5, 1))
    expected = np.mean([crop.mean(axis=(0, 1)) for crop in CropRule(5, 1).cut(image, 8)], axis=0)
    np.testing.assert_allclose(space.features(image), expected, rtol=1e-5)


def test_an_image_without_room_for_a_square_has_no_features():
    assert FeatureSpace(Means()).features(_image(7, 100)) is None


def test_spaces_are_the_same_by_digest_and_crops():
    assert FeatureSpace(Means()).key == FeatureSpace(Means()).key
    assert FeatureSpace(Means()).key != FeatureSpace(Means(seed=1)).key
    assert FeatureSpace(Means()).key != FeatureSpace(Means(), CropRule(5)).key
