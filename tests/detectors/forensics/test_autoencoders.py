"""The autoencoders behind the reconstructions: resumed to the same numbers, content kept."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.detectors.forensics.pictures import photo_like

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", reason="torch is not installed")
_SCRIPTS = Path(__file__).parents[3] / "scripts"


@pytest.fixture
def made(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(_SCRIPTS))
    return importlib.import_module("forensic_autoencoders")


def _numbers(model) -> np.ndarray:
    return torch.cat([one.flatten() for one in model.state_dict().values()]).numpy()


def test_a_training_that_was_stopped_goes_on_to_the_same_numbers(made, tmp_path, monkeypatch):
    plan, photos = made.Plan("nearest", 1, 4, 2), [photo_like(0, (80, 80))]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    wanted = _numbers(made.trained(plan, photos, whole, 120, 0))
    drawn = made._patches
    calls = iter(range(1000))

    def stopping(*arguments):
        if next(calls) == 110:
            raise KeyboardInterrupt
        return drawn(*arguments)

    monkeypatch.setattr(made, "_patches", stopping)
    with pytest.raises(KeyboardInterrupt):
        made.trained(plan, photos, parts, 120, 0)
    np.testing.assert_array_equal(_numbers(made.trained(plan, photos, parts, 120, 0)), wanted)


@pytest.mark.parametrize("number", [0, 3])
def test_a_reconstruction_has_its_photos_size_and_learns_its_content(made, tmp_path, number):
    photo = photo_like(1, (96, 128))
    model = made.trained(made.PLANS[number], [photo], tmp_path, 60, 0)
    copy = made.reconstruction(model, photo)
    assert copy.shape == photo.shape
    assert copy.dtype == np.uint8
    assert np.corrcoef(copy.ravel(), photo.ravel())[0, 1] > 0.5
