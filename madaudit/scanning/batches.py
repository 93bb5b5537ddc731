"""Samples to batches: each image's structure read once, its pixels decoded at most once."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import NamedTuple

from madaudit.detectors.base import Batch, Look, Raster
from madaudit.detectors.provenance.containers import Container, parse
from madaudit.encoders.base import Features
from madaudit.encoders.space import FeatureSpace
from madaudit.limits import BATCH_BYTES, BATCH_ROWS, BATCH_SAMPLES
from madaudit.scanning.decode import Decoded, decode
from madaudit.scanning.duplicate_keys import DuplicateKeys, duplicate_keys
from madaudit.scanning.encoding import NO_ENCODING, NOTHING_STARTED, Encoding, Started
from madaudit.scanning.plan import Plan
from madaudit.scanning.tasks import ShardTask
from madaudit.scanning.watch import ImageTimeout, Watch
from madaudit.types import Sample, Status


class Verdict(NamedTuple):
    """Status and error of a row, and what was read of its image (pixels at tier "pixels")."""

    status: Status
    error: str | None
    container: Container | None
    decoded: Decoded | None = None
    keys: DuplicateKeys | None = None
    features: Started = NOTHING_STARTED


#: Of a sample of a data set that holds no images.
WITHOUT_IMAGE = Verdict("ok", None, None)
# An image takes the room of so many rows; with its own that makes BATCH_SAMPLES of them.
_IMAGE_ROOM = BATCH_ROWS // BATCH_SAMPLES - 1


class Prepared(NamedTuple):
    """A batch with what goes into its rows besides evidence.

    Attributes:
        batch: all samples, in order.
        verdicts: one per sample.
        doomed: places in the batch that no detector may touch: they hung or killed a worker.
    """

    batch: Batch
    verdicts: list[Verdict]
    doomed: frozenset[int] = frozenset()


def prepare_batches(
    samples: Iterator[Sample],
    plan: Plan,
    task: ShardTask,
    watch: Watch,
    ahead: Encoding = NO_ENCODING,
) -> Iterator[Prepared]:
    """Batches of samples in order, broken ones included with their status.

    Args:
        samples: of one shard.
        plan: the options.
        task: the shard's.
        watch: the clock over each image.
        ahead: begins to encode each image as soon as it is decoded.
    """
    doomed = {ordinal: (status, reason) for ordinal, status, reason in task.doomed}
    looks: list[Look] = []
    verdicts: list[Verdict] = []
    # What a batch may hold, counted down.
    room = 1 if task.one_by_one else BATCH_ROWS
    left = room
    n_bytes = 0
    for sample in samples:
        if doomed and sample.ordinal in doomed:
            verdict = Verdict(*doomed[sample.ordinal], None)
        elif sample.image is None and sample.status == "ok" and sample.error is None:
            verdict = WITHOUT_IMAGE
        else:
            verdict = _examine(sample, plan, watch)
            if ahead.spaces:
                verdict = _with_features(verdict, ahead)
            raster = verdict.decoded and verdict.decoded.raster
            n_bytes += sample.size + (raster.size_bytes if raster else 0)
            left -= _IMAGE_ROOM
        n_bytes += _n_chars(sample)
        looks.append(Look(sample, verdict.container))
        verdicts.append(verdict)
        left -= 1
        if left <= 0 or n_bytes >= BATCH_BYTES:
            yield _prepared(looks, verdicts, doomed, ahead)
            looks, verdicts, left, n_bytes = [], [], room, 0
    if looks:
        yield _prepared(looks, verdicts, doomed, ahead)


def _n_chars(sample: Sample) -> int:
    """Length of what came beside the image; a record may bring megabytes as well."""
    side = sample.sidecar
    return len(side.caption or "") + len(side.exif or "") + len(sample.text or "")


def _prepared(
    looks: list[Look],
    verdicts: list[Verdict],
    doomed: dict[int, tuple[Status, str]],
    ahead: Encoding,
) -> Prepared:
    def raster(index: int) -> Raster | None:
        decoded = verdicts[index].decoded
        return None if decoded is None else decoded.raster

    def features(index: int, space: FeatureSpace) -> Features | None:
        started = verdicts[index].features.get(space.key)
        return None if started is None else started.result()

    places = [place for place, look in enumerate(looks) if look.sample.ordinal in doomed]
    batch = Batch(looks, raster, features if ahead.spaces else None)
    return Prepared(batch, verdicts, frozenset(places))


def _with_features(verdict: Verdict, ahead: Encoding) -> Verdict:
    """A verdict whose image is being encoded, if it has pixels."""
    raster = verdict.decoded and verdict.decoded.raster
    return verdict if raster is None else verdict._replace(features=ahead.start(raster.rgb))


def _examine(sample: Sample, plan: Plan, watch: Watch) -> Verdict:
    """Read the structure of one image and, at tier "pixels" and above, decode it."""
    if sample.image is None:
        return Verdict(sample.status, sample.error, None)
    watch.enter(sample.ordinal)
    try:
        container = parse(sample.image)
        status, error = _status(sample, container, plan.max_pixels)
        decoded = keys = None
        if plan.tier != "headers" and container is not None and status != "too_large":
            decoded = decode(sample.image, container, plan.max_pixels)
            if decoded.status != "ok" and status == "ok":
                status, error = decoded.status, decoded.error
            if decoded.raster is not None:
                keys = duplicate_keys(decoded.raster)
    except ImageTimeout:
        return Verdict("timeout", f"took more than {watch.limit_s:g} s", None)
    except Exception as failure:  # noqa: BLE001 — a bug of ours costs one row, asking to be told
        return Verdict("decode_error", bug_in_words(failure), None)
    finally:
        watch.leave()
    return Verdict(status, error, container, decoded, keys)


def bug_in_words(error: Exception) -> str:
    """What went wrong inside madaudit, and where, in one line."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"a bug in madaudit, please report it: {type(error).__name__}: {str(error)[:200]} "
        f"({place.filename.rpartition('/')[2]}, line {place.lineno})"
    )


def _status(
    sample: Sample, container: Container | None, max_pixels: int
) -> tuple[Status, str | None]:
    """What is wrong with an image, as far as its structure shows."""
    if sample.status != "ok":
        return sample.status, sample.error
    if container is None:
        what = "empty file" if sample.size == 0 else "no image format that is known"
        return "not_an_image", what
    if not container.is_complete:
        return "truncated", container.problem
    if container.problem is not None:
        return "decode_error", container.problem
    if (container.width or 0) * (container.height or 0) > max_pixels:
        return (
            "too_large",
            f"{container.width} × {container.height} pixels; at most {max_pixels} in all",
        )
    return "ok", sample.error
