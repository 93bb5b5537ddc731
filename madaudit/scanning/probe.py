"""How fast a scan goes and how large a sample is, measured on the beginning of one shard."""

from __future__ import annotations

import time
from typing import NamedTuple

from madaudit.detectors.base import Batch
from madaudit.scanning.batches import prepare_batches
from madaudit.scanning.encoding import encoding
from madaudit.scanning.plan import Plan
from madaudit.scanning.rows import RowBuffer
from madaudit.scanning.shard_scan import detect_all
from madaudit.scanning.tasks import ShardTask
from madaudit.scanning.watch import WIDTH, Watch
from madaudit.shards import load_reader

_PROBE_S = 2.0


class Probe(NamedTuple):
    """What was measured.

    Attributes:
        samples_per_s: per worker.
        bytes_per_sample: of the shard, headers and records included.
    """

    samples_per_s: float
    bytes_per_sample: float


def probe(plan: Plan, task: ShardTask) -> Probe:
    """Scan the beginning of a shard for two seconds at most, writing nothing.

    Raises:
        ShardError: the shard cannot be read.
    """
    detectors = plan.build_detectors()
    watch = Watch([0.0] * WIDTH, plan.image_timeout_s)
    rows = RowBuffer(task.shard.name, detectors)
    began = time.monotonic()
    n_samples = position = 0
    with encoding(detectors) as ahead, load_reader(task.shard.reader).open(task.shard) as source:
        for prepared in prepare_batches(source.samples(), plan, task, watch, ahead):
            batch: Batch = prepared.batch
            rows.add(prepared, {d.name: detect_all(d, batch, watch) for d in detectors}, 1.0)
            n_samples += len(batch)
            position = source.position_bytes
            if time.monotonic() - began > _PROBE_S:
                break
        else:
            position = task.shard.size_bytes
    rows.take()
    seconds = max(time.monotonic() - began, 1e-9)
    n_samples = max(n_samples, 1)
    return Probe(n_samples / seconds, max(position, 1) / n_samples)
