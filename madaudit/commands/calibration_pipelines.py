"""Known samples sent through a pipeline: written again the way a training set's were, as shards.

One tar per input shard, in img2dataset's shape (a JPEG and its record, which says that the bytes
are new), with a marker beside it, written last, that names the input it was made of. What cannot
be decoded is counted in the marker and left out, as a downloader leaves it out.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from madaudit.detectors.base import Pixels
from madaudit.detectors.provenance.containers import parse
from madaudit.detectors.watermarks.pipelines import bordered, kept_ratio
from madaudit.errors import OptionError, ShardError, StoreError
from madaudit.registry import suggest
from madaudit.scanning.decode import decode
from madaudit.scanning.store import Store
from madaudit.shards import load_reader
from madaudit.types import Sample, Shard

# Raised when the pixels that a pipeline writes change.
_VERSION = 1
#: Leaves the samples as they are.
NONE = "none"


@dataclass(frozen=True)
class _Pipeline:
    """What is done to pixels, and the quality of the JPEG that is written of them."""

    resize: Callable[[Pixels], Pixels]
    quality: int


PIPELINES: Mapping[str, _Pipeline] = {
    "img2dataset": _Pipeline(bordered, 95),
    "datacomp": _Pipeline(partial(kept_ratio, most_px=512), 95),
    "jpeg-95": _Pipeline(np.asarray, 95),
    "jpeg-85": _Pipeline(np.asarray, 85),
    "jpeg-75": _Pipeline(np.asarray, 75),
}


def require_pipeline(name: str) -> None:
    """Refuse a pipeline that does not exist.

    Raises:
        OptionError: with the allowed ones.
    """
    if name not in (NONE, *PIPELINES):
        raise OptionError(f"--pipeline {name!r} does not exist{suggest(name, [NONE, *PIPELINES])}")


def write_processed(shard: Shard, pipeline: str, store: Store, path: str, max_pixels: int) -> None:
    """A shard's images after the pipeline, unless that is there already.

    Args:
        shard: of known samples.
        pipeline: name, not "none".
        store: where to write.
        path: of the tar in the store; its marker is `path`.json.
        max_pixels: larger images are left out and counted.

    Raises:
        StoreError: the place cannot be written.
    """
    identity = {
        "uri": shard.uri,
        "size_bytes": shard.size_bytes,
        "version": shard.version,
        "pipeline": pipeline,
        "pipeline_version": _VERSION,
        "max_pixels": max_pixels,
    }
    before = processed(store, path)
    if before is not None and before.get("input") == identity:
        return
    store.remove(f"{path}.json")
    with store.create(path) as file:
        content = _write(shard, PIPELINES[pipeline], file, max_pixels)
    store.write_json(f"{path}.json", {"input": identity, **content})


def processed(store: Store, path: str) -> dict[str, Any] | None:
    """What a marker says; None where there is none, or it is damaged."""
    try:
        content = store.read_json(f"{path}.json")
    except StoreError:
        return None
    return content if isinstance(content, dict) else None


def _write(shard: Shard, pipeline: _Pipeline, file: BinaryIO, max_pixels: int) -> dict[str, Any]:
    """The archive of a shard; what was written, left out and wrong with it."""
    left_out: Counter[str] = Counter()
    problems: list[str] = []
    n = 0
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        try:
            with load_reader(shard.reader).open(shard) as source:
                for sample in source.samples(None):
                    pixels = _pixels(sample, max_pixels, left_out)
                    if pixels is not None:
                        _add_image(archive, sample, pixels, pipeline)
                        n += 1
                problems += [problem.message for problem in source.problems]
        except ShardError as error:
            problems.append(str(error))
    return {"n": n, "left_out": dict(left_out), "problems": problems}


def _add_image(
    archive: tarfile.TarFile, sample: Sample, pixels: Pixels, pipeline: _Pipeline
) -> None:
    """The image's JPEG and its record, as img2dataset writes them."""
    image = Image.fromarray(np.ascontiguousarray(pipeline.resize(pixels)))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=pipeline.quality)
    key = f"{sample.ordinal:09d}"
    record = {
        "key": key,
        "status": "success",
        "width": image.width,
        "height": image.height,
        "original_width": pixels.shape[1],
        "original_height": pixels.shape[0],
    }
    _add(archive, f"{key}.jpg", stream.getvalue())
    _add(archive, f"{key}.json", json.dumps(record).encode())


def _pixels(sample: Sample, max_pixels: int, left_out: Counter[str]) -> Pixels | None:
    if sample.image is None:
        left_out[sample.status if sample.status != "ok" else "missing_image"] += 1
        return None
    container = parse(sample.image)
    if container is None:
        left_out["not_an_image"] += 1
        return None
    decoded = decode(sample.image, container, max_pixels)
    if decoded.raster is None:
        left_out[decoded.status] += 1
        return None
    return decoded.raster.rgb


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
