"""What every encoder promises; a new one is tested by being registered, with a small stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from madaudit.contracts.encoders import CHECKS, EncoderCase
from madaudit.encoders import ENCODERS, Encoder, build_encoder
from madaudit.errors import RequestError
from tests.contracts.promises import promise_of
from tests.encoders.clip_building import miniature

_TOWER = Path(__file__).parents[1] / "encoders" / "tower.onnx"


def _onnx(folder: Path) -> dict[str, str]:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra onnx)")
    return {"weights": str(_TOWER)}


def _open_clip(folder: Path) -> dict[str, str]:
    pytest.importorskip("open_clip", reason="open_clip is not installed (extra clip)")
    return {"model": f"local-dir:{miniature(folder)[0]}"}


def _lenet(folder: Path) -> dict[str, str]:
    return {}


# By encoder, the options that build a small one.
_MINIATURES = {"clip": _open_clip, "clip-onnx": _onnx, "lenet": _lenet}
_NAMES = [
    pytest.param(name, marks=pytest.mark.torch if name == "clip" else ()) for name in ENCODERS
]


@pytest.fixture(scope="module", params=_NAMES)
def encoder(request, tmp_path_factory) -> Encoder:
    assert request.param in _MINIATURES, "give the contract tests a small one of it"
    return build_encoder(request.param, _MINIATURES[request.param](tmp_path_factory.mktemp("e")))


@pytest.mark.parametrize("check", CHECKS, ids=promise_of)
def test_it_keeps_the_contract(check, encoder):
    check(EncoderCase(encoder.name, encoder))


def test_the_table_names_its_class(encoder):
    assert ENCODERS[encoder.name].endswith(f":{type(encoder).__name__}")


def test_a_file_that_is_not_there_is_refused(encoder, tmp_path):
    with pytest.raises(RequestError):
        build_encoder(encoder.name, {"weights": str(tmp_path / "none.safetensors")})
