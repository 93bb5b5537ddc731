"""Images of single samples, read from the inputs of a store and made anew."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from madaudit.detectors.provenance.containers import parse
from madaudit.errors import InputError, MadauditError
from madaudit.limits import DEFAULT_MAX_PIXELS
from madaudit.scanning.decode import decode
from madaudit.shards import load_reader
from madaudit.shards.locate import revisit
from madaudit.types import Shard

_QUALITY = 85


def shard_of(marker: Mapping[str, Any]) -> Shard:
    """The input shard of a marker, as it was scanned."""
    seen = marker["input"]
    return Shard(
        marker["shard"],
        seen["uri"],
        seen["reader"],
        seen["size_bytes"],
        seen["version"],
        tuple(seen.get("paths", ())),
    )


def require_in_place(shard: Shard) -> None:
    """Refuse a shard that is not where, or not what, was scanned.

    Raises:
        InputError: it is gone, has changed or cannot be looked at.
    """
    try:
        now = revisit(shard)
    except (MadauditError, OSError, ValueError) as error:
        raise InputError(f"cannot read samples of shard {shard.name!r}: {error}") from error
    if now is None:
        raise InputError(
            f"cannot read samples of shard {shard.name!r}: nothing is at {shard.uri} any more; "
            f"put the data set back where it was scanned, or scan it where it is now"
        )
    if now != shard:
        raise InputError(
            f"cannot read samples of shard {shard.name!r}: {shard.uri} has changed since it was "
            f"scanned; scan again"
        )


def sample_pictures(
    shard: Shard, ordinals: Sequence[int], side_px: int
) -> Iterator[tuple[int, bytes | None]]:
    """Pictures of samples by ordinal, None where one cannot be decoded.

    Raises:
        InputError: the shard cannot be read.
    """
    wanted = set(ordinals)
    try:
        with load_reader(shard.reader).open(shard) as source:
            for sample in source.samples(wanted):
                if sample.ordinal in wanted:
                    image = sample.image
                    if image is None and sample.status == "ok" and sample.size:
                        image = memoryview(source.fetch(sample))
                    yield sample.ordinal, None if image is None else picture(image, side_px)
    except (MadauditError, OSError) as error:
        raise InputError(f"cannot read samples of shard {shard.name!r}: {error}") from error


def picture(image: memoryview, side_px: int) -> bytes | None:
    """A WebP of at most `side_px` a side without any metadata; None where it cannot be decoded."""
    container = parse(image)
    if container is None:
        return None
    raster = decode(image, container, DEFAULT_MAX_PIXELS).raster
    if raster is None:
        return None
    made = Image.fromarray(np.ascontiguousarray(raster.rgb))
    made.thumbnail((side_px, side_px))
    buffer = io.BytesIO()
    made.save(buffer, "WEBP", quality=_QUALITY, method=2)
    return buffer.getvalue()
