import gzip

import numpy as np
import pytest
from PIL import Image

from madaudit.commands.loop_data import brought_to, load_real
from madaudit.errors import InputError, OptionError


def _images(n=30, side=28):
    return np.random.default_rng(0).integers(0, 256, (n, side, side), dtype=np.uint8)


def _write_idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    with gzip.open(path, "wb") as file:
        file.write(head + array.tobytes())


@pytest.mark.parametrize("side", [8, 16])
def test_mnist_is_framed_and_averaged(side):
    images = _images()
    framed = np.zeros((30, 32, 32))
    framed[:, 2:30, 2:30] = images
    step = 32 // side
    expected = np.array(
        [
            [
                [
                    f[i * step : (i + 1) * step, j * step : (j + 1) * step].mean()
                    for j in range(side)
                ]
                for i in range(side)
            ]
            for f in framed
        ]
    )

    found = brought_to(images[..., None], side)

    assert found.shape == (30, 1, side, side)
    np.testing.assert_allclose(found[:, 0], expected / 127.5 - 1, atol=1e-6)


def test_idx_files_are_read_with_their_labels(tmp_path):
    images, labels = _images(), np.arange(30, dtype=np.uint8) % 10
    _write_idx(tmp_path / "train-images-idx3-ubyte.gz", images)
    _write_idx(tmp_path / "train-labels-idx1-ubyte.gz", labels)
    samples = load_real(str(tmp_path), 28).samples

    np.testing.assert_array_equal(samples.labels, labels)
    np.testing.assert_allclose(samples.values[:, 0], images / 127.5 - 1, atol=1e-6)


def test_an_npz_is_read_without_pickle(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.array([{}], dtype=object), y_train=np.zeros(1))

    with pytest.raises(InputError, match="cannot read images"):
        load_real(str(tmp_path / "a.npz"), 8)


def test_a_folder_of_photos_is_cut_square_and_broken_ones_are_left_out(tmp_path):
    for number in range(3):
        Image.new("RGB", (40, 60), (255, 0, number)).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0nothing")
    samples = load_real(str(tmp_path), 16).samples

    assert samples.values.shape == (3, 3, 16, 16)
    np.testing.assert_allclose(samples.values[:, 0], 1.0)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("a-idx3-ubyte.gz", np.zeros((3, 4), np.uint8), "allowed is an idx file"),
        ("b.npz", np.zeros((3, 4, 4), np.float32), "allowed is uint8"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path, name, array, message):
    path = tmp_path / name
    if name.endswith(".npz"):
        np.savez(path, x_train=array, y_train=np.zeros(3, np.int64))
    else:
        _write_idx(path, array)

    with pytest.raises(InputError, match=message):
        load_real(str(path), 8)


def test_a_cut_idx_file_is_refused(tmp_path):
    path = tmp_path / "images-idx3-ubyte"
    path.write_bytes(bytes([0, 0, 8, 3]) + np.array([9, 4, 4], ">u4").tobytes() + b"x")

    with pytest.raises(InputError, match="give a whole idx file"):
        load_real(str(path), 8)


def test_what_is_not_there_is_refused_with_what_is_known():
    with pytest.raises(InputError, match="digits, mnist, mixture25, rosenbrock, or a path"):
        load_real("digitz", 8)
    with pytest.raises(OptionError, match="--side is 1000"):
        load_real("digits", 1000)


def test_points_come_without_end_and_the_same_for_a_seed():
    real = load_real("rosenbrock", 8)
    whole = real.take(0, 6000, seed=1, n_evaluation=10).values

    np.testing.assert_array_equal(
        real.take(4000, 1500, seed=1, n_evaluation=10).values, whole[4000:5500]
    )
    assert real.n_available(10) is None
    assert whole[:, 1].mean() == pytest.approx(1.0, abs=0.1)
