"""Small data sets with everything that goes wrong in them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from madaudit.detectors import DEFAULTS
from madaudit.scanning.engines import build_engine
from madaudit.scanning.plan import Plan
from madaudit.scanning.shard_scan import ShardSummary
from madaudit.scanning.store import Store
from madaudit.scanning.tasks import plan_tasks
from madaudit.shards.locate import locate

INFOTEXT = (
    "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Model: demo, Version: v1.10.1"
)


def jpeg(seed: int = 0, side: int = 64) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def marked_png(seed: int = 0, side: int = 32) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", INFOTEXT)
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def samples(n: int, *, every: int = 10) -> list[tuple[str, bytes]]:
    """Members of n samples; each `every`-th is marked, each `every`-th + 1 truncated."""
    members: list[tuple[str, bytes]] = []
    for index in range(n):
        record = json.dumps({"url": f"https://site{index % 3}.example/{index}", "key": str(index)})
        if index % every == 0:
            members.append((f"{index:06d}.png", marked_png(index)))
        elif index % every == 1:
            members.append((f"{index:06d}.jpg", jpeg(index)[:-200]))
        else:
            members.append((f"{index:06d}.jpg", jpeg(index)))
        members.append((f"{index:06d}.json", record.encode()))
    return members


def scan(
    inputs: Sequence[Path | str],
    store: Path | str,
    *,
    engine: str = "serial",
    workers: int = 1,
    **options: object,
) -> list[ShardSummary]:
    """Scan with the engines alone, without the command around them."""
    plan = Plan(tuple(options.pop("detectors", DEFAULTS)), **options)  # type: ignore[arg-type]
    shards = locate([str(path) for path in inputs]).shards
    tasks = plan_tasks(shards, n_sample=plan.n_sample, seed=plan.seed)
    events = build_engine(engine, workers=workers).run(plan, tasks, Store(str(store)))
    return [event.finished for event in events if event.finished is not None]


def rows(store: Path, shard: str) -> list[dict[str, object]]:
    return [row for batch in Store(str(store)).row_batches(shard) for row in batch.to_pylist()]


def all_files(store: Path, *folders: str) -> dict[str, bytes]:
    """Bytes of a store's files below some folders, by relative path.

    Half-written files are left out: a worker whose parent was killed may still be at its shard.
    """
    return {
        str(path.relative_to(store)): path.read_bytes()
        for folder in folders
        for path in sorted((store / folder).rglob("*"))
        if path.is_file() and not path.name.endswith(".partial")
    }
