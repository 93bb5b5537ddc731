"""`scripts/bench scan`: the metadata tier beside `cat` and webdataset, stage by stage."""

from __future__ import annotations

import io
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from bench_rounds import figure, rounds_of, spread
from PIL import Image

_SOURCES = ("astronaut", "coffee", "rocket")
MARK = (
    "a lighthouse at dusk\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, "
    "Size: 512x512, Model: sd_xl_base, Version: v1.10.1"
)


def photos(n: int, side_px: int) -> list[Image.Image]:
    """Crops of photos that come inside scikit-image, enlarged to where a JPEG has about 80 KB."""
    from skimage import data

    generator = np.random.default_rng(0)
    sources = [
        Image.fromarray(getattr(data, name)()) for name in ("astronaut", "coffee", "rocket")
    ]
    crops = []
    for index in range(n):
        source = sources[index % len(sources)].convert("RGB")
        left = int(generator.integers(0, source.width - 320))
        top = int(generator.integers(0, source.height - 320))
        crop = source.crop((left, top, left + 320, top + 320)).resize((side_px, side_px))
        noisy = np.asarray(crop, dtype=np.int16) + generator.normal(0, 6, (side_px, side_px, 3))
        crops.append(Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)))
    return crops


def encoded(picture: Image.Image, *, is_marked: bool) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    if is_marked:
        exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + MARK.encode("utf-16-be")
    picture.save(buffer, "JPEG", quality=91, exif=exif if is_marked else b"")
    return buffer.getvalue()


def record(key: str) -> bytes:
    """A sample's .json as img2dataset writes it."""
    content = {
        "url": f"https://images.example.org/photos/{key}.jpg",
        "caption": f"a photo of something, number {key}, seen from the side on a bright day",
        "key": key,
        "status": "success",
        "error_message": None,
        "width": 512,
        "height": 512,
        "original_width": 1024,
        "original_height": 768,
        "exif": "{}",
        "sha256": "0" * 64,
    }
    return json.dumps(content, indent=4).encode()


def write_shards(
    folder: Path, n_samples: int, *, share: float, per_shard: int, side_px: int = 512
) -> list[Path]:
    """Shards with every 1/share-th image marked."""
    pictures = photos(24, side_px)
    plain = [encoded(picture, is_marked=False) for picture in pictures]
    marked = [encoded(picture, is_marked=True) for picture in pictures]
    every = round(1 / share) if share else 0
    paths = []
    for number, start in enumerate(range(0, n_samples, per_shard)):
        path = folder / f"{number:05d}.tar"
        with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
            for index in range(start, min(start + per_shard, n_samples)):
                key = f"{index:09d}"
                is_marked = every and index % every == 0
                image = (marked if is_marked else plain)[index % len(plain)]
                members = ((".jpg", image), (".json", record(key)), (".txt", b"a photo"))
                for ending, data in members:
                    info = tarfile.TarInfo(key + ending)
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
        paths.append(path)
    return paths


def time_cat(paths: list[Path]) -> float:
    began = time.perf_counter()
    subprocess.run(["cat", *map(str, paths)], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def time_webdataset(paths: list[Path]) -> float:
    import webdataset

    began = time.perf_counter()
    dataset = webdataset.WebDataset([str(path) for path in paths], shardshuffle=False)
    n_samples = sum(1 for _ in dataset)
    seconds = time.perf_counter() - began
    assert n_samples > 0
    return seconds


def time_madaudit(paths: list[Path], *, thumbnails: str = "none", maps: bool = True) -> float:
    """What a worker of the pool engine does, from the list of shards to the finished store.

    Without the start of its process (about a second, once); with `maps=False` what the serial
    engine does.
    """
    from madaudit.detectors import DEFAULTS
    from madaudit.scanning.plan import Plan
    from madaudit.scanning.shard_scan import Job, scan_shard
    from madaudit.scanning.store import Store
    from madaudit.scanning.tasks import plan_tasks
    from madaudit.scanning.watch import WIDTH, Watch
    from madaudit.shards.locate import locate

    folder = tempfile.mkdtemp(prefix="madaudit-bench-")
    began = time.perf_counter()
    plan = Plan(DEFAULTS, thumbnails=thumbnails)
    job = Job.prepare(plan, Store(folder), maps=maps)
    watch = Watch([0.0] * WIDTH, plan.image_timeout_s)
    shards = locate([str(path) for path in paths]).shards
    for task in plan_tasks(shards, n_sample=None, seed=0):
        scan_shard(job, task, watch)
    seconds = time.perf_counter() - began
    shutil.rmtree(folder)
    return seconds


def walk_archive(path: Path) -> None:
    from madaudit.shards.walker import Walker
    from madaudit.shards.windows import open_window

    with open(path, "rb", buffering=0) as file:
        for _ in Walker(open_window(file, maps=True), size_bytes=path.stat().st_size).members():
            pass


def count_samples(path: Path) -> int:
    from madaudit.shards import load_reader
    from madaudit.shards.locate import locate

    (shard,) = locate([str(path)]).shards
    with load_reader("tar").open(shard, maps=True) as source:
        return sum(1 for _ in source.samples())


def scan_partly(path: Path, *, detects: bool, gathers: bool, writes: bool) -> None:
    """The scan of one shard as far as it is asked for."""
    import pyarrow.parquet as pq

    from madaudit.detectors import DEFAULTS
    from madaudit.scanning.batches import prepare_batches
    from madaudit.scanning.plan import Plan
    from madaudit.scanning.rows import RowBuffer
    from madaudit.scanning.tasks import ShardTask
    from madaudit.scanning.watch import WIDTH, Watch
    from madaudit.shards import load_reader
    from madaudit.shards.locate import locate

    (shard,) = locate([str(path)]).shards
    plan = Plan(DEFAULTS)
    detectors = plan.build_detectors()
    rows = RowBuffer(shard.name, detectors)
    watch = Watch([0.0] * WIDTH, plan.image_timeout_s)
    with (
        load_reader("tar").open(shard, maps=True) as source,
        pq.ParquetWriter(io.BytesIO(), rows.schema, compression="zstd") as writer,
    ):
        for prepared in prepare_batches(source.samples(), plan, ShardTask(shard), watch):
            if detects:
                said = {d.name: d.detect(prepared.batch) for d in detectors}
            if gathers:
                rows.add(prepared, said, 1.0)
        taken = rows.take()
        if writes:
            writer.write_batch(taken)


def stages(path: Path) -> dict[str, float]:
    """Microseconds a sample that each stage adds, as differences of ever longer pipelines."""
    pipelines: dict[str, Callable[[], object]] = {
        "walk the archive": lambda: walk_archive(path),
        "group members, parse records": lambda: count_samples(path),
        "take images apart": partial(
            scan_partly, path, detects=False, gathers=False, writes=False
        ),
        "run the detectors": partial(scan_partly, path, detects=True, gathers=False, writes=False),
        "gather rows as Arrow": partial(
            scan_partly, path, detects=True, gathers=True, writes=False
        ),
        "write Parquet": partial(scan_partly, path, detects=True, gathers=True, writes=True),
    }
    best = dict.fromkeys(pipelines, float("inf"))
    for _ in range(7):
        for name, pipeline in pipelines.items():
            began = time.perf_counter()
            pipeline()
            best[name] = min(best[name], time.perf_counter() - began)
    n_samples = count_samples(path)
    added, before = {}, 0.0
    for name, seconds in best.items():
        added[name] = max(seconds - before, 0.0) / n_samples * 1e6
        before = max(seconds, before)
    return added


def peak_memory(paths: list[Path]) -> float:
    """Peak resident MB of a process that scans these shards.

    Read from the process itself: what the parent is told of a child includes the parent's own
    size at the moment of the fork.
    """
    code = (
        "import sys, madaudit, tempfile\n"
        "from madaudit.scanning import shard_scan\n"
        "prepare = shard_scan.Job.prepare\n"
        "shard_scan.Job.prepare = lambda plan, store: prepare(plan, store, maps=True)\n"
        "madaudit.scan(sys.argv[1:], tempfile.mkdtemp(), engine='serial')\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(int(status['VmHWM'].split()[0]) / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    return float(done.stdout)


def processor(work: Callable[[], object]) -> Callable[[], float]:
    """The processor's seconds that work in this process takes."""

    def timed() -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    return timed


def _tell(results: dict[str, list[float]], peer: str, n_samples: int, paths: list[Path]) -> None:
    ours = results["madaudit scan, 10 % marked"]
    of_peer, of_cat = (
        spread([base / mine for base, mine in zip(results[name], ours, strict=True)])
        for name in (peer, "cat")
    )
    # A busy machine moves these less.
    spent = dict(
        rounds_of({"ours": processor(lambda: time_madaudit(paths)),
                   "peer": processor(lambda: time_webdataset(paths))}, len(ours))
    )  # fmt: skip
    ratio = spread([b / s for b, s in zip(spent["peer"], spent["ours"], strict=True)])
    rate = n_samples / statistics.median(spent["ours"])
    figure(
        f"scan of headers, 10 % of images marked: {ratio} times the rate of webdataset in "
        f"processor time (aim 3), {of_peer} by the clock, {of_cat} of `cat`'s; {rate:,.0f} "
        f"samples/s of a processor (aim 15,000)"
    )


def bench_scan(n_samples: int, n_rounds: int) -> None:
    root = Path(tempfile.mkdtemp(prefix="madaudit-bench-"))
    try:
        for name in ("marked", "plain"):
            (root / name).mkdir()
        marked = write_shards(root / "marked", n_samples, share=0.1, per_shard=5000)
        plain = write_shards(root / "plain", n_samples, share=0.0, per_shard=5000)
        n_bytes = sum(path.stat().st_size for path in marked)
        timers: dict[str, Callable[[], float]] = {
            "cat": lambda: time_cat(marked),
            "madaudit scan, 10 % marked": lambda: time_madaudit(marked),
            "madaudit scan, no marks": lambda: time_madaudit(plain),
            "madaudit scan, 10 % marked, blurred thumbnails": lambda: time_madaudit(
                marked, thumbnails="blurred"
            ),
            "madaudit scan, 10 % marked, file not mapped": lambda: time_madaudit(
                marked, maps=False
            ),
        }
        try:
            import webdataset

            peer = f"webdataset {webdataset.__version__}, plain iteration"
            timers[peer] = lambda: time_webdataset(marked)
        except ImportError:
            peer = ""
            print("webdataset is not installed: no peer in this table")
        print(
            f"{n_samples} samples, {n_bytes / n_samples / 1000:.0f} KB each with records, "
            f"{len(marked)} shards; Python {platform.python_version()}, {platform.machine()}"
        )
        results = dict(rounds_of(timers, n_rounds))
        base = results.get(peer) or results["cat"]
        print(f"{'':<48}{'samples/s':>12}{'MB/s':>9}{'ratio to ' + (peer[:10] or 'cat'):>21}")
        for name, seconds in results.items():
            median = statistics.median(seconds)
            ratios = sorted(b / s for b, s in zip(base, seconds, strict=True))
            print(
                f"{name:<48}{n_samples / median:>12,.0f}{n_bytes / median / 1e6:>9,.0f}"
                f"{statistics.median(ratios):>9.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"
            )
        if peer:
            _tell(results, peer, n_samples, marked)
        print("where the time goes, in µs a sample (least of 7 runs):")
        for name, microseconds in stages(marked[0]).items():
            print(f"  {name:<46}{microseconds:>12.1f}")
        for length in (10_000, 60_000):
            folder = root / f"memory-{length}"
            folder.mkdir()
            shard = write_shards(folder, length, share=0.1, per_shard=length, side_px=64)
            print(f"peak memory for one shard of {length} samples: {peak_memory(shard):.0f} MB")
    finally:
        shutil.rmtree(root)
