"""What every encoder promises; a new one is tested by being registered, with a small stand-in."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest

from madaudit.encoders import ENCODERS, Encoder, build_encoder
from madaudit.errors import RequestError
from tests.encoders.clip_building import miniature

_TOWER = Path(__file__).parents[1] / "encoders" / "tower.onnx"


def _onnx(folder: Path) -> dict[str, str]:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra onnx)")
    return {"weights": str(_TOWER)}


def _open_clip(folder: Path) -> dict[str, str]:
    pytest.importorskip("open_clip", reason="open_clip is not installed (extra clip)")
    return {"model": f"local-dir:{miniature(folder)[0]}"}


# By encoder, the options that build a small one.
_MINIATURES = {"clip": _open_clip, "clip-onnx": _onnx}
_NAMES = [
    pytest.param(name, marks=pytest.mark.torch if name == "clip" else ()) for name in ENCODERS
]


@pytest.fixture(scope="module", params=_NAMES)
def encoder(request, tmp_path_factory) -> Encoder:
    assert request.param in _MINIATURES, "give the contract tests a small one of it"
    return build_encoder(request.param, _MINIATURES[request.param](tmp_path_factory.mktemp("e")))


def _crops(encoder: Encoder, n: int) -> list[np.ndarray]:
    side = encoder.side_px
    return list(np.random.default_rng(1).integers(0, 256, (n, side, side, 3), dtype=np.uint8))


def test_each_square_gives_a_row_of_finite_features(encoder):
    features = encoder.project(_crops(encoder, 5))
    assert features.shape == (5, encoder.dimension)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert len({row.tobytes() for row in features}) == 5


def test_features_are_the_same_bit_for_bit_in_any_company(encoder):
    crops = _crops(encoder, 5)
    together = encoder.project(crops)
    alone = np.concatenate([encoder.project([crop]) for crop in crops[::-1]])[::-1]
    np.testing.assert_array_equal(together, alone)


def test_encoded_features_have_length_one_and_the_same_direction(encoder):
    crops = _crops(encoder, 3)
    features, raw = encoder.encode(crops), encoder.project(crops)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(
        features * np.linalg.norm(raw, axis=1, keepdims=True), raw, atol=1e-4
    )


def test_no_square_gives_no_row(encoder):
    assert encoder.project([]).shape == (0, encoder.dimension)


def test_a_pickled_copy_gives_the_same(encoder):
    copy = pickle.loads(pickle.dumps(encoder))
    assert copy == encoder
    crops = _crops(encoder, 2)
    np.testing.assert_array_equal(copy.project(crops), encoder.project(crops))


def test_it_is_a_frozen_dataclass_that_says_what_its_numbers_depend_on(encoder):
    assert dataclasses.is_dataclass(encoder)
    assert type(encoder).__dataclass_params__.frozen
    assert ENCODERS[encoder.name].endswith(f":{type(encoder).__name__}")
    assert encoder.version >= 1
    assert len(encoder.digest) == 64
    assert encoder.arithmetic


def test_a_file_that_is_not_there_is_refused(encoder, tmp_path):
    with pytest.raises(RequestError):
        build_encoder(encoder.name, {"weights": str(tmp_path / "none.safetensors")})
