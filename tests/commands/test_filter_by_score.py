"""The cut on the real path: images scanned, estimated, judged, filtered, and counted by truth."""

from __future__ import annotations

import math
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import madaudit
from madaudit.hooks.base import LookupHook
from tests.commands.known_building import (
    REAL_GREY,
    SYNTHETIC_GREY,
    _fakes,
    as_bytes,
    grey_image,
    known_folders,
    marked_png,
)
from tests.commands.store_building import Item, write_shard

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("_fakes")]
__all__ = ["_fakes"]
N_KNOWN, N_REAL, N_SYNTHETIC, N_MARKED = 200, 480, 300, 20


def mixed_shard(path: Path) -> dict[str, str]:
    """A shard in an order that no one chose; key to truth."""
    random = np.random.default_rng(9)
    kinds = ["real"] * N_REAL + ["synthetic"] * N_SYNTHETIC + ["marked"] * N_MARKED
    truth, items = {}, []
    for number, place in enumerate(random.permutation(len(kinds))):
        key, kind = f"{number:09d}", kinds[place]
        grey = REAL_GREY if kind == "real" else SYNTHETIC_GREY
        if kind == "marked":
            items.append(Item(marked_png(random), key=key, ending="png"))
        else:
            items.append(Item(as_bytes(grey_image(random, grey)), key=key))
        truth[key] = kind
    write_shard(path, items)
    return truth


def keys_in(folder: Path) -> list[str]:
    names = []
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as archive:
            names += [member.name.partition(".")[0] for member in archive]
    return names


def test_the_recommended_cut_leaves_what_was_said(tmp_path: Path) -> None:
    truth = mixed_shard(tmp_path / "shards" / "a.tar")
    store, policy, clean = str(tmp_path / "store"), tmp_path / "policy.yaml", tmp_path / "clean"
    folders = known_folders(tmp_path, N_KNOWN)
    sources = [f"{name}={path}" for name, path in folders.items()]

    detectors = ["a1111", "brightness"]
    madaudit.scan(
        str(tmp_path / "shards"), store, detectors=detectors, tier="pixels", engine="serial"
    )
    made = madaudit.calibrate(
        str(tmp_path / "cal"), real=sources[:2], synthetic=sources[2:], like=store, engine="serial"
    )
    found = madaudit.estimate(store, calibration=str(tmp_path / "cal"))
    told = madaudit.risk(
        store, calibration=str(tmp_path / "cal"), bias=0.9, policy_out=str(policy)
    )
    result = madaudit.filter(store, output=str(clean), to="shards", policy=str(policy))

    assert told.threshold.action == "cut"
    assert found.p.low <= N_REAL / len(truth) <= found.p.high
    kept = {truth[key]: 0 for key in truth} | _counts(truth, keys_in(clean))
    assert result.kept == sum(kept.values())
    assert kept["marked"] == 0
    # The said share rests on half of the known photos, the true one on those of the shard; four
    # standard deviations of the difference, so a false alarm in 16,000.
    said = told.threshold.real_lost.point
    n_counted = sum(sketch.n for sketch in made.calibration.real.values())
    spread = math.sqrt(said * (1 - said) * (1 / n_counted + 1 / N_REAL))
    assert abs(1 - kept["real"] / N_REAL - said) < 4 * spread
    assert 0 < said < 0.5
    before = 1 - N_REAL / len(truth)
    assert kept["synthetic"] / result.kept < before / 2

    hook = LookupHook(store, policy=str(policy))
    stays = [k for k in truth if hook.keeps_record({"__url__": "a.tar", "__key__": k})]
    assert stays == keys_in(clean)
    rejected = pq.read_table(clean / "_madaudit" / "rejected.parquet").to_pylist()
    assert {row["key"] for row in rejected} == truth.keys() - set(stays)
    assert all("log ratio" in row["says"] or "Automatic1111" in row["says"] for row in rejected)


def _counts(truth: dict[str, str], keys: list[str]) -> dict[str, int]:
    kinds, counts = np.unique([truth[key] for key in keys], return_counts=True)
    return dict(zip(kinds.tolist(), counts.tolist(), strict=True))
