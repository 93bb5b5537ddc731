"""Features: finite on everything, and each group moved by the trace that it measures."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.detectors.forensics import feature_names, features
from tests.detectors.forensics.pictures import doubled, photo_like


def _named(rgb: np.ndarray) -> dict[str, float]:
    found = features(rgb)
    assert found is not None
    return dict(zip(feature_names(), found, strict=True))


def test_every_feature_has_one_name():
    found = features(photo_like(0))
    assert found.dtype == np.float32
    assert found.shape == (len(feature_names()),)
    assert len(set(feature_names())) == len(feature_names())


@pytest.mark.parametrize("size", [(127, 400), (400, 127), (1, 1), (1, 5000), (64, 64)])
def test_an_image_without_room_for_a_tile_has_no_features(size):
    assert features(np.zeros((*size, 3), np.uint8)) is None


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_image_has_no_features(value):
    assert features(np.full((300, 200, 3), value, np.uint8)) is None


def _hostile() -> dict[str, np.ndarray]:
    noise = np.random.default_rng(1).integers(0, 256, (200, 300, 3), np.uint8)
    board = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)
    point = np.zeros((256, 256, 3), np.uint8)
    point[30:40, 30:40] = 255
    return {
        "noise": noise,
        "checkerboard": np.repeat(board[..., None], 3, axis=2),
        "one bright patch": point,
        "smallest": noise[:128, :128],
        "a view that is not contiguous": noise[::-1, ::-1, ::-1],
        "read-only": np.frombuffer(noise.tobytes(), np.uint8).reshape(noise.shape),
        "long strip": np.tile(noise[:128], (1, 40, 1)),
    }


def test_an_image_that_is_the_same_along_its_rows_has_no_features():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[::2] = (255, 0, 255)
    assert features(stripes) is None


@pytest.mark.parametrize("name", sorted(_hostile()))
def test_features_are_finite_on(name):
    found = features(_hostile()[name])
    assert found is not None
    assert np.isfinite(found).all()


def test_the_image_is_left_as_it_was():
    image = photo_like(2)
    before = image.copy()
    features(image)
    np.testing.assert_array_equal(image, before)


def test_only_the_tiles_are_looked_at():
    image = photo_like(3, (512, 512))
    changed = image.copy()
    changed[:64] = 0
    changed[192:320] = 255
    np.testing.assert_array_equal(features(image), features(changed))


@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_faint_grid_shows_as_a_peak_at_its_own_period(period):
    image = photo_like(6).astype(np.int16)
    image[:, ::period] += 3
    plain, found = _named(photo_like(6)), _named(np.clip(image, 0, 255).astype(np.uint8))
    assert found[f"spectrum.peak{period}x"] > plain[f"spectrum.peak{period}x"] + 1
    assert found[f"spectrum.peak{period}y"] == pytest.approx(
        plain[f"spectrum.peak{period}y"], abs=0.3
    )


@pytest.mark.parametrize("axis", [0, 1])
def test_doubling_along_one_direction_shows_at_its_high_frequencies(axis):
    """Angle 0 holds frequencies along rows, angle 2 those along columns."""
    along, across = (f"spectrum.r8a{angle}" for angle in ((2, 0) if axis == 0 else (0, 2)))
    plain, found = _named(photo_like(4)), _named(doubled(photo_like(4), axis))
    assert found[along] - found[across] < plain[along] - plain[across] - 0.5


def test_grey_images_have_wholly_correlated_colours():
    grey = photo_like(8)[..., :1].repeat(3, axis=2)
    assert _named(grey)["colour.full.rg"] > 4
    assert _named(grey)["colour.full.red"] < _named(photo_like(8))["colour.full.red"] - 4


def test_noise_that_grows_with_brightness_is_told():
    rng = np.random.default_rng(9)
    ramp = np.linspace(20, 235, 256)[None, :, None] * np.ones((256, 1, 3))
    grown = ramp + ramp / 20 * rng.standard_normal(ramp.shape)
    even = ramp + 5 * rng.standard_normal(ramp.shape)
    as_image = [np.clip(np.rint(one), 0, 255).astype(np.uint8) for one in (grown, even)]
    grown_says, even_says = (_named(one)["noise.brightness"] for one in as_image)
    assert grown_says > 0.8
    assert abs(even_says) < 0.2


def test_mirroring_does_not_move_the_features_that_know_no_direction():
    image = photo_like(10)
    found, mirrored = features(image), features(np.ascontiguousarray(image[:, ::-1]))
    is_even = [name.startswith(("noise", "structure")) for name in feature_names()]
    # One of 256 blocks that changes its quarter, where two are as good as equal, moves a mean.
    np.testing.assert_allclose(found[is_even], mirrored[is_even], atol=2 / 256)


def test_noise_in_smooth_blocks_is_told_from_texture_that_comes_with_structure():
    """The first falls behind contrast where there is some; the second keeps up with it."""
    rng = np.random.default_rng(11)
    structure = np.abs(photo_like(11)[..., :1].astype(float) - 127) / 40
    grain = rng.standard_normal((256, 256, 1))
    shown = 127 + 40 * (structure - structure.mean())
    slopes = []
    for noise in (3 * grain, 6 * structure * grain):
        found = _named(np.clip(np.rint(shown + noise), 0, 255).astype(np.uint8).repeat(3, axis=2))
        slopes.append(found["structure.fine3"] - found["structure.fine0"])
    assert slopes[1] > slopes[0] + 0.2
