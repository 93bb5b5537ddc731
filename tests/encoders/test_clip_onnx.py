"""An image tower in ONNX form: features as its arithmetic says, and refusals that say why."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from madaudit.encoders import build_encoder
from madaudit.encoders.weights import FOLDER_VARIABLE, look_up
from madaudit.errors import OptionError, RequestError

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra onnx)")

_TOWER = Path(__file__).with_name("tower.onnx")
_MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
_STD = np.array([0.26862954, 0.26130258, 0.27577711])


def _crops(n: int, side_px: int = 8) -> list[np.ndarray]:
    random = np.random.default_rng(2)
    return list(random.integers(0, 256, (n, side_px, side_px, 3), dtype=np.uint8))


def test_features_are_the_towers_on_normalised_pixels() -> None:
    crops = _crops(3)
    pooled = [((crop / 255 - _MEAN) / _STD).mean(axis=(0, 1)) for crop in crops]
    expected = np.array(pooled) @ (np.arange(12).reshape(3, 4) / 10)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    encoder = build_encoder("clip-onnx", {"weights": str(_TOWER)})
    np.testing.assert_allclose(encoder.encode(crops), expected, atol=1e-5)
    assert (encoder.side_px, encoder.dimension) == (8, 4)


def test_an_encoder_is_known_by_the_digest_of_its_file() -> None:
    encoder = build_encoder("clip-onnx", {"weights": str(_TOWER)})
    assert encoder.digest == hashlib.sha256(_TOWER.read_bytes()).hexdigest()


def test_as_the_tower_gives_them_features_have_their_own_length() -> None:
    (crop,) = _crops(1)
    expected = ((crop / 255 - _MEAN) / _STD).mean(axis=(0, 1)) @ (np.arange(12).reshape(3, 4) / 10)
    encoder = build_encoder("clip-onnx", {"weights": str(_TOWER)})
    np.testing.assert_allclose(encoder.project([crop])[0], expected, atol=1e-5)


def test_no_image_gives_no_features() -> None:
    encoder = build_encoder("clip-onnx", {"weights": str(_TOWER)})
    assert encoder.encode([]).shape == (0, 4)


def test_without_weights_it_names_the_command_that_gets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(RequestError, match="madaudit weights fetch clip-vit-b16-int8"):
        build_encoder("clip-onnx")


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(RequestError, match=r"cannot use .*x\.onnx as an encoder"):
        build_encoder("clip-onnx", {"weights": str(path)}).load()


def test_a_missing_file_and_an_unknown_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such file"):
        build_encoder("clip-onnx", {"weights": str(tmp_path / "none.onnx")})
    with pytest.raises(OptionError, match="did you mean 'clip-vit-b16-int8'"):
        build_encoder("clip-onnx", {"weights": "clip-vit-b16"})


@pytest.mark.skipif(not look_up("clip-vit-b16-int8").is_here, reason="the tower is not fetched")
def test_the_real_tower_gives_an_image_the_same_features_in_any_company() -> None:
    encoder = build_encoder("clip-onnx")
    crops = _crops(3, encoder.side_px)
    together = encoder.encode(crops)
    np.testing.assert_array_equal(together[1:2], encoder.encode(crops[1:2]))
    assert together.shape == (3, 512)
