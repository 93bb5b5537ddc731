"""Batches stay small, whatever their images decode to."""

from __future__ import annotations

import io

from PIL import Image

from madaudit.limits import BATCH_BYTES
from madaudit.scanning.batches import prepare_batches
from madaudit.scanning.plan import Plan
from madaudit.scanning.tasks import ShardTask
from madaudit.scanning.watch import WIDTH, Watch
from madaudit.shards.memory import MemoryReader
from madaudit.types import Shard


def _flat_png(side_px: int) -> bytes:
    """A file of a few kilobytes that decodes to 3 bytes a pixel."""
    buffer = io.BytesIO()
    Image.new("RGB", (side_px, side_px)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_batch_of_images_that_decode_large_is_closed_early() -> None:
    image = _flat_png(1200)
    decoded_bytes = 3 * 1200 * 1200
    shard = Shard("m", "", "memory", 0, "")
    source = MemoryReader([image] * 20).open(shard)
    plan = Plan(("a1111",), tier="pixels")
    watch = Watch([0.0] * WIDTH, plan.image_timeout_s)
    sizes = [
        len(prepared.batch)
        for prepared in prepare_batches(source.samples(), plan, ShardTask(shard), watch)
    ]
    assert sum(sizes) == 20
    assert max(sizes) * decoded_bytes <= BATCH_BYTES + decoded_bytes + 20 * len(image)
