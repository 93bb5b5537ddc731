"""Small pictures of a few hits per shard, blurred unless asked for otherwise.

Web shards hold what nobody may forward, so a store that is passed on holds only blurred pictures,
and none that a person could not have asked for.
"""

from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pyarrow as pa
from PIL import Image, ImageFilter

from madaudit.detectors.base import Pixels
from madaudit.detectors.provenance.containers import parse
from madaudit.errors import ShardError
from madaudit.scanning.decode import decode
from madaudit.scanning.plan import Plan
from madaudit.scanning.watch import ImageTimeout, Watch
from madaudit.shards import OpenShard
from madaudit.types import Evidence, Sample

SIDE_PX = 192
# Shapes and colours stay, faces and text do not, at 192 px.
BLUR_PX = 7
PER_SHARD = 8
PER_TOOL = 2


class Candidates:
    """The first hits of a shard, at most two of one tool."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._tools: Counter[str] = Counter()

    def offer(self, sample: Sample, evidence: Evidence) -> None:
        """Remember a hit, if there is room for its kind."""
        if not evidence.is_hit or evidence.detail is None:
            return
        tool = evidence.detail.tool or ""
        known = self.samples and self.samples[-1].ordinal == sample.ordinal
        if len(self.samples) < PER_SHARD and self._tools[tool] < PER_TOOL and not known:
            self._tools[tool] += 1
            self.samples.append(sample._replace(image=None))


def make_thumbnails(
    source: OpenShard, candidates: Candidates, plan: Plan, watch: Watch
) -> pa.Table | None:
    """Thumbnails of the candidates that can be decoded; None where there are none."""
    ordinals, pictures = [], []
    for sample in candidates.samples:
        watch.enter(sample.ordinal, 0)
        try:
            picture = thumbnail_of(source, sample, plan)
        except (ImageTimeout, ShardError):
            continue
        finally:
            watch.leave()
        if picture is not None:
            ordinals.append(sample.ordinal)
            pictures.append(picture)
    return pa.table({"ordinal": ordinals, "jpeg": pictures}) if ordinals else None


def thumbnail_of(source: OpenShard, sample: Sample, plan: Plan) -> bytes | None:
    """One sample's picture as the plan wants it; None where it cannot be decoded.

    Raises:
        ShardError: the sample cannot be fetched.
    """
    image = memoryview(source.fetch(sample))
    container = parse(image)
    if container is None:
        return None
    raster = decode(image, container, plan.max_pixels).raster
    return None if raster is None else shrink(raster.rgb, is_blurred=plan.thumbnails == "blurred")


def shrink(pixels: Pixels, *, is_blurred: bool) -> bytes:
    """A JPEG of at most 192 pixels a side, without any metadata.

    Args:
        pixels: RGB uint8 (h, w, 3).
        is_blurred: Gaussian blur of 7 pixels, after shrinking.
    """
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((SIDE_PX, SIDE_PX))
    if is_blurred:
        picture = picture.filter(ImageFilter.GaussianBlur(BLUR_PX))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=70)
    return buffer.getvalue()
