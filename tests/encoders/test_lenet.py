import numpy as np
import pytest

from madaudit.encoders.lenet import DigitLeNet, LeNet, load_lenet, resized
from madaudit.errors import OptionError

SHAPES = {
    "conv1": (6, 1, 5, 5),
    "conv2": (16, 6, 5, 5),
    "dense1": (120, 400),
    "dense2": (84, 120),
}


def _weights():
    generator = np.random.default_rng(0)
    weights = {}
    for name, shape in SHAPES.items():
        weights[name] = generator.normal(0, np.prod(shape[1:]) ** -0.5, shape).astype(np.float16)
        weights[f"{name}_bias"] = generator.normal(0, 0.1, shape[0]).astype(np.float16)
    return weights


@pytest.mark.torch
@pytest.mark.parametrize(("side", "channels"), [(28, 1), (8, 1), (16, 3)])
def test_features_are_those_of_torch(side, channels):
    torch = pytest.importorskip("torch", reason="needs torch: pip install 'madaudit[loops]'")
    from torch.nn import functional

    values = np.random.default_rng(1).uniform(-1, 1, (7, channels, side, side)).astype(np.float32)
    w = {name: torch.from_numpy(value.astype(np.float32)) for name, value in _weights().items()}
    x = torch.from_numpy(values).mean(dim=1, keepdim=True)
    x = functional.interpolate(x, size=(28, 28), mode="bilinear", align_corners=False) + 1
    x = functional.relu(functional.conv2d(x, w["conv1"], w["conv1_bias"], padding=2))
    x = functional.avg_pool2d(x, 2)
    x = functional.avg_pool2d(
        functional.relu(functional.conv2d(x, w["conv2"], w["conv2_bias"])), 2
    )
    for layer in ("dense1", "dense2"):
        x = functional.relu(functional.linear(x.flatten(1), w[layer], w[f"{layer}_bias"]))

    np.testing.assert_allclose(LeNet(_weights()).features(values), x.numpy(), rtol=1e-4, atol=1e-5)


def test_an_image_is_seen_alike_alone_and_in_company():
    values = np.random.default_rng(2).uniform(-1, 1, (600, 1, 8, 8)).astype(np.float32)
    lenet = LeNet(_weights())

    np.testing.assert_allclose(
        lenet.features(values)[550:551], lenet.features(values[550:551]), rtol=1e-4
    )


def test_resizing_keeps_a_flat_image_and_the_same_side():
    flat = np.full((1, 1, 8, 8), 0.3, np.float32)
    other = np.random.default_rng(0).normal(size=(1, 1, 28, 28)).astype(np.float32)

    np.testing.assert_allclose(resized(flat, 28), 0.3, rtol=1e-6)
    assert resized(other, 28) is other


def test_points_are_refused():
    with pytest.raises(OptionError, match="no images"):
        LeNet(_weights()).features(np.zeros((5, 2), np.float32))


def test_a_square_has_the_features_that_a_loop_measures():
    square = np.random.default_rng(4).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    values = (square.astype(np.float32) / np.float32(127.5) - 1).transpose(2, 0, 1)[None]

    np.testing.assert_array_equal(
        DigitLeNet().project([square])[0], load_lenet().features(values)[0].astype(np.float32)
    )
