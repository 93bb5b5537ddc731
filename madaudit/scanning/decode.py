"""Pixels from image bytes, by Pillow, held to the format that the container says."""

from __future__ import annotations

import io
import re
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image

from madaudit.detectors.base import Raster
from madaudit.detectors.provenance.containers import Container
from madaudit.scanning.watch import ImageTimeout
from madaudit.types import Status

# Names that Pillow gives to our formats; HEIF and JPEG XL need plug-ins that are not ours.
_PILLOW = {
    "jpeg": ("JPEG",),  # MPO as well: Pillow opens it as JPEG, and knows no opener of that name
    "png": ("PNG",),
    "webp": ("WEBP",),
    "avif": ("AVIF",),
    "gif": ("GIF",),
    "bmp": ("BMP",),
    "tiff": ("TIFF",),
}
# Pillow names the object it read from by its address, which differs from run to run.
_OBJECT = re.compile(r"<[^<>]* at 0x[0-9a-f]+>")


class Decoded(NamedTuple):
    """The outcome of a decoding.

    Attributes:
        raster: the pixels, None where it failed.
        status: "ok", "truncated", "decode_error" or "too_large".
        error: why it failed.
    """

    raster: Raster | None
    status: Status = "ok"
    error: str | None = None


def decode(image: memoryview, container: Container, max_pixels: int) -> Decoded:
    """The first frame of an image as RGB.

    Args:
        image: the whole file.
        container: its structure; only this format's decoder is let near the bytes.
        max_pixels: more are not decoded.
    """
    formats = _PILLOW.get(container.format)
    if formats is None:
        return Decoded(None, "decode_error", f"no decoder for {container.format} is installed")
    try:
        with warnings.catch_warnings():
            # Pillow warns of what we decide here ourselves: bombs and odd metadata.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(image), formats=formats) as picture:
                n_pixels = picture.width * picture.height
                if n_pixels > max_pixels:
                    return Decoded(None, "too_large", f"{n_pixels} pixels; at most {max_pixels}")
                return Decoded(_raster(picture))
    except Image.DecompressionBombError as error:
        return Decoded(None, "too_large", str(error))
    except MemoryError:
        return Decoded(None, "too_large", "not enough memory to decode it")
    except ImageTimeout:
        raise
    except Exception as error:  # noqa: BLE001 — Pillow raises KeyError and more on broken files
        text = _OBJECT.sub("", str(error)).replace("\n", " ").strip()[:200]
        status: Status = "truncated" if "truncated" in text else "decode_error"
        return Decoded(None, status, f"{type(error).__name__}: {text}")


def _raster(picture: Image.Image) -> Raster:
    """RGB of any mode; alpha only where it is a plane of its own, not a palette's."""
    # Pillow copies an image that it need not convert.
    rgb = np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))
    if picture.mode not in ("RGBA", "LA"):
        return Raster(rgb)
    return Raster(rgb, np.asarray(picture.getchannel("A")))
