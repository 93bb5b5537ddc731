"""The images on which evaluate_detectors judges, and what is done to them first.

Every variant is a square of 256 px written as JPEG, so that neither size, format nor quality
tables tell a class. What came as PNG or WebP is first written as a JPEG at a quality drawn from
the photos' own, so that one more compression does not tell it either. Names of variants:

  native       the middle 256 px of the file, never resampled, JPEG 90
  shrunk       the middle square of a larger file brought to 256 px (the size at which half of the
               generators write), JPEG 90: another resampling history, the same label
  img2dataset  img2dataset's own resizing by the factor in the name (1: 256 px, 2: 512 px) of a
               middle square, JPEG 95; a class is compared with another at one factor
  shrunk-img2dataset  the middle square brought to 256 or 512 px, then img2dataset's factor 1 or 2
  raw          the file as it lies there: size, format and history differ; confounded
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from madaudit.detectors.watermarks.pipelines import img2dataset

SIDE_PX = 256
# Of a source with hundreds of pictures of one kind, so that it does not outweigh the others.
MOST_OF_A_SOURCE = 120
# Of files that were larger than what they are brought to.
_LEAST_SHRINKING = 1.25

REAL = {
    "jetson_inference": "jetson",
    "azure_samples": "azure",
    "openimages_packt": "openimages",
    "imagenet_sample": "imagenet",
    "clothing_small": "clothing",
    "exif_samples": "cameras",
    "dreambooth_unsplash": "unsplash",
}
GENERATORS = {
    "DALL-E 3 (ChatGPT)": "dalle3",
    "DALL-E mini": "dalle-mini",
    "GLID-3-XL": "glid3",
    "Latent Diffusion (CompVis LDM)": "ldm",
    "Stability beta (Stable Diffusion pre-release, Jul 2022)": "stability-beta",
    "Midjourney 6.1": "midjourney",
    "FLUX via Pollinations.ai": "flux",
    "SD 1.x (CompVis txt2img.py)": "sd1",
    "Juggernaut XL 8.0 (SDXL fine-tune, NightCafe)": "sdxl",
    "SDXL 0.9 (NightCafe)": "sdxl",
    "SDXL 1.0 (NightCafe)": "sdxl",
    "Stable Diffusion 1.5 (NightCafe)": "sd15-enlarged",
    "StyleGAN3-r FFHQ": "stylegan3",
}


class Picture(NamedTuple):
    """One file of the data.

    Attributes:
        path: relative to the data folder.
        source: real source or generator.
        is_synthetic: its label.
        licence: as the manifest says.
    """

    path: str
    source: str
    is_synthetic: bool
    licence: str

    @property
    def number(self) -> int:
        """Drawn from the path, so that a draw does not depend on which files are there."""
        return int.from_bytes(hashlib.sha256(self.path.encode()).digest()[:8], "big")


def pictures(data: Path) -> list[Picture]:
    """All labelled pictures by path, of each source at most MOST_OF_A_SOURCE."""
    found: dict[str, list[Picture]] = {}
    with open(data / "MANIFEST.csv", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            part, folder = row["path"].split("/")[:2]
            is_synthetic = part == "synthetic"
            if part not in ("real", "synthetic") or row["label"] != part:
                continue
            source = GENERATORS[row["generator"]] if is_synthetic else REAL[folder]
            picture = Picture(row["path"], source, is_synthetic, row["licence"])
            found.setdefault(source, []).append(picture)
    chosen = [
        picture
        for group in found.values()
        for picture in sorted(group, key=lambda one: one.number)[:MOST_OF_A_SOURCE]
    ]
    return sorted(chosen, key=lambda one: one.path)


# ---- variants -----------------------------------------------------------------------------------


def variants(data: Path, picture: Picture) -> Iterator[tuple[str, Image.Image, int]]:
    """The variants of one picture: name, pixels, and the quality of the JPEG to write."""
    with Image.open(data / picture.path) as file:
        is_jpeg = file.format == "JPEG"
        image = file.convert("RGB")
    if not is_jpeg:
        image = as_jpeg(image, quality_drawn(picture))
    short = min(image.size)
    if short >= SIDE_PX:
        yield "native", middle(image, SIDE_PX), 90
        yield "img2dataset-1", through_img2dataset(middle(image, SIDE_PX)), 95
    if short >= 2 * SIDE_PX:
        yield "img2dataset-2", through_img2dataset(middle(image, 2 * SIDE_PX)), 95
    square = middle(image, short)
    if short >= _LEAST_SHRINKING * SIDE_PX:
        shrunk = square.resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX)
        yield "shrunk", shrunk, 90
        yield "shrunk-img2dataset-1", through_img2dataset(shrunk), 95
    if short >= 2 * _LEAST_SHRINKING * SIDE_PX:
        large = square.resize((2 * SIDE_PX, 2 * SIDE_PX), Image.Resampling.BOX)
        yield "shrunk-img2dataset-2", through_img2dataset(large), 95


def middle(image: Image.Image, side: int) -> Image.Image:
    """The middle square, on JPEG's grid of 16 px where there is room to choose."""
    left, top = ((length - side) // 2 // 16 * 16 for length in image.size)
    return image.crop((left, top, left + side, top + side))


def through_img2dataset(image: Image.Image) -> Image.Image:
    """What img2dataset makes of it, decoded; its JPEG of quality 95 is written by the caller.

    Written twice at one quality and grid a JPEG hardly changes, so the file holds what
    img2dataset's would.
    """
    return Image.fromarray(img2dataset(np.asarray(image)))


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    with Image.open(io.BytesIO(jpeg_bytes(image, quality))) as written:
        return written.convert("RGB")


def jpeg_bytes(image: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


# Deciles of the photos' own qualities (`scripts/evaluate_detectors qualities` prints them).
QUALITIES = (70, 70, 70, 70, 80, 90, 90, 96, 96, 96)


def quality_drawn(picture: Picture) -> int:
    """A quality as photos have it."""
    return QUALITIES[picture.number % len(QUALITIES)]


def quality_of(file: Image.Image) -> int | None:
    """Quality of a JPEG by its luminance table, as libjpeg scales it; None for other files."""
    tables = getattr(file, "quantization", None)
    if not tables:
        return None
    # Annex K's table has 16 first and adds up to 3,668 at quality 50.
    scale = sum(tables[min(tables)]) / 3668
    return round(100 - 50 * scale if scale <= 1 else 50 / scale)


def cached(cache: Path, picture: Picture, variant: str) -> Path:
    """Where a variant's file is kept."""
    return cache / "images" / variant / f"{picture.number:016x}.jpg"


def make_variants(
    data: Path, cache: Path, chosen: list[Picture], tell: Callable[[str], None]
) -> None:
    """Write every variant that is not there yet; a picture that cannot be read is told of."""
    for picture in chosen:
        done = cache / "images" / "done" / f"{picture.number:016x}"
        if done.exists():
            continue
        try:
            made = list(variants(data, picture))
        except OSError as error:
            tell(f"{picture.path}: {error}")
            made = []
        for name, image, quality in made:
            place = cached(cache, picture, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(jpeg_bytes(image, quality))
        done.parent.mkdir(parents=True, exist_ok=True)
        done.touch()
