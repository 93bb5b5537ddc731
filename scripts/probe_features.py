"""Features of images after their histories, kept on disk, since a crop costs 70 ms."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from probe_images import Picture, with_history

from madaudit.encoders.base import Encoder
from madaudit.encoders.crops import CropRule


def features_of(
    pictures: Sequence[Picture], history: str, encoder: Encoder, crops: CropRule, folder: Path
) -> npt.NDArray[np.float32]:
    """Features (n, d) of images after a history; NaN where an image is too small for it."""
    key = hashlib.sha256(f"{encoder.digest} {crops}".encode()).hexdigest()[:16]
    path = folder / f"{key}-{history}.npz"
    kept = _kept(path)
    missing = [p for p in pictures if p.digest not in kept]
    for place, picture in enumerate(missing):
        kept[picture.digest] = _features(picture, history, encoder, crops)
        if place % 100 == 99 or place == len(missing) - 1:
            print(f"{history}, {crops}: {place + 1} of {len(missing)}", file=sys.stderr)
            _keep(path, kept)
    return np.array([kept[p.digest] for p in pictures], dtype=np.float32)


def _features(
    picture: Picture, history: str, encoder: Encoder, crops: CropRule
) -> npt.NDArray[np.float32]:
    nothing = np.full(encoder.dimension, np.nan, dtype=np.float32)
    try:
        after = with_history(picture.open(), history, picture.digest)
    except OSError:
        return nothing
    if after is None:
        return nothing
    cut = crops.cut(np.asarray(after), encoder.side_px)
    return encoder.encode(cut).mean(axis=0) if cut else nothing


def _kept(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as content:
        return dict(zip(content["digests"].tolist(), content["features"], strict=True))


def _keep(path: Path, kept: dict[str, npt.NDArray[np.float32]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, digests=np.array(list(kept)), features=np.array(list(kept.values())))
    os.replace(partial, path)
