"""Which shards to scan, and which samples of each: the units that engines hand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from madaudit.errors import OptionError
from madaudit.types import Shard, Status


@dataclass(frozen=True)
class ShardTask:
    """One shard to scan.

    Attributes:
        shard: which.
        n_draw: number of samples to draw from it, None for all.
        weight: inverse probability that this shard was drawn, ≥ 1.
        doomed: ordinals that must not be touched again, with the status and reason to record:
            they hung or killed a worker.
        one_by_one: score samples alone, since a batch of this shard hung.
        is_unmappable: read the file, since a worker that had mapped it died of a bus error.
    """

    shard: Shard
    n_draw: int | None = None
    weight: float = 1.0
    doomed: tuple[tuple[int, Status, str], ...] = ()
    one_by_one: bool = False
    is_unmappable: bool = False

    def without(self, ordinal: int, status: Status, reason: str) -> ShardTask:
        """The same task, with one more sample left alone."""
        return replace(self, doomed=(*self.doomed, (ordinal, status, reason)))


def plan_tasks(shards: Sequence[Shard], *, n_sample: int | None, seed: int) -> list[ShardTask]:
    """Tasks for a census or for a sample drawn evenly over shards.

    With at least as many samples as shards, each shard gives ⌊N/S⌋ or one more, the surplus
    going to shards drawn at random; with fewer, N shards drawn at random give one each. Within a
    shard the draw is uniform without replacement, so a sample's inclusion probability is
    n_s / M_s times that of its shard.

    Args:
        shards: all shards of the data set, in order; the same list on every machine.
        n_sample: N, or None for a census.
        seed: of the draw.
    """
    if n_sample is None:
        return [ShardTask(shard) for shard in shards]
    generator = np.random.default_rng(seed)
    n_shards = len(shards)
    base, surplus = divmod(n_sample, n_shards)
    lucky = set(generator.choice(n_shards, size=surplus, replace=False).tolist())
    weight = 1.0 if base else n_shards / n_sample
    return [
        ShardTask(shard, base + (index in lucky), weight)
        for index, shard in enumerate(shards)
        if base or index in lucky
    ]


def own_part(tasks: Sequence[ShardTask], *, index: int, n_parts: int) -> list[ShardTask]:
    """Every n-th task, for job number `index` of `n_parts` that share one store.

    Raises:
        OptionError: the index is not in [0, n_parts).
    """
    if not 0 <= index < n_parts:
        raise OptionError(
            f"--shard-index is {index}; allowed with --num-shards {n_parts}: 0 to {n_parts - 1}"
        )
    return list(tasks[index::n_parts])


def draw_ordinals(task: ShardTask, n_samples: int, seed: int) -> frozenset[int]:
    """The ordinals drawn from a shard of `n_samples`, the same on every machine."""
    n_draw = min(task.n_draw or 0, n_samples)
    words = np.frombuffer(task.shard.name.encode().ljust(4, b"\0")[:4096], dtype=np.uint8)
    generator = np.random.default_rng([seed, *words.tolist()])
    return frozenset(generator.choice(n_samples, size=n_draw, replace=False).tolist())
