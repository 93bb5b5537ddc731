"""One mixed data set as every host reads it, and what `filter` keeps of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

import madaudit
from tests.commands.store_building import (
    composite,
    generated,
    make_store,
    page,
    photo,
)


def _marked(seed, **about):
    """A marked PNG under the ending that all others have, since `datasets` wants one."""
    return generated(seed, **about)._replace(ending="jpg")


def _broken(seed, **about):
    return page(**about)


_MAKE = (photo, _marked, photo, composite, photo, _broken, _marked)


class World(NamedTuple):
    """A store with its shards.

    Attributes:
        store: its folder.
        urls: of the shards.
        kept: (shard, key) of what `filter` keeps, in order.
    """

    store: str
    urls: list[str]
    kept: list[tuple[str, str]]

    @property
    def kept_keys(self) -> list[str]:
        return [key for _, key in self.kept]


def make_world(folder: Path, *, n_shards: int = 3, per_shard: int = 21) -> World:
    """Shards of photos, marked images, composites and broken files; keys are unique."""
    shards = {}
    for number in range(n_shards):
        first = number * per_shard
        shards[f"{number:05d}"] = [
            _MAKE[i % len(_MAKE)](
                i, key=f"{i:09d}", caption=f"no {i}", url=f"https://x.example/{i}"
            )
            for i in range(first, first + per_shard)
        ]
    store = make_store(folder, **shards)
    madaudit.filter(store, output=str(folder / "kept.parquet"))
    rows = pq.read_table(folder / "kept.parquet").to_pylist()
    urls = [str(folder / "shards" / f"{name}.tar") for name in shards]
    return World(store, urls, [(row["shard"], row["key"]) for row in rows])
