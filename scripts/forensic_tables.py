"""Features of all views of all sources, one row per view, kept on disk so that a run resumes."""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from forensic_views import JUDGED_PX, VIEWS, Item, Source

from madaudit.detectors.forensics import features, tiles, traces

RECONSTRUCTED = "reconstruction"
# Rows that a source should bring to training, by views of its images, and views of one.
WANTED_ROWS, LEAST_VIEWS, MOST_VIEWS = 300, 2, 12


class Table(NamedTuple):
    """Rows of several sources.

    Attributes:
        features: float32 (n, d).
        stored: float (n, 5), how the view was stored: size, subsampling, quantisation.
        labels: int (n,), 1 = synthetic.
        sources: str (n,), generator or photo source.
        families: str (n,), "" for photos.
        photos: str (n,), photo source whose content a row shows, "" for other synthetic images.
        items: str (n,), the image; its views are not independent.
    """

    features: np.ndarray
    stored: np.ndarray
    labels: np.ndarray
    sources: np.ndarray
    families: np.ndarray
    photos: np.ndarray
    items: np.ndarray

    def where(self, mask: np.ndarray) -> Table:
        return Table(*(column[mask] for column in self))

    def of(self, source: str) -> Table:
        return self.where(self.sources == source)


def joined(tables: Sequence[Table]) -> Table:
    return Table(*(np.concatenate(columns) for columns in zip(*tables, strict=True)))


def _code_digest() -> str:
    """Changes with whatever decides a row's numbers; comments and layout do not."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in (traces.__file__, tiles.__file__, here / "forensic_views.py", __file__):
        digest.update(ast.dump(ast.parse(Path(path).read_text(encoding="utf-8"))).encode())
    return digest.hexdigest()[:12]


def n_views_of(kind: str, n_items: int) -> int:
    if kind == "training":
        return int(np.clip(round(WANTED_ROWS / max(n_items, 1)), LEAST_VIEWS, MOST_VIEWS))
    if kind == "native":
        return 3
    return 2 if kind in ("shrunk", "cut_img2dataset") and n_items < 100 else 1


def table_of(source: Source, items: Sequence[Item], kind: str, cache: Path) -> Table:
    """Features of the source's images under one kind of view; images too small leave no row."""
    path = cache / f"{source.name}_{kind}_{len(items)}_{_code_digest()}.npz"
    if not path.exists():
        rows = [row for item in items for row in _rows(item, kind, n_views_of(kind, len(items)))]
        names, values, stored = zip(*rows, strict=True) if rows else ((), (), ())
        np.savez(
            path.with_suffix(".tmp.npz"),
            items=np.array(names, str),
            features=np.array(values, np.float32).reshape(len(rows), -1),
            stored=np.array(stored, float).reshape(len(rows), -1),
        )
        os.replace(path.with_suffix(".tmp.npz"), path)
        print(f"{source.name}, {kind}: {len(rows)} views of {len(items)} images", flush=True)
    with np.load(path, allow_pickle=False) as kept:
        return _table(source, kept["items"], kept["features"], kept["stored"])


def _rows(item: Item, kind: str, n_views: int) -> list[tuple[str, np.ndarray, tuple[float, ...]]]:
    rgb = item.rgb()
    least = tiles.TILE_PX if kind in ("training", "raw") else JUDGED_PX
    if rgb is None or min(rgb.shape[:2]) < least:
        return []
    found = []
    for number in range(n_views):
        rng = np.random.default_rng([item.seed, number, list(VIEWS).index(kind)])
        view = VIEWS[kind](rgb, item.format, rng)
        values = features(view.rgb)
        if values is not None:
            found.append((item.path.name, values, view.stored))
    return found


def _table(source: Source, items: np.ndarray, values: np.ndarray, stored: np.ndarray) -> Table:
    n = len(items)
    label = int(source.label == "synthetic")
    if source.family == RECONSTRUCTED or source.name == "photos":
        photos = np.array([str(name).partition("__")[0] for name in items], dtype="U40")
    else:
        photos = np.full(n, "" if label else source.name, dtype="U40")
    return Table(
        values,
        stored,
        np.full(n, label),
        np.full(n, source.name, dtype="U40"),
        np.full(n, source.family, dtype="U40"),
        photos,
        np.array([f"{source.name}/{name}" for name in items], dtype="U200"),
    )
