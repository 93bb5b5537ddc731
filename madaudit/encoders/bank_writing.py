"""Writing a bank of known images; `bank.json` comes last, so a half-written bank is refused."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from madaudit.encoders.bank import (
    EXACT_BELOW,
    FORMAT,
    SIDES,
    KnownSet,
    Side,
    Vectors,
    chord,
)
from madaudit.encoders.space import FeatureSpace

_SEED = 0
# Neighbours and items by which the intrinsic dimension is measured.
_NEIGHBOURS, _MEASURED = 20, 500
# Items by which the recall of inverted lists is measured, and what it must come to.
_CHECKED, _CHECKED_K, _RECALL = 256, 10, 0.95


@dataclass(frozen=True, eq=False)
class Recall:
    """How well inverted lists find the nearest.

    Attributes:
        n_probes: cells looked at.
        recall: share of the true 10 nearest found, by items of the bank itself, each left out.
    """

    n_probes: int
    recall: float


def write_bank(
    folder: str,
    space: FeatureSpace,
    sides: Mapping[str, tuple[Vectors, pa.Table]],
    sources: list[dict[str, Any]],
) -> dict[str, Any]:
    """Write a bank.

    Args:
        folder: made where it is not there.
        space: of the features.
        sides: "real" and "synthetic" to vectors, float32 (n, d) with rows of length 1, n ≥ 1, and
            to their items.
        sources: name, label and number of each source.

    Returns:
        What bank.json holds.

    Raises:
        MissingExtraError: a side has a million vectors or more, and faiss is not installed.
    """
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    about = _description(space, sides, sources)
    parts: list[Path] = []
    for side in SIDES:
        about[side], written = _write_side(root, side, *sides[side])
        parts += written
    # All is on disk by now: a full one has cost nothing of the bank that was here before.
    (root / "bank.json").unlink(missing_ok=True)
    for part in parts:
        os.replace(part, part.with_suffix(""))
    text = json.dumps(about, indent=1).encode() + b"\n"
    part, _ = _write(root / "bank.json", lambda file: file.write(text))
    os.replace(part, root / "bank.json")
    return about


def _description(
    space: FeatureSpace,
    sides: Mapping[str, tuple[Vectors, pa.Table]],
    sources: list[dict[str, Any]],
) -> dict[str, Any]:
    """What bank.json says of both sides."""
    encoder = space.encoder
    return {
        "format": FORMAT,
        "space": space.key,
        "encoder": {
            "name": encoder.name,
            "digest": encoder.digest,
            "arithmetic": encoder.arithmetic,
            "dimension": encoder.dimension,
        },
        "crops": space.crops.to_dict(),
        "sources": sources,
        "dimension": _dimension(sides),
        "seed": _SEED,
    }


def _write_side(
    root: Path, side: Side, vectors: Vectors, items: pa.Table
) -> tuple[dict[str, Any], list[Path]]:
    """Write a side's files under other names; what bank.json says of it, and these names."""
    arrays, table = {f"{side}.npy": vectors}, f"{side}.parquet"
    own: dict[str, Any] = {"n": len(vectors), "search": "exact"}
    if len(vectors) >= EXACT_BELOW:
        lists = importlib.import_module("madaudit.encoders.inverted").Inverted.train(vectors)
        arrays[f"{side}_centroids.npy"] = lists.centroids
        arrays[f"{side}_cells.npy"] = lists.cells.astype(np.int32)
        own |= {"search": "inverted lists", "n_cells": len(lists.centroids)}
        own |= asdict(measure_recall(vectors, lists))
    saves: dict[str, Callable[[BinaryIO], object]] = {
        name: partial(np.lib.format.write_array, array=array, allow_pickle=False)
        for name, array in arrays.items()
    }
    saves[table] = partial(pq.write_table, items, compression="zstd", write_page_checksum=True)
    written = {name: _write(root / name, save) for name, save in saves.items()}
    own["files"] = {name: digest for name, (_, digest) in written.items()}
    return own, [part for part, _ in written.values()]


def measure_recall(vectors: Vectors, lists: Any) -> Recall:
    """The fewest cells, doubled until they suffice, at which 95 % of the nearest are found.

    Args:
        vectors: float32 (n, d), rows of length 1, in the lists.
        lists: `madaudit.encoders.inverted.Inverted`.
    """
    rng = np.random.default_rng(_SEED)
    chosen = np.sort(rng.permutation(len(vectors))[:_CHECKED])
    queries = np.asarray(vectors[chosen])
    exact = KnownSet(vectors, pa.table({})).nearest(queries, _CHECKED_K + 1).place
    n_probes = 1
    while True:
        found = lists.nearest(queries, _CHECKED_K + 1, n_probes=n_probes)
        hits = [
            np.isin(true[true != own], got).mean()
            for own, true, got in zip(chosen, exact, found, strict=True)
        ]
        recall = float(np.mean(hits))
        if recall >= _RECALL or n_probes >= len(lists.centroids):
            return Recall(min(n_probes, len(lists.centroids)), recall)
        n_probes *= 2


def _dimension(sides: Mapping[str, tuple[Vectors, pa.Table]]) -> float:
    """Intrinsic dimension of the features, the harmonic mean over items of both sides, ≥ 1.

    From T_j, the distance to the j-th neighbour: 1/m = mean over j < k of ln(T_k/T_j). Source:
    Levina and Bickel 2004, "Maximum likelihood estimation of intrinsic dimension", eq. 8, averaged
    as MacKay and Ghahramani 2005 correct it.
    """
    rng = np.random.default_rng(_SEED)
    inverse: list[npt.NDArray[np.float64]] = []
    for vectors, _ in sides.values():
        k = min(_NEIGHBOURS, len(vectors) - 1)
        if k < 2:
            continue
        chosen = rng.permutation(len(vectors))[:_MEASURED]
        found = KnownSet(vectors, pa.table({})).nearest(np.asarray(vectors[chosen]), k + 1)
        distance = chord(found.similarity)[:, 1:]
        inverse.append(np.log(distance[:, -1:] / distance[:, :-1]).mean(axis=1))
    mean = float(np.concatenate(inverse).mean()) if inverse else 1.0
    return float(np.clip(1.0 / max(mean, 1e-9), 1.0, next(iter(sides.values()))[0].shape[1]))


def _write(path: Path, save: Callable[[BinaryIO], object]) -> tuple[Path, str]:
    """Write a file beside the one it will replace; its place and its SHA-256."""
    part = path.with_name(f"{path.name}.partial")
    with open(part, "w+b") as file:
        save(file)
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        return part, hashlib.file_digest(file, "sha256").hexdigest()
