"""Images for fitting and testing a probe: which there are, under which licence, and their history.

A history is what a web image has been through: an earlier JPEG, a resize, a last JPEG. Both
classes draw theirs from one distribution, since here size, format and number of compressions tell
the classes apart (../shared/reference/data.md). The draws depend on the image's digest and the
history's name alone.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

DATA = Path(__file__).parents[1].parent / "shared" / "data"
# Folder to the words in its licence that allow training weights that are given away. ImageNet's
# terms, StyleGAN3's non-commercial ones, share-alike and "none stated" do not.
_MAY_TEACH = {
    "real/clothing_small": "CC0-1.0",
    "real/azure_samples": "MIT",
    "real/jetson_inference": "MIT",
    "real/openimages_packt": "CC-BY-2.0",
    "real/dreambooth_unsplash": "CC-BY-4.0",
    "synthetic/sd_outputs_watermark": "CreativeML Open RAIL-M",
    "synthetic/sdxl_sd15_absurdrealms": "CC0-1.0",
    "provenance/sd-metadata": "MIT",
    "provenance/flux-exif": "Apache-2.0",
}
_TESTS = ("real/", "synthetic/")
_FILTERS = (
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
)
#: Least short side after a resize: a crop of 224 px and the largest offset fit in.
LEAST_PX = 240


@dataclass(frozen=True)
class Picture:
    """One image of the collection.

    Attributes:
        path: relative to the data.
        source: its folder, the unit that is left out: a generator or a collection of photos.
        is_synthetic: its class.
        licence: as the manifest has it.
        may_teach: whether weights that are given away may be fitted on it.
        digest: SHA-256 of the file.
    """

    path: str
    source: str
    is_synthetic: bool
    licence: str
    may_teach: bool
    digest: str

    def open(self) -> Image.Image:
        with Image.open(DATA / self.path) as picture:
            return picture.convert("RGB")


def pictures() -> list[Picture]:
    """Everything with a label that may teach or test, in the manifest's order."""
    return list(_pictures())


def _pictures() -> Iterator[Picture]:
    with open(DATA / "MANIFEST.csv", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            source = "/".join(row["path"].split("/")[:2])
            words = _MAY_TEACH.get(source)
            if row["label"] not in ("real", "synthetic"):
                continue
            if words is None and not source.startswith(_TESTS):
                continue
            if words is not None and words not in row["licence"]:
                raise SystemExit(
                    f"{row['path']}: its licence is {row['licence']!r}, not {words!r}; "
                    f"look again whether it may teach"
                )
            yield Picture(
                row["path"],
                source,
                row["label"] == "synthetic",
                row["licence"],
                words is not None,
                row["sha256"],
            )


def with_history(picture: Image.Image, name: str, digest: str) -> Image.Image | None:
    """An image after the history of that name; None where it is too small for it.

    Names: "raw" (none); "q90" (one JPEG at quality 90, native pixels); "shrunk" (short side to
    256 px, then "q90"); "i2d" (img2dataset's resize of the short side to 256 px, and JPEG 95);
    "drawn0", "drawn1", … (drawn).
    """
    if name == "raw":
        return picture
    if name == "q90":
        return jpeg(picture, 90)
    if name in ("shrunk", "i2d"):
        how = Image.Resampling.BICUBIC if name == "shrunk" else Image.Resampling.BOX
        if min(picture.size) < 256:
            return None
        return jpeg(resized(picture, 256, how), 90 if name == "shrunk" else 95)
    return _drawn(picture, name, digest)


def _drawn(picture: Image.Image, name: str, digest: str) -> Image.Image | None:
    seed = hashlib.sha256(f"{digest} {name}".encode()).digest()
    random = np.random.default_rng(np.frombuffer(seed, dtype=np.uint32))
    if random.random() < 0.5:
        picture = jpeg(picture, int(random.integers(75, 98)))
    short = min(picture.size)
    if short < LEAST_PX:
        return None
    if random.random() < 0.5:
        least, most = np.log(LEAST_PX), np.log(min(short, 1024))
        side = round(float(np.exp(random.uniform(least, most))))
        how = _FILTERS[int(random.integers(len(_FILTERS)))]
        picture = resized(picture, side, how)
    x, y = random.integers(0, 16, 2).tolist()
    picture = picture.crop((x, y, *picture.size))
    return jpeg(picture, int(random.integers(70, 98)), subsampling=random.choice([0, 2, 2]))


def resized(picture: Image.Image, short_px: int, how: Image.Resampling) -> Image.Image:
    """An image with its short side at that many pixels; it is not enlarged."""
    factor = short_px / min(picture.size)
    if factor >= 1:
        return picture
    width, height = (max(round(side * factor), short_px) for side in picture.size)
    return picture.resize((width, height), how)


def jpeg(picture: Image.Image, quality: int, *, subsampling: int = 2) -> Image.Image:
    """An image after one JPEG compression."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality, subsampling=int(subsampling))
    with Image.open(stream) as after:
        return after.convert("RGB")
