"""Stores of real image files with scores of their own, and answers as a page exports them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.commands.store_building import Item, jpeg, scan_into, write_shards

DETECTORS = ("a1111", "constant")


def scored_images(folder: Path, n: int, pi: float, *, seed: int = 0, n_shards: int = 2) -> str:
    """A store of n images of which a share is synthetic: scores N(0, 1) and N(2, 1).

    The truth stands in the key of each sample.
    """
    generator = np.random.default_rng(seed)
    is_synthetic = generator.random(n) < pi
    scores = generator.normal(0, 1, n) + 2 * is_synthetic
    parts = np.array_split(np.arange(n), n_shards)
    shards = {
        f"s{k}": [
            Item(jpeg(int(i)), key=f"{i:06d}-{'synthetic' if is_synthetic[i] else 'real'}",
                 caption=f"caption {i}")
            for i in part
        ]
        for k, part in enumerate(parts)
    }  # fmt: skip
    store = scan_into(folder, write_shards(folder, **shards), detectors=DETECTORS)
    for k, part in enumerate(parts):
        path = Path(store, "scores", f"s{k}.tar.parquet")
        table = pq.read_table(path)
        place = table.schema.get_field_index("constant_score")
        table = table.set_column(place, "constant_score", pa.array(scores[part], pa.float32()))
        pq.write_table(table, path)
    return store


def key_of(store: str, draw: str) -> dict[str, Any]:
    return json.loads(Path(store, "labels", draw, "key.json").read_text())


def truths(store: str, draw: str) -> dict[str, str]:
    """What each item of a page is, by its name."""
    keys = {}
    for path in Path(store, "scores").rglob("*.parquet"):
        table = pq.read_table(path, columns=["shard", "ordinal", "key"]).to_pydict()
        for shard, ordinal, key in zip(*table.values(), strict=True):
            keys[shard, ordinal] = key.partition("-")[2]
    return {
        item["name"]: item["truth"]
        if item["kind"] == "check"
        else keys[item["shard"], item["ordinal"]]
        for item in key_of(store, draw)["items"]
    }


def write_export(path: Path, draw: str, answers: dict[str, str]) -> str:
    content = {"kind": "madaudit labels", "version": 1, "draw": draw, "answers": answers}
    path.write_text(json.dumps(content))
    return str(path)


def image_folder(folder: Path, n: int, first: int = 0) -> str:
    folder.mkdir()
    for k in range(n):
        (folder / f"{k}.jpg").write_bytes(jpeg(first + k))
    return str(folder)
