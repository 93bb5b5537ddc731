"""Image files taken apart by their own structure, strictly and without decoding a pixel."""

from __future__ import annotations

from madaudit.detectors.provenance.containers.base import Block, Container
from madaudit.detectors.provenance.containers.bmff import is_bmff_image, parse_bmff
from madaudit.detectors.provenance.containers.gif import SIGNATURES as GIF_SIGNATURES
from madaudit.detectors.provenance.containers.gif import parse_gif
from madaudit.detectors.provenance.containers.jpeg import parse_jpeg
from madaudit.detectors.provenance.containers.jxl import SIGNATURE as JXL_SIGNATURE
from madaudit.detectors.provenance.containers.jxl import parse_jxl
from madaudit.detectors.provenance.containers.others import parse_other
from madaudit.detectors.provenance.containers.png import SIGNATURE as PNG_SIGNATURE
from madaudit.detectors.provenance.containers.png import parse_png
from madaudit.detectors.provenance.containers.tiff_file import parse_tiff
from madaudit.detectors.provenance.containers.webp import parse_webp

__all__ = ["Block", "Container", "parse"]


def parse(image: memoryview) -> Container | None:
    """The structure of an image file, or None where the bytes are no image we know.

    Args:
        image: the whole file.

    Returns:
        Its format, size in pixels and metadata blocks. A file that breaks its format's rules is
        returned with `problem` set and with what stood before the break.
    """
    start = bytes(image[:16])
    if start[:3] == b"\xff\xd8\xff":
        return parse_jpeg(image)
    if start[:8] == PNG_SIGNATURE:
        return parse_png(image)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return parse_webp(image)
    if is_bmff_image(start):
        return parse_bmff(image)
    if start[:2] in (b"II", b"MM"):
        return parse_tiff(image)
    if start[:6] in GIF_SIGNATURES:
        return parse_gif(image)
    if start[:12] == JXL_SIGNATURE:
        return parse_jxl(image)
    return parse_other(image)
