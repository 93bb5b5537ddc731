"""Known samples whose brightness tells the classes apart, and a graded detector of brightness."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from madaudit.detectors import DETECTORS
from madaudit.detectors.base import Batch, Detector, Kind, Tier
from madaudit.types import MISSING, UNOBSERVABLE, Detail, Evidence
from tests.commands.store_building import INFOTEXT, Item, write_shard

# Mean grey of the classes and its standard deviation over images.
REAL_GREY, SYNTHETIC_GREY, SPREAD = 110.0, 140.0, 14.0


@dataclass(frozen=True)
class Brightness(Detector):
    """Scores an image by its mean grey; images below `least_px` cannot be judged.

    Attributes:
        scale: grey levels of one logit.
        least_px: least side.
    """

    scale: float = 8.0
    least_px: int = 8

    name: ClassVar[str] = "brightness"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "graded"
    tier: ClassVar[Tier] = "pixels"
    verified: ClassVar[str] = "a fake for tests"

    def detect(self, batch: Batch) -> list[Evidence]:
        return [self._evidence(batch, index) for index in range(len(batch))]

    def _evidence(self, batch: Batch, index: int) -> Evidence:
        pixels = batch.pixels(index)
        if pixels is None:
            return MISSING
        if min(pixels.shape[:2]) < self.least_px:
            return UNOBSERVABLE
        score = (float(pixels.mean()) - 125.0) / self.scale
        return Evidence("present", score, Detail(f"mean grey {pixels.mean():.0f}"))


class Contrast(Brightness):
    """The same of something that tells nothing: the deviation within the image."""

    name: ClassVar[str] = "contrast"

    def _evidence(self, batch: Batch, index: int) -> Evidence:
        pixels = batch.pixels(index)
        return MISSING if pixels is None else Evidence("present", float(pixels.std()) / 10)


@pytest.fixture
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    for plugin in (Brightness, Contrast):
        where = f"{plugin.__module__}:{plugin.__name__}"
        monkeypatch.setitem(DETECTORS, plugin.name, where)


def grey_image(random: np.random.Generator, grey: float, side_px: int = 24) -> Image.Image:
    level = random.normal(grey, SPREAD)
    pixels = random.normal(level, 20.0, (side_px, side_px, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def as_bytes(image: Image.Image, format_: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def write_images(folder: Path, grey: float, n: int, *, seed: int, **options: Any) -> Path:
    """A folder of n images."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for number in range(n):
        data = as_bytes(grey_image(random, grey), **options)
        (folder / f"{number:04d}.jpg").write_bytes(data)
    return folder


def write_tar(path: Path, grey: float, n: int, *, seed: int) -> Path:
    """A shard of n images."""
    random = np.random.default_rng(seed)
    return write_shard(path, [Item(as_bytes(grey_image(random, grey))) for _ in range(n)])


def known_folders(place: Path, n: int = 40, **greys: float) -> dict[str, Path]:
    """Two real folders and three generators of n images each; greys of generators by name."""
    kinds: Mapping[str, float] = {
        "camera": REAL_GREY,
        "scans": REAL_GREY,
        **(greys or {"gan": SYNTHETIC_GREY, "diffusion": SYNTHETIC_GREY, "flow": SYNTHETIC_GREY}),
    }
    return {
        name: write_images(place / name, grey, n, seed=seed)
        for seed, (name, grey) in enumerate(kinds.items())
    }


def marked_png(random: np.random.Generator) -> bytes:
    """A synthetic image with Automatic1111's parameters."""
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", INFOTEXT.format(model="demo"))
    return as_bytes(grey_image(random, SYNTHETIC_GREY), "PNG", pnginfo=info)
