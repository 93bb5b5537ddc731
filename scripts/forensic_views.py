"""Images of scripts/train_forensic, and the one history that both classes go through.

A view is what a detector would be given: native pixels of the image, or pixels resized by a factor
drawn the same way for every image, then a JPEG whose quality and chroma sampling are drawn the
same way for every image. What had never been a JPEG becomes one first, on a grid of its own, since
photos have been one: without it the second compression's traces would tell the photos.
"""

from __future__ import annotations

import csv
import io
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

# Under 256 by what placing a JPEG's grid anew costs, so that all views have one size.
VIEW_PX = 248
# Of the shorter side: smaller images are not judged.
JUDGED_PX = 256
LEAST_PX = 128
QUALITIES = (75, 96)
SHARE_420 = 0.8
# Of the views that are resized at all; the factor is uniform in its logarithm.
SHARE_RESIZED = 0.5
FACTORS = (0.5, 1.25)
LOSSLESS = ("png", "tiff", "reconstruction")
FILTERS = (
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)


class Source(NamedTuple):
    """A folder of the manifest: a generator's images, or photos of one origin."""

    name: str
    folder: str
    label: str
    ships: bool
    family: str = ""
    only: tuple[str, ...] = ()


class Item(NamedTuple):
    """One image: where it lies and what it is."""

    path: Path
    source: Source
    format: str

    @property
    def seed(self) -> int:
        """Its own draws, whatever else is in the list."""
        return zlib.crc32(f"{self.source.name}/{self.path.name}".encode())

    def rgb(self) -> np.ndarray | None:
        """Its pixels, None where the file is broken (the data has some on purpose)."""
        try:
            with Image.open(self.path) as opened:
                return np.asarray(opened.convert("RGB"))
        except (OSError, SyntaxError, ValueError):
            return None


def read_sources(path: Path) -> list[Source]:
    with open(path, "rb") as stream:
        entries = tomllib.load(stream)["source"]
    return [Source(**{**entry, "only": tuple(entry.get("only", ()))}) for entry in entries]


def items_of(source: Source, data: Path) -> Iterator[Item]:
    """The source's images in the order of the manifest."""
    with open(data / "MANIFEST.csv", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            in_folder = row["path"].startswith(source.folder + "/")
            wanted = not source.only or row["generator"].startswith(source.only)
            if in_folder and wanted and row["label"] == source.label and row["format"] != "json":
                yield Item(data / row["path"], source, row["format"])


# --- the history ------------------------------------------------------------------------------


class View(NamedTuple):
    """Decoded pixels and how they were stored last: quality, subsampling, bytes."""

    rgb: np.ndarray
    stored: tuple[float, ...]


def through_jpeg(rgb: np.ndarray, quality: int, subsampling: int) -> View:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=quality, subsampling=subsampling)
    with Image.open(out) as opened:
        tables = [float(np.mean(table)) for table in opened.quantization.values()]
        decoded = np.asarray(opened.convert("RGB"))
    height, width = decoded.shape[:2]
    return View(decoded, (width, height, subsampling, *(tables * 2)[:2]))


def drawn_jpeg(rgb: np.ndarray, rng: np.random.Generator) -> View:
    quality = int(rng.integers(*QUALITIES))
    return through_jpeg(rgb, quality, 2 if rng.random() < SHARE_420 else 0)


def with_history(rgb: np.ndarray, item_format: str, rng: np.random.Generator) -> np.ndarray:
    """A lossless image as a JPEG at a place of its own on the grid; others as they are."""
    top, left = rng.integers(0, 8, 2)
    if item_format not in LOSSLESS or min(rgb.shape[:2]) < LEAST_PX + 8:
        return rgb
    return drawn_jpeg(np.ascontiguousarray(rgb[top:, left:]), rng).rgb


def resized(rgb: np.ndarray, factor: float, kind: Image.Resampling) -> np.ndarray:
    height, width = (max(round(side * factor), 1) for side in rgb.shape[:2])
    return np.asarray(Image.fromarray(rgb).resize((width, height), kind))


def cropped(rgb: np.ndarray, rng: np.random.Generator, side: int = VIEW_PX) -> np.ndarray:
    """A random square of native pixels, smaller where the image is."""
    side = min(side, *rgb.shape[:2])
    top, left = (int(rng.integers(0, n - side + 1)) for n in rgb.shape[:2])
    return np.ascontiguousarray(rgb[top : top + side, left : left + side])


def middle(rgb: np.ndarray, side: int = VIEW_PX) -> np.ndarray:
    side = min(side, *rgb.shape[:2])
    top, left = ((n - side) // 2 for n in rgb.shape[:2])
    return np.ascontiguousarray(rgb[top : top + side, left : left + side])


def native_view(rgb: np.ndarray, item_format: str, rng: np.random.Generator) -> View:
    """Native pixels: nothing is resampled."""
    return drawn_jpeg(cropped(with_history(rgb, item_format, rng), rng), rng)


def training_view(rgb: np.ndarray, item_format: str, rng: np.random.Generator) -> View:
    """Half of them native, half resized by one distribution of factors and filters."""
    rgb = with_history(rgb, item_format, rng)
    is_resized, drawn, kind = (
        rng.random() < SHARE_RESIZED,
        rng.random(),
        rng.integers(len(FILTERS)),
    )
    least = min(LEAST_PX / min(rgb.shape[:2]), 1.0)
    low, high = np.log(max(FACTORS[0], least)), np.log(FACTORS[1])
    if is_resized:
        # What is cut first need not be resized: only as much as the view will show.
        factor = float(np.exp(low + drawn * (high - low)))
        rgb = cropped(rgb, rng, int(VIEW_PX / factor) + 8)
        rgb = resized(rgb, max(factor, LEAST_PX / min(rgb.shape[:2])), kind)
    return drawn_jpeg(cropped(rgb, rng), rng)


def img2dataset_view(rgb: np.ndarray, item_format: str, rng: np.random.Generator) -> View:
    """As img2dataset makes it: 256 px by area averaging, centre crop, JPEG 95, 4:2:0."""
    rgb = with_history(rgb, item_format, rng)
    factor = JUDGED_PX / min(rgb.shape[:2])
    if factor < 1:
        rgb = resized(rgb, factor, Image.Resampling.BOX)
    return through_jpeg(middle(rgb), 95, 2)


def shrunk(rgb: np.ndarray) -> np.ndarray:
    """A photo at the size at which the small synthetic images were made: short side 256."""
    factor = JUDGED_PX / min(rgb.shape[:2])
    return resized(rgb, factor, Image.Resampling.LANCZOS) if factor < 1 else rgb


def shrunk_view(rgb: np.ndarray, item_format: str, rng: np.random.Generator) -> View:
    return native_view(shrunk(rgb), item_format, rng)


def shrunk_img2dataset_view(rgb: np.ndarray, item_format: str, rng: np.random.Generator) -> View:
    return img2dataset_view(shrunk(rgb), item_format, rng)


def cut_img2dataset_view(rgb: np.ndarray, item_format: str, rng: np.random.Generator) -> View:
    """A native piece of 256 px, so that img2dataset has nothing to resize."""
    return img2dataset_view(cropped(rgb, rng, JUDGED_PX), item_format, rng)


def raw_view(rgb: np.ndarray, item_format: str, rng: np.random.Generator) -> View:
    """The file as it lies there: confounded by size, format and compression."""
    del rng
    height, width = rgb.shape[:2]
    return View(rgb, (width, height, 0.0, float(item_format == "png"), 0.0))


VIEWS = {
    "training": training_view,
    "native": native_view,
    "img2dataset": img2dataset_view,
    "shrunk": shrunk_view,
    "shrunk_img2dataset": shrunk_img2dataset_view,
    "cut_img2dataset": cut_img2dataset_view,
    "raw": raw_view,
}
