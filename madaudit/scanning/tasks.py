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
        expected_draws: what `n_draw` is on average over seeds.
        doomed: ordinals that must not be touched again, with the status and reason to record:
            they hung or killed a worker.
        one_by_one: score samples alone, since a batch of this shard hung.
        skips_thumbnails: make none, since one hung or killed a worker.
        is_unmappable: read the file, since a worker that had mapped it died of a bus error.
    """

    shard: Shard
    n_draw: int | None = None
    expected_draws: float = 0.0
    doomed: tuple[tuple[int, Status, str], ...] = ()
    one_by_one: bool = False
    skips_thumbnails: bool = False
    is_unmappable: bool = False

    def without(self, ordinal: int, status: Status, reason: str) -> ShardTask:
        """The same task, with one more sample left alone."""
        return replace(self, doomed=(*self.doomed, (ordinal, status, reason)))


def plan_tasks(shards: Sequence[Shard], *, n_sample: int | None, seed: int) -> list[ShardTask]:
    """Tasks for a census, or for a sample spread over shards.

    N samples are given to shards in proportion to their bytes by systematic sampling with a random
    start: a shard expects e_s = N · bytes_s / Σ bytes and gets ⌊e_s⌋ or ⌈e_s⌉, N in all. Bytes
    stand for the number of samples, which nobody knows before the shard is walked; where they
    mislead, `sample_weight` makes up for it. Source: Cochran 1977, 8.1 and 11.4.

    Args:
        shards: all shards of the data set, in order; the same list on every machine.
        n_sample: N, or None for a census.
        seed: of the draw.
    """
    if n_sample is None:
        return [ShardTask(shard) for shard in shards]
    sizes = np.array([shard.size_bytes for shard in shards], dtype=np.float64)
    if not sizes.any():
        sizes[:] = 1.0
    expected = n_sample * sizes / sizes.sum()
    ends = np.cumsum(expected) + np.random.default_rng(seed).random()
    ends[-1] = n_sample + ends[0] - expected[0]  # what rounding errors of the sum may have lost
    marks = np.floor(np.concatenate([[ends[0] - expected[0]], ends]))
    draws = np.diff(marks).astype(int).tolist()
    return [
        ShardTask(shard, n_draw, float(mean))
        for shard, n_draw, mean in zip(shards, draws, expected, strict=True)
        if n_draw
    ]


def sample_weight(task: ShardTask, n_samples: int) -> float:
    """The inverse inclusion probability of each sample drawn from a shard, ≥ 1.

    In two stages (Cochran 1977, 11.4): the shard is drawn with probability min(e, 1), and gives n
    of its M samples. With every shard drawn this is the stratified estimator, whose weights add
    up to the number of all samples.

    Args:
        task: the shard's.
        n_samples: M, as found by walking the shard.
    """
    if task.n_draw is None or not n_samples:
        return 1.0
    return n_samples / min(task.n_draw, n_samples) / min(task.expected_draws, 1.0)


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
