"""Settings hidden in the lowest bits of pixels, "stealth PNG info", which outlive their metadata.

The bits run down the columns: 15 letters of signature, 32 bits with the payload's length in bits,
the payload. In alpha a pixel gives one bit, in RGB three. NovelAI hides its fields, the web UI's
extension its infotext; savers of ComfyUI hide a graph. Sources: NovelAI/novelai-image-metadata,
nai_meta_writer.py; ashen-sensored/sd_webui_stealth_pnginfo, scripts/stealth_pnginfo.py.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from madaudit.detectors.base import (
    Batch,
    Detector,
    FromSource,
    Kind,
    Look,
    Pixels,
    Raster,
    Tier,
)
from madaudit.detectors.provenance.comfy_graph import mode_of as mode_of_graph
from madaudit.detectors.provenance.comfy_graph import model_of, read_nodes
from madaudit.detectors.provenance.generation import generated
from madaudit.detectors.provenance.infotext import mode_of, parse_infotext, program_of
from madaudit.detectors.provenance.json_text import read_object
from madaudit.detectors.provenance.novelai_fields import read_novelai
from madaudit.errors import MalformedError
from madaudit.limits import MAX_STEALTH_BYTES, MAX_STEALTH_TEXT_BYTES
from madaudit.types import ABSENT, MISSING, UNOBSERVABLE, Detail, Evidence

# Signature to whether its payload is compressed by gzip; for alpha and for RGB.
_IN_ALPHA = {b"stealth_pnginfo": False, b"stealth_pngcomp": True}
_IN_RGB = {b"stealth_rgbinfo": False, b"stealth_rgbcomp": True}
_SIGNATURE_BYTES = 15
_HEADER_BYTES = _SIGNATURE_BYTES + 4
# Formats that keep the lowest bits: PNG always, WebP where it is lossless, its alpha mostly.
_FORMATS = frozenset({"png", "webp"})


class _Plane(NamedTuple):
    """Where bits may be hidden: values (h, w, c), what it is called, and its signatures."""

    values: Pixels
    where: str
    signatures: dict[bytes, bool]


@dataclass(frozen=True)
class Stealth(Detector):
    """Settings in the lowest bits of alpha or RGB; one-sided, as any mark.

    A file whose format loses those bits, or that was encoded anew, is unobservable.
    """

    name: ClassVar[str] = "stealth"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "one-sided"
    tier: ClassVar[Tier] = "pixels"
    verified: ClassVar[str] = (
        "verified on 3 genuine files of NovelAI and on genuine pixels of Automatic1111; in RGB "
        "from source"
    )
    from_source: ClassVar[tuple[FromSource, ...]] = (
        FromSource(
            "Automatic1111 (stealth extension)",
            "lowest bits of RGB",
            "ashen-sensored/sd_webui_stealth_pnginfo, scripts/stealth_pnginfo.py",
        ),
    )

    def detect(self, batch: Batch) -> list[Evidence]:
        return [_examine(batch, index) for index in range(len(batch))]


def _examine(batch: Batch, index: int) -> Evidence:
    look = batch.looks[index]
    container = look.container
    if container is None or container.format not in _FORMATS:
        return _without_pixels(look)
    raster = batch.raster(index)
    if raster is None:
        return MISSING
    for plane in _planes(raster):
        detail = _read(plane)
        if detail is not None:
            return Evidence("present", detail=detail)
    return UNOBSERVABLE if look.sample.sidecar.reencoded else ABSENT


def _without_pixels(look: Look) -> Evidence:
    """Missing where there is no image at all, else unobservable."""
    is_damaged = look.container is None and look.sample.image is not None
    return MISSING if is_damaged or look.sample.status != "ok" else UNOBSERVABLE


def _planes(raster: Raster) -> Iterator[_Plane]:
    if raster.alpha is not None:
        yield _Plane(raster.alpha[:, :, np.newaxis], "alpha", _IN_ALPHA)
    yield _Plane(raster.rgb, "RGB", _IN_RGB)


def _read(plane: _Plane) -> Detail | None:
    """The mark in one plane.

    Raises:
        MalformedError: there is a signature, but no payload behind it that can be read.
    """
    capacity_bytes = plane.values.size // 8
    header = _hidden_bytes(plane.values, _HEADER_BYTES)
    is_compressed = plane.signatures.get(header[:_SIGNATURE_BYTES])
    if is_compressed is None:
        return None
    n_bytes = int.from_bytes(header[_SIGNATURE_BYTES:], "big") // 8
    if not 0 < n_bytes <= min(capacity_bytes - _HEADER_BYTES, MAX_STEALTH_BYTES):
        raise MalformedError(
            f"hidden payload of {n_bytes} bytes; the image holds {capacity_bytes}, at most "
            f"{MAX_STEALTH_BYTES} are read"
        )
    payload = _hidden_bytes(plane.values, _HEADER_BYTES + n_bytes)[_HEADER_BYTES:]
    text = (_inflate(payload) if is_compressed else payload).decode("utf-8", "replace")
    return _detail(text, f"lowest bits of {plane.where}")


def _hidden_bytes(values: Pixels, n_bytes: int) -> bytes:
    """The first bytes that the lowest bits spell, down each column, then along the channels."""
    height, _, n_channels = values.shape
    n_pixels = -(-8 * n_bytes // n_channels)
    n_columns = -(-n_pixels // height)
    # A signature takes a part of one column, so no more of it is touched.
    n_rows = height if n_columns > 1 else n_pixels
    bits = values[:n_rows, :n_columns].transpose(1, 0, 2).reshape(-1)[: 8 * n_bytes] & 1
    return np.packbits(bits).tobytes()


def _inflate(payload: bytes) -> bytes:
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        text = inflater.decompress(payload, MAX_STEALTH_TEXT_BYTES + 1)
    except zlib.error as error:
        raise MalformedError(f"hidden payload cannot be decompressed: {error}") from error
    if len(text) > MAX_STEALTH_TEXT_BYTES:
        raise MalformedError(f"hidden text of more than {MAX_STEALTH_TEXT_BYTES} bytes")
    return text


def _detail(text: str, where: str) -> Detail:
    fields = read_object(text)
    found = read_novelai(fields, where) if fields else None
    if found is not None:
        return found
    parameters = parse_infotext(text)
    if parameters is not None:
        tool, mode = program_of(parameters), mode_of(parameters)
        return generated(tool, mode, where, parameters.get("Model"))
    nodes = read_nodes(text)
    if nodes:
        return generated("ComfyUI", mode_of_graph(nodes), where, model_of(nodes))
    says = f"unnamed: text of {len(text)} characters hidden in {where}, no settings of a generator"
    return Detail(says=says, tool="unnamed", field=where)
