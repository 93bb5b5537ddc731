"""What a scan would do: counted and measured, nothing written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from madaudit.commands.scan_request import ScanRequest
from madaudit.reports.wording import count, plural


@dataclass(frozen=True)
class DryRun:
    """What a scan would do.

    Attributes:
        shards, bytes: of the inputs, after those already done were left out.
        samples: estimated from a stretch of the first shard, or the size of the draw.
        seconds: estimated from its speed and the number of workers.
        rate: samples per second and worker, as measured.
    """

    shards: int
    bytes: int
    samples: int
    seconds: float
    rate: float

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def in_words(self) -> str:
        return (
            f"would scan {plural(self.shards, 'shard')}, "
            f"{self.bytes / 1e9:.3f} GB, about {count(self.samples)} samples, "
            f"in about {self.seconds:.0f} s "
            f"({count(self.rate)} samples/s and worker measured)"
        )


def measure_dry_run(request: ScanRequest, workers: int | None) -> DryRun:
    """Measure a stretch of the first shard and extrapolate.

    Args:
        request: what is asked of the scan.
        workers: processes that would share the work; None for one per processor.
    """
    from madaudit.scanning.engines.pool import default_workers
    from madaudit.scanning.probe import probe
    from madaudit.scanning.resume import find_pending

    tasks = request.own_tasks()
    pending = find_pending(
        tasks,
        request.store,
        request.plan.fingerprint(),
        retries_failed=request.retry_failed,
    )
    n_bytes = sum(task.shard.size_bytes for task in pending.tasks)
    if not pending.tasks:
        return DryRun(0, 0, 0, 0.0, 0.0)
    measured = probe(request.plan, pending.tasks[0])
    n_samples = round(n_bytes / measured.bytes_per_sample)
    if request.plan.n_sample is not None:
        n_samples = min(n_samples, sum(task.n_draw or 0 for task in pending.tasks))
    seconds = n_samples / measured.samples_per_s / (workers or default_workers())
    return DryRun(len(pending.tasks), n_bytes, n_samples, seconds, measured.samples_per_s)
