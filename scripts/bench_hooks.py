"""`scripts/bench hooks`: a training loop with and without the look-up; resharding beside a peer's.

Each round times everything in turn, in CPU seconds of one process, so that a ratio holds on a
machine that is busy with other things. The hook's own cost is also measured alone, on samples that
are in memory.
"""

from __future__ import annotations

import itertools
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench_rounds import figure, rounds_of, spread
from bench_scan import write_shards

# Decoding takes a hundred times as long as a look-up, so few samples do.
_N_DECODED = 200


def time_loop(urls: list[str], predicate: Callable[[dict], bool] | None) -> float:
    import webdataset

    dataset = webdataset.WebDataset(urls, shardshuffle=False)
    if predicate is not None:
        dataset = dataset.select(predicate)
    began = time.process_time()
    n_samples = sum(1 for _ in dataset)
    seconds = time.process_time() - began
    assert n_samples > 0
    return seconds


def time_decoding_loop(urls: list[str], predicate: Callable[[dict], bool] | None) -> float:
    """As a trainer has it: the kept samples decoded."""
    import webdataset

    dataset = webdataset.WebDataset(urls, shardshuffle=False)
    if predicate is not None:
        dataset = dataset.select(predicate)
    dataset = dataset.decode("pil")
    began = time.process_time()
    assert sum(1 for _ in itertools.islice(dataset, _N_DECODED)) > 0
    return time.process_time() - began


def time_predicate(samples: list[dict], predicate: Callable[[dict], bool]) -> float:
    began = time.process_time()
    for sample in samples:
        predicate(sample)
    return time.process_time() - began


def microseconds_in_loop(urls: list[str], predicate: Callable[[dict], bool]) -> float:
    """Median cost of a call inside the loop, where each sample has cleared the caches."""
    import webdataset

    taken = []

    def timed(sample: dict) -> bool:
        began = time.thread_time_ns()
        answer = predicate(sample)
        taken.append(time.thread_time_ns() - began)
        return answer

    for _ in webdataset.WebDataset(urls, shardshuffle=False).select(timed):
        pass
    return statistics.median(taken) / 1e3


def time_clean_shards(store: str, root: Path) -> float:
    import madaudit

    output = tempfile.mkdtemp(dir=root)
    began = time.process_time()
    madaudit.filter(store, output=output, to="shards", shard_size=5000)
    seconds = time.process_time() - began
    shutil.rmtree(output)
    return seconds


def time_peer_copy(urls: list[str], predicate: Callable[[dict], bool], root: Path) -> float:
    """A plain webdataset copy of the same samples: read, select, write shards."""
    import webdataset

    output = tempfile.mkdtemp(dir=root)
    dataset = webdataset.WebDataset(urls, shardshuffle=False).select(predicate)
    began = time.process_time()
    with webdataset.ShardWriter(f"{output}/%05d.tar", maxcount=5000, verbose=0) as writer:
        for sample in dataset:
            writer.write(
                {k: v for k, v in sample.items() if k not in ("__url__", "__local_path__")}
            )
    seconds = time.process_time() - began
    shutil.rmtree(output)
    return seconds


def bench_hooks(n_samples: int, n_rounds: int) -> None:
    import webdataset

    import madaudit
    from madaudit.hooks.webdataset import Keep

    root = Path(tempfile.mkdtemp(prefix="madaudit-bench-"))
    try:
        (root / "shards").mkdir()
        paths = write_shards(root / "shards", n_samples, share=0.1, per_shard=5000)
        urls = [str(path) for path in paths]
        store = str(root / "store")
        madaudit.scan(str(root / "shards"), store, engine="serial")
        madaudit.index(store)
        # The loop with a predicate that keeps everything, so that both deliver the same samples.
        (root / "all.yaml").write_text("version: 1\n")
        madaudit.index(store, policy=str(root / "all.yaml"))
        keep_all, keep = Keep(store, policy=str(root / "all.yaml")), Keep(store)
        held = list(webdataset.WebDataset(urls, shardshuffle=False))
        timers: dict[str, Callable[[], float]] = {
            "webdataset loop": lambda: time_loop(urls, None),
            "webdataset loop, true for all": lambda: time_loop(urls, lambda _: True),
            "webdataset loop, look-up keeps all": lambda: time_loop(urls, keep_all),
            "decoding loop": lambda: time_decoding_loop(urls[:1], None),
            "decoding loop, look-up keeps all": lambda: time_decoding_loop(urls[:1], keep_all),
            "look-up alone": lambda: time_predicate(held, keep),
            "clean shards": lambda: time_clean_shards(store, root),
            "webdataset copy": lambda: time_peer_copy(urls, keep, root),
        }
        print(
            f"{n_samples} samples of {sum(p.stat().st_size for p in paths) / n_samples / 1e3:.0f} "
            f"KB, 10 % marked; webdataset {webdataset.__version__}, Python "
            f"{platform.python_version()}, {platform.machine()}; {n_rounds} rounds"
        )
        results = dict(rounds_of(timers, n_rounds))
        for name, seconds in results.items():
            n = min(n_samples, _N_DECODED) if name.startswith("decoding") else n_samples
            print(f"{name:<40}{n / statistics.median(seconds):>12,.0f} CPU samples/s")
        alone = statistics.median(results["look-up alone"]) / n_samples * 1e6
        print(f"look-up alone: {alone:.2f} µs a sample (least {_least(results, n_samples):.2f})")
        within = microseconds_in_loop(urls, keep) - microseconds_in_loop(urls, lambda _: True)
        print(f"look-up inside the loop: {within:.2f} µs a sample")
        _tell(results, alone)
        _ratio(results, "webdataset loop", "webdataset loop, look-up keeps all")
        _ratio(results, "decoding loop", "decoding loop, look-up keeps all")
        _ratio(results, "webdataset copy", "clean shards")
    finally:
        shutil.rmtree(root)


def _tell(results: dict[str, list[float]], microseconds: float) -> None:
    loop, shards = (
        spread([b / s for b, s in zip(results[base], results[name], strict=True)])
        for base, name in (
            ("webdataset loop", "webdataset loop, look-up keeps all"),
            ("webdataset copy", "clean shards"),
        )
    )
    figure(
        f"webdataset loop with the look-up: {loop} of the rate without (aim .97), "
        f"{microseconds:.1f} µs a sample (aim 5)"
    )
    figure(f"clean shards: {shards} times the rate of a webdataset copy (aim 4)")


def _least(results: dict[str, list[float]], n_samples: int) -> float:
    return min(results["look-up alone"]) / n_samples * 1e6


def _ratio(results: dict[str, list[float]], base: str, name: str) -> None:
    """Of rates: by the least seconds of each, which is disturbed least; and round by round."""
    ratios = sorted(b / s for b, s in zip(results[base], results[name], strict=True))
    print(
        f"{name} / {base}: {min(results[base]) / min(results[name]):.3f} by the least, "
        f"{statistics.median(ratios):.3f} ({ratios[0]:.3f}–{ratios[-1]:.3f}) by round"
    )


def bench_index(n_keys: int, n_lookups: int) -> None:
    """Build time, size and look-ups of an index of keys as img2dataset numbers them; CPU time."""
    import os
    import random
    import resource

    import numpy as np

    from madaudit.hooks.key_index import KeyIndex, KeyIndexBuilder, hash_keys
    from madaudit.hooks.store_index import key_namespace
    from madaudit.scanning.store import Store

    folder = tempfile.mkdtemp(prefix="madaudit-bench-")
    per_shard = 10_000
    try:
        began = time.process_time()
        hashing = 0.0
        with KeyIndexBuilder(folder) as builder:
            for first in range(0, n_keys, per_shard):
                keys = [f"{n:012d}" for n in range(first, min(first + per_shard, n_keys))]
                at = time.process_time()
                hashes = hash_keys(key_namespace("key", f"{first // per_shard:08d}.tar"), keys)
                hashing += time.process_time() - at
                builder.add(hashes, np.arange(first, first + len(keys)))
            layout = builder.write(Store(folder).create, "key", n_keys)
        seconds = time.process_time() - began
        sizes = [os.path.getsize(f"{folder}/key.{x}") for x in ("buckets", "hashes", "rows")]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{n_keys:,} keys: {seconds:.0f} CPU s ({hashing:.0f} of them hashing), "
            f"{n_keys / seconds:,.0f} keys per CPU s, peak {peak:.0f} MB"
        )
        print(
            f"{sum(sizes) / n_keys:.3f} bytes a key and 1 for the decision "
            f"({', '.join(f'{size / n_keys:.3f}' for size in sizes)}); repeated hashes: "
            f"{layout.n_repeated}"
        )
        figure(
            f"index of {n_keys:,} keys: {sum(sizes) / n_keys:.2f} bytes a key (aim 12), built in "
            f"{seconds:.0f} s of processor"
        )
        index = KeyIndex(folder, "key", layout)
        rng = random.Random(1)
        wanted = [rng.randrange(n_keys) for _ in range(n_lookups)]
        named = [(key_namespace("key", f"{n // per_shard:08d}.tar"), f"{n:012d}") for n in wanted]
        for when in ("cold", "warm"):
            at = time.process_time()
            found = [index.rows(shard, key) for shard, key in named]
            took = (time.process_time() - at) / n_lookups * 1e6
            print(f"look-up, {when}: {took:.2f} CPU µs a key")
        assert all(n in rows for n, rows in zip(wanted, found, strict=True))
        elsewhere = key_namespace("key", "no such shard")
        strangers = sum(bool(len(index.rows(elsewhere, key))) for _, key in named)
        print(f"false positives: {strangers} of {n_lookups} keys that are not there")
    finally:
        shutil.rmtree(folder)
