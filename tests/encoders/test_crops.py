"""Crops are cut at native pixels, in the middle, on the grid that was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.encoders.crops import CropRule
from madaudit.errors import InputError, OptionError


def _numbered(height: int, width: int) -> np.ndarray:
    """An image whose first two channels are each pixel's place."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    return np.dstack([rows, columns, rows])


def _corner(crop: np.ndarray) -> tuple[int, int]:
    return int(crop[0, 0, 0]), int(crop[0, 0, 1])


@pytest.mark.parametrize(("height", "width", "place"), [(100, 64, (18, 0)), (65, 67, (0, 2))])
def test_without_a_grid_the_crop_lies_where_torchvision_cuts_it(height, width, place):
    # CenterCrop: int(round((height - side) / 2.0)), halves to even.
    (crop,) = CropRule(grid_px=1).cut(_numbered(height, width), 64)
    assert crop.shape == (64, 64, 3)
    assert _corner(crop) == place


@pytest.mark.parametrize("grid_px", [8, 16])
def test_crops_begin_on_the_grid(grid_px):
    for crop in CropRule(5, grid_px).cut(_numbered(203, 251), 64):
        assert crop.shape == (64, 64, 3)
        assert {place % grid_px for place in _corner(crop)} == {0}


def test_five_crops_are_the_centre_and_the_corners():
    crops = CropRule(5, 1).cut(_numbered(200, 240), 64)
    assert [_corner(crop) for crop in crops] == [(68, 88), (0, 0), (0, 176), (136, 0), (136, 176)]


def test_an_image_with_no_room_for_a_crop_gives_none():
    assert CropRule().cut(_numbered(63, 200), 64) == []
    assert len(CropRule().cut(_numbered(64, 64), 64)) == 1


def test_other_numbers_are_refused_and_a_rule_comes_back_from_its_dictionary():
    with pytest.raises(OptionError, match="cannot take 3 crops"):
        CropRule(3)
    with pytest.raises(OptionError, match="a grid of 4 px"):
        CropRule(1, 4)
    with pytest.raises(InputError, match="cannot read a crop rule"):
        CropRule.from_dict({"n_crops": True, "grid_px": 16})
    assert CropRule.from_dict(CropRule(5, 1).to_dict()) == CropRule(5, 1)
