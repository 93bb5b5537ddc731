"""How fast copies are found, and what inverted lists miss: the figures of docs/duplicates.md.

    python scripts/bench_neighbours.py hashes [--n 1000000] [--radius 4]
    python scripts/bench_neighbours.py lists [--n 1000000] [--dimension 512] [--groups 1000]
    python scripts/bench_neighbours.py lists --like FOLDER [--n 1000000]
    python scripts/bench_neighbours.py pairs [--n 20000]
    python scripts/bench_neighbours.py strangers

hashes: random hashes with a copy for one in a hundred, up to `radius` bits away and every other
one mirrored: seconds, peak memory, and whether every planted pair was found.
lists: vectors in groups, each spread in 16 directions of its own, since features of images are:
building, seconds a query, and the recall of the 10 nearest by the number of cells looked at, for
vectors of the bank (left out themselves) and for new ones. With --like, vectors drawn by the
smoothed bootstrap from a tower's own features (all .npy below FOLDER, one vector each). Seconds
are of the processor, since the machine may be shared; run with one thread.
pairs: all pairs of features of a similarity of .95, by the bound and by all products.
strangers: how many pairs of the pictures of ../shared/data are within so many bits, mirrored ones
included; hardly any of them are copies.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from madaudit.encoders.bank import KnownSet  # noqa: E402
from madaudit.encoders.close_pairs import close_pairs  # noqa: E402
from madaudit.scanning.copies.hash_pairs import MIRRORED, pairs_within  # noqa: E402
from madaudit.scanning.copies.search import group, label  # noqa: E402


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def bench_hashes(n: int, radius: int) -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, n, dtype=np.uint64)
    n_planted = n // 100
    copies = hashes[:n_planted].copy()
    for _ in range(radius):
        bit = np.uint64(1) << rng.integers(0, 64, n_planted, dtype=np.uint64)
        copies ^= np.where(rng.random(n_planted) < 0.7, bit, np.uint64(0))
    copies[::2] ^= np.uint64(MIRRORED)
    hashes[n_planted : 2 * n_planted] = copies
    began = time.process_time()
    groups = group(hashes, np.ones(n, dtype=bool))
    parts = [
        np.stack(found[:2], axis=1).astype(np.int32)
        for found in pairs_within(groups.hashes, radius)
    ]
    searched = time.process_time()
    labels = label(groups, [np.concatenate(parts)])
    seconds = time.process_time() - began
    n_found = int((labels[:n_planted] == labels[n_planted : 2 * n_planted]).sum())
    print(
        f"{n} hashes, radius {radius}: {seconds:.1f} s ({searched - began:.1f} s for pairs), "
        f"{n / seconds:,.0f} hashes/s, {peak_gb():.2f} GB; {n_found} of {n_planted} planted found"
    )


def features(
    n: int, dimension: int, rng: np.random.Generator, *, n_groups: int = 1000
) -> np.ndarray:
    """Unit vectors in groups, each spread in 16 directions of its own and a little in all."""
    n_directions = 16
    layout = np.random.default_rng(7)
    centres = layout.normal(size=(n_groups, dimension)).astype(np.float32)
    vectors = np.empty((n, dimension), dtype=np.float32)
    which = np.sort(rng.integers(0, n_groups, n))
    for number in range(n_groups):
        rows = np.arange(*np.searchsorted(which, [number, number + 1]))
        axes = np.random.default_rng([8, number]).normal(size=(n_directions, dimension))
        spread = rng.normal(size=(len(rows), n_directions)) @ axes / n_directions**0.5
        noise = 0.2 * rng.standard_normal((len(rows), dimension), dtype=np.float32)
        vectors[rows] = centres[number] + spread + noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def like(known: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors of the mean and covariance of known ones, by the smoothed bootstrap.

    A known vector drawn at random, shrunk towards the mean, and Gaussian noise of all vectors'
    covariance (Efron 1979, "Bootstrap methods", remark on smoothing), at half and half of the
    variance, so that about as many groups stay as there are known vectors.
    """
    centre = known.mean(axis=0)
    _, singular, axes = np.linalg.svd(known - centre, full_matrices=False)
    root = (singular[:, None] / len(known) ** 0.5 * axes).astype(np.float32)
    vectors = np.empty((n, known.shape[1]), dtype=np.float32)
    for start in range(0, n, 20_000):
        part = vectors[start : start + 20_000]
        drawn = known[rng.integers(len(known), size=len(part))]
        noise = rng.standard_normal((len(part), len(root)), dtype=np.float32) @ root
        part[:] = centre + 0.5**0.5 * (drawn - centre + noise)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def read_like(folder: Path) -> np.ndarray:
    paths = sorted(folder.rglob("*.npy"))
    known = np.stack([np.load(path, allow_pickle=False) for path in paths]).astype(np.float32)
    return known / np.linalg.norm(known, axis=1, keepdims=True)


def bench_lists(n: int, dimension: int, n_groups: int, folder: Path | None) -> None:
    from madaudit.encoders.bank_writing import measure_recall
    from madaudit.encoders.inverted import Inverted

    rng = np.random.default_rng(1)
    if folder is None:
        everything = features(n + 200, dimension, rng, n_groups=n_groups)
        order = rng.permutation(len(everything))
        new, vectors = everything[order[:200]], everything[order[200:]]
        told = f"in {n_groups} groups"
    else:
        known = read_like(folder)
        vectors, new = like(known, n, rng), like(known, 200, rng)
        told = f"like {len(known)} of the tower"
    began = time.process_time()
    lists = Inverted.train(vectors)
    built_s = time.process_time() - began
    print(f"{n} vectors of {vectors.shape[1]} numbers {told}: {len(lists.centroids)} cells")
    print(f"{built_s:.0f} s to build, {peak_gb():.1f} GB")
    side = KnownSet(vectors, pa.table({}))
    began = time.process_time()
    exact = side.nearest(new, 10)
    whole_s = (time.process_time() - began) / len(new)
    print(f"searched whole: {1e3 * whole_s:.1f} ms a query in a batch of {len(new)}")
    n_probes = 1
    while n_probes <= 128:
        began = time.process_time()
        found = KnownSet(vectors, pa.table({}), lists, n_probes).nearest(new, 10)
        own_s = (time.process_time() - began) / len(new)
        hits = [np.isin(a, b).mean() for a, b in zip(exact.place, found.place, strict=True)]
        print(f"{n_probes:4} cells: recall of the 10 nearest {np.mean(hits):.3f}, "
              f"{1e3 * own_s:.2f} ms a query")  # fmt: skip
        n_probes *= 2
    chosen = measure_recall(vectors, lists)
    print(f"chosen by `bank build`: {chosen.n_probes} cells, recall {chosen.recall:.3f}")


def bench_pairs(n: int) -> None:
    vectors = features(n, 512, np.random.default_rng(2))
    copies = vectors[: n // 100] + 0.005 * np.random.default_rng(3).normal(size=(n // 100, 512))
    vectors = np.concatenate([vectors, copies.astype(np.float32)])
    began = time.process_time()
    n_found = sum(len(part.first) for part in close_pairs(vectors, 0.95))
    bound_s = time.process_time() - began
    began = time.process_time()
    n_true = 0
    for start in range(0, len(vectors), 1024):
        rows = vectors[start : start + 1024]
        similar = rows @ vectors.T >= 0.95
        n_true += int(similar.sum()) - len(rows)
    all_s = time.process_time() - began
    print(f"{len(vectors)} vectors: {bound_s:.1f} s by the bound, {all_s:.1f} s by all products "
          f"(twice each pair); {n_found} and {n_true // 2} pairs")  # fmt: skip


def bench_strangers() -> None:
    import csv

    from PIL import Image
    from scipy.special import betainc

    from madaudit.scanning.duplicate_keys import perceptual_hash

    data = ROOT.parent / "shared" / "data"
    found = []
    with open(data / "MANIFEST.csv", encoding="utf-8", newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    for path in paths:
        if path.startswith(("real/", "synthetic/")):
            try:
                found.append(perceptual_hash(np.asarray(Image.open(data / path).convert("RGB"))))
            except OSError:
                continue
    hashes = np.array(found, dtype=np.uint64)
    differing = hashes[:, None] ^ hashes[None]
    near = np.bitwise_count(differing)
    turned = np.bitwise_count(differing ^ np.uint64(MIRRORED))
    distance = np.minimum(near, turned)[np.triu_indices(len(hashes), 1)]
    print(f"{len(hashes)} pictures, {len(distance)} pairs")
    both = np.concatenate([part[np.triu_indices(len(hashes), 1)] for part in (near, turned)])
    # Daugman 2003, "The importance of being random", eq. 3: bits that are as good as independent.
    freedom = 0.25 * 64**2 / both.astype(float).var()
    for radius in range(0, 25, 2):
        n_within = int((distance <= radius).sum())
        fitted = 2 * betainc(freedom * (1 - radius / 64), freedom * radius / 64 + 1, 0.5)
        print(
            f"within {radius:2} bits: {n_within} pairs, {n_within / len(distance):.2g} "
            f"(binomial with {freedom:.0f} degrees of freedom: {fitted:.2g})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("hashes", "lists", "pairs", "strangers"))
    parser.add_argument("--n", type=int)
    parser.add_argument("--radius", type=int, default=4)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--groups", type=int, default=1000, help="that the vectors lie in")
    parser.add_argument("--like", type=Path, help="a folder of a tower's features")
    chosen = parser.parse_args()
    if chosen.what == "hashes":
        bench_hashes(chosen.n or 1_000_000, chosen.radius)
    elif chosen.what == "lists":
        bench_lists(chosen.n or 1_000_000, chosen.dimension, chosen.groups, chosen.like)
    elif chosen.what == "strangers":
        bench_strangers()
    else:
        bench_pairs(chosen.n or 20_000)


if __name__ == "__main__":
    main()
