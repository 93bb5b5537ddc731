"""`scripts/bench clip`: a scan with clip_probe beside a bare forward loop of the same tower.

Both work through 512 px photos (JPEG 91, 80 KB), one thread each for the tower: the loop is handed
crops that are cut already, the scan reads a shard, takes files apart, decodes, hashes, encodes,
scores and writes its store, as a worker does. Each round times all in turn, by the clock and in
processor time: by the clock the scan can only keep up where a second core is free for decoding, in
processor time it shows what it costs where every core has a worker of its own.
"""

from __future__ import annotations

import copy
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bench_rounds import figure, spread
from bench_scan import write_shards


def bench_clip(n_samples: int, n_rounds: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="madaudit-bench-"))
    try:
        (shard,) = write_shards(folder, n_samples, share=0.0, per_shard=n_samples)
        _compare(shard, n_samples, n_rounds)
        _precisions(n_rounds)
    finally:
        shutil.rmtree(folder)


def _compare(shard: Path, n_samples: int, n_rounds: int) -> None:
    from madaudit.encoders import build_encoder

    encoder = build_encoder("clip-onnx")
    random = np.random.default_rng(0)
    side = encoder.side_px
    crops = random.integers(0, 256, (8, side, side, 3), dtype=np.uint8)

    def forward() -> None:
        for place in range(n_samples):
            encoder.project([crops[place % len(crops)]])

    timers: dict[str, Callable[[], None]] = {
        "bare forward loop": forward,
        "scan with clip_probe": lambda: _scan(shard, ("clip_probe",)),
        "scan with clip_probe, embeddings kept": lambda: _scan(shard, ("clip_probe",), keeps=True),
        "the same scan without an encoder": lambda: _scan(shard, ("constant",)),
    }
    print(f"clip-vit-b16-int8, {n_samples} photos, {n_rounds} rounds")
    taken = _rounds(timers, n_rounds)
    _print(taken, n_samples)
    clock, core = (
        spread([a[place] / b[place] for a, b in zip(*list(taken.values())[:2], strict=True)])
        for place in (0, 1)
    )
    figure(
        f"scan with `clip_probe`: {clock} of the rate of a bare forward loop by the clock "
        f"(aim .95), {core} in processor time"
    )


def _scan(shard: Path, detectors: tuple[str, ...], *, keeps: bool = False) -> None:
    from madaudit.scanning.plan import Plan
    from madaudit.scanning.shard_scan import Job, scan_shard
    from madaudit.scanning.store import Store
    from madaudit.scanning.tasks import ShardTask
    from madaudit.scanning.watch import WIDTH, Watch
    from madaudit.shards.locate import locate

    with tempfile.TemporaryDirectory(prefix="madaudit-bench-") as folder:
        plan = Plan(detectors, tier="model", keep_embeddings=keeps)
        job = Job.prepare(plan, Store(folder), maps=True)
        (found,) = locate([str(shard)]).shards
        watch = Watch([0.0] * WIDTH, plan.image_timeout_s)
        scan_shard(job, ShardTask(found), watch)


def _precisions(n_rounds: int) -> None:
    """open_clip's ViT-B/16 in fp32 and bf16, alone and eight at a time, with weights of no use."""
    try:
        import open_clip
        import torch
    except ImportError as error:
        print(f"left out, open_clip: {error}")
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    tower = open_clip.create_model("ViT-B-16", pretrained=None).visual.train(False)
    half = copy.deepcopy(tower).bfloat16()
    planes = torch.randn(8, 3, 224, 224, generator=torch.Generator().manual_seed(0))

    def run(model, dtype, n: int) -> Callable[[], None]:
        def work() -> None:
            with torch.inference_mode():
                for start in range(0, 8, n):
                    model(planes[start : start + n].to(dtype))

        return work

    timers = {
        "fp32, one at a time": run(tower, torch.float32, 1),
        "fp32, eight at a time": run(tower, torch.float32, 8),
        "bf16, one at a time": run(half, torch.bfloat16, 1),
        "bf16, eight at a time": run(half, torch.bfloat16, 8),
    }
    print("ViT-B/16 by open_clip, one thread, weights drawn at random (speed only)")
    _print(_rounds(timers, n_rounds), 8)
    for name, model, dtype in (("fp32", tower, torch.float32), ("bf16", half, torch.bfloat16)):
        with torch.inference_mode():
            together = model(planes.to(dtype)).float()
            alone = torch.cat([model(plane[None].to(dtype)) for plane in planes]).float()
        most = (together - alone).abs().max().item()
        length = alone.norm(dim=1).mean().item()
        print(f"{name}: alone and in eight, features of length {length:.1f} differ by {most:.1e}")
    torch.set_num_threads(before)


def _rounds(
    timers: dict[str, Callable[[], None]], n_rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Seconds by the clock and of the processor, after a round that is not counted."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in timers}
    for number in range(n_rounds + 1):
        for name, work in timers.items():
            clock, processor = time.perf_counter(), time.process_time()
            work()
            seconds = time.perf_counter() - clock, time.process_time() - processor
            if number:
                taken[name].append(seconds)
    return taken


def _print(taken: dict[str, list[tuple[float, float]]], n: int) -> None:
    """Rates, and the ratio to the first by the clock and in processor time, median over rounds."""
    (_, first), *_ = taken.items()
    print(f"{'':<40}{'images/s':>10}{'ms of core':>12}{'rate ratio (clock)':>26}{'(core)':>26}")
    for name, rounds in taken.items():
        rate = n / statistics.median(clock for clock, _ in rounds)
        core = statistics.median(processor for _, processor in rounds) / n * 1000
        ratios = [
            sorted(base[place] / mine[place] for base, mine in zip(first, rounds, strict=True))
            for place in (0, 1)
        ]
        shown = [f"{statistics.median(r):.3f} ({r[0]:.2f}–{r[-1]:.2f})" for r in ratios]
        print(f"{name:<40}{rate:>10.1f}{core:>12.1f}{shown[0]:>26}{shown[1]:>26}")
