"""Real samples for loops that train: named data sets, arrays, and anything that a scan reads."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from typing import TYPE_CHECKING, Any

from madaudit.errors import InputError, MissingExtraError, OptionError
from madaudit.limits import MAX_LOOP_IMAGES, MAX_LOOP_SIDE_PX

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from madaudit.simulation.generators import Samples
    from madaudit.simulation.real_data import RealData

    Pixels = npt.NDArray[np.uint8]

#: What --data takes beside a path.
NAMED = ("digits", "mnist", "mixture25", "rosenbrock")
_HUB_MNIST = "hf:ylecun/mnist?split=train"


def load_real(data: str, side: int) -> RealData:
    """Real samples by name or path.

    Args:
        data: "digits" (scikit-learn's, 8 × 8), "mnist" (from the Hub's cache), "mixture25",
            "rosenbrock", or a path: an .npz with x_train and y_train, an idx file or a folder of
            them (.gz too), else whatever a scan reads, its images without classes.
        side: images are brought to this side, in pixels, by averaging.

    Raises:
        InputError: nothing there, or no images in it.
        OptionError: a side out of its range.
        MissingExtraError: a package that the data set comes in is not installed.
    """
    from madaudit.simulation.densities import MIXTURE25, ROSENBROCK
    from madaudit.simulation.real_data import Collected

    if not 4 <= side <= MAX_LOOP_SIDE_PX:
        raise OptionError(f"--side is {side}; it must be 4 to {MAX_LOOP_SIDE_PX}")
    endless = {"mixture25": MIXTURE25, "rosenbrock": ROSENBROCK}
    if data in endless:
        return endless[data]
    if data == "digits":
        return Collected("digits", _digits(side))
    if data == "mnist":
        return Collected("mnist", _scanned(_HUB_MNIST, side))
    if not os.path.exists(data) and "://" not in data and not data.startswith("hf:"):
        raise InputError(f"cannot find the data {data!r}; allowed: {', '.join(NAMED)}, or a path")
    if data.endswith(".npz"):
        return Collected(data, _from_npz(data, side))
    if _is_idx(data):
        return Collected(data, _from_idx(data, side))
    return Collected(data, _scanned(data, side))


def brought_to(images: Pixels, side: int) -> npt.NDArray[np.float32]:
    """Images at another side, in [−1, 1].

    28 × 28 to 8 or 16 as the literature has it: two pixels of background around, then averages of
    4 × 4 or 2 × 2. Else by Pillow's box filter over the largest centred square.

    Args:
        images: uint8 (n, h, w, channels).
        side: in pixels.

    Returns:
        float32 (n, channels, side, side).
    """
    import numpy as np

    n, height, width, channels = images.shape
    if height == width == 28 and side in (8, 16):
        framed = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
        step = 32 // side
        blocks = framed.reshape(n, side, step, side, step, channels)
        averaged = blocks.mean(axis=(2, 4), dtype=np.float32)
    elif height == width == side:
        averaged = images.astype(np.float32)
    else:
        averaged = np.stack([_boxed(image, side) for image in images])
    return np.asarray((averaged / np.float32(127.5) - 1).transpose(0, 3, 1, 2))


def _boxed(image: Pixels, side: int) -> npt.NDArray[np.float32]:
    import numpy as np
    from PIL import Image

    height, width, channels = image.shape
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    square = image[top : top + edge, left : left + edge]
    picture = Image.fromarray(square[:, :, 0] if channels == 1 else square)
    small = np.asarray(picture.resize((side, side), Image.Resampling.BOX), dtype=np.float32)
    return small.reshape(side, side, channels)


def _samples(images: Pixels, labels: Any, side: int) -> Samples:
    import numpy as np

    from madaudit.simulation.generators import Samples

    values = np.ascontiguousarray(brought_to(images, side))
    if labels is None:
        return Samples(values, np.zeros(len(values), np.int64))
    classes = np.asarray(labels, dtype=np.int64)
    if classes.shape != (len(values),) or (classes < 0).any() or classes.max(initial=0) > 10_000:
        raise InputError(
            f"cannot use labels of shape {classes.shape} with {len(values)} images; allowed is "
            f"one whole number from 0 to 10,000 for each"
        )
    return Samples(values, classes)


def _digits(side: int) -> Samples:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError(
            "load scikit-learn's digits", package="scikit-learn", extra="loops"
        ) from error
    import numpy as np

    bunch = load_digits()
    # Sums of 4 × 4 binary pixels, 0 to 16.
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    return _samples(images, bunch.target, side)


def _from_npz(path: str, side: int) -> Samples:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as content:
            images, labels = content["x_train"], content["y_train"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"cannot read images from {path}: {error}; allowed is an .npz with x_train (n, h, w) "
            f"or (n, h, w, 3) and y_train (n,)"
        ) from error
    return _samples(_as_images(images, path), labels, side)


def _as_images(images: Any, path: str) -> Pixels:
    import numpy as np

    array = np.asarray(images)
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.dtype != np.uint8 or array.shape[3] not in (1, 3):
        raise InputError(
            f"cannot read images from {path}: an array of {array.dtype} and shape {array.shape}; "
            f"allowed is uint8 (n, h, w) or (n, h, w, 3)"
        )
    return array


def _is_idx(path: str) -> bool:
    if os.path.isdir(path):
        return any("-idx3-ubyte" in name for name in os.listdir(path))
    return "-idx3-ubyte" in os.path.basename(path)


def _from_idx(path: str, side: int) -> Samples:
    """LeCun's idx files; labels stand in a file of the same name with idx1 and labels."""
    if os.path.isdir(path):
        names = sorted(name for name in os.listdir(path) if "-idx3-ubyte" in name)
        # The training set where both are there.
        chosen = next((name for name in names if name.startswith("train")), names[0])
        path = os.path.join(path, chosen)
    images = _idx(path, n_axes=3)
    other = path.replace("images-idx3", "labels-idx1")
    labels = _idx(other, n_axes=1) if other != path and os.path.exists(other) else None
    return _samples(images[..., None], labels, side)


def _idx(path: str, n_axes: int) -> Pixels:
    """Array of an idx file: two zeros, type 8, number of axes, big-endian sizes, bytes."""
    import numpy as np

    try:
        opener = gzip.open if path.endswith(".gz") else open
        with opener(path, "rb") as file:
            head = file.read(4 + 4 * n_axes)
            shape = np.frombuffer(head, ">u4", offset=4).astype(np.int64)
            if head[:4] != bytes([0, 0, 8, n_axes]) or np.prod(shape) > MAX_LOOP_IMAGES * 28 * 28:
                raise InputError(
                    f"cannot read {path}: its head is {head[:16].hex()}; allowed is an idx file "
                    f"of bytes with {n_axes} axes"
                )
            data = file.read(int(np.prod(shape)))
            return np.frombuffer(data, np.uint8).reshape(shape)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}; give a whole idx file") from error


def _scanned(data: str, side: int) -> Samples:
    """Images of anything that a scan reads; those that cannot be decoded are left out."""
    import numpy as np

    images = [image for image in _images(data, side) if image is not None]
    if len(images) < 2:
        raise InputError(f"cannot train on {data}: {len(images)} images could be decoded there")
    channels = max(image.shape[2] for image in images)
    stacked = np.stack([np.broadcast_to(one, (side, side, channels)) for one in images])
    values = np.ascontiguousarray((stacked / np.float32(127.5) - 1).transpose(0, 3, 1, 2))
    from madaudit.simulation.generators import Samples

    return Samples(values.astype(np.float32), np.zeros(len(values), np.int64))


def _images(data: str, side: int) -> Any:
    from madaudit.shards import load_reader
    from madaudit.shards.locate import locate

    n = 0
    for shard in locate([data]).shards:
        with load_reader(shard.reader).open(shard) as opened:
            for sample in opened.samples():
                if sample.image is not None and n < MAX_LOOP_IMAGES:
                    n += 1
                    yield _decoded(bytes(sample.image), side)


def _decoded(image: bytes, side: int) -> Any:
    import numpy as np
    from PIL import Image

    from madaudit.limits import DEFAULT_MAX_PIXELS

    try:
        with Image.open(io.BytesIO(image)) as picture:
            if picture.width * picture.height > DEFAULT_MAX_PIXELS:
                return None
            is_grey = picture.mode in ("1", "L", "I;16")
            pixels = np.asarray(picture.convert("L" if is_grey else "RGB"))
    except Exception:  # noqa: BLE001 — Pillow raises anything on broken files
        return None
    return _boxed(pixels[..., None] if pixels.ndim == 2 else pixels, side)
