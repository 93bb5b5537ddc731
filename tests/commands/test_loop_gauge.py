"""A loop measured by an encoder of the user's choice."""

import numpy as np
import pytest
from click.testing import CliRunner

from madaudit import simulate
from madaudit.cli import main
from madaudit.commands.loop_gauge import build_gauge, find_encoder
from madaudit.commands.loop_pictures import pictures_of
from madaudit.encoders import build_encoder
from madaudit.errors import OptionError, StoreError
from madaudit.simulation.generators.base import Samples
from madaudit.simulation.real_data import Collected
from tests.encoders.bank_building import TOWER

LOOP = {"loop": "fresh", "n_fresh": 60, "n_synthetic": 60, "generations": 1, "n_eval": 50}


@pytest.fixture(autouse=True)
def _packages():
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra onnx)")
    pytest.importorskip("safetensors", reason="needs safetensors: pip install 'madaudit[loops]'")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "photos.npz"
    images = np.random.default_rng(0).integers(0, 256, (400, 8, 8, 3), dtype=np.uint8)
    np.savez(path, x_train=images, y_train=np.arange(400) % 3)
    return str(path)


def test_metrics_are_of_the_encoder_that_was_named(photos, tmp_path):
    given = {**LOOP, "data": photos, "out": str(tmp_path)}
    content = simulate("normal", **given, encoder="clip-onnx", weights=TOWER).to_dict()

    assert content["metric_names"]["fid"] == "fid_clip-onnx_50"
    assert content["experiment"]["encoder"] == {
        "name": "clip-onnx",
        "digest": build_encoder("clip-onnx", {"weights": TOWER}).digest,
    }
    assert np.isfinite([row["fid"] for row in content["trace"]]).all()
    with pytest.raises(StoreError):
        simulate("normal", **given)


def test_features_are_the_towers_of_samples_at_its_side():
    tower = build_encoder("clip-onnx", {"weights": TOWER})
    shape = (70, 3, tower.side_px, tower.side_px)
    values = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    samples = Samples(values, np.zeros(70, np.int64))
    gauge = build_gauge(Collected("noise", samples), 20, tower)
    assert np.array_equal(gauge.encode(values), tower.project(list(pictures_of(values))))
    small, large = (np.full((1, 3, side, side), 0.5, np.float32) for side in (4, 90))
    assert np.allclose(gauge.encode(small), gauge.encode(large))


def test_lenet_by_name_gives_the_numbers_of_the_default(photos):
    named, default = (
        simulate("normal", **LOOP, data=photos, encoder=encoder).to_dict()
        for encoder in ("lenet", None)
    )
    assert named["metric_names"] == default["metric_names"]
    assert named["trace"] == default["trace"]


def test_points_have_no_encoder():
    with pytest.raises(OptionError, match="allowed are images"):
        simulate("normal", **LOOP, data="rosenbrock", encoder="clip-onnx", weights=TOWER)
    with pytest.raises(OptionError, match="has no images"):
        simulate("gaussian", loop="synthetic", n_synthetic=100, encoder="clip-onnx")


def test_weights_need_an_encoder():
    with pytest.raises(OptionError, match="give --encoder clip-onnx"):
        find_encoder(None, TOWER)
    result = CliRunner().invoke(main, ["simulate", "normal", "--encoder", "resnet"])
    assert result.exit_code == 2
    assert "resnet" in result.output
