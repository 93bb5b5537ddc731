"""How detectors are judged on strangers: one history for both classes, and measures as written."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

_SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def tables(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(_SCRIPTS))
    return importlib.import_module("evaluation_tables")


@pytest.fixture
def detectors(monkeypatch) -> ModuleType:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra onnx)")
    monkeypatch.syspath_prepend(str(_SCRIPTS))
    return importlib.import_module("evaluation_detectors")


def _rows(detectors: ModuleType, source: str, *, is_synthetic: bool, n: int, n_shrunk: int):
    picture = importlib.import_module("evaluation_images").Picture
    none = np.zeros(1)
    return [
        detectors.Row(
            picture(f"{source}/{k}", source, is_synthetic, ""), v, Path(), none, none, none, none
        )
        for v, count in (("native", n), ("shrunk", n_shrunk))
        for k in range(count)
    ]


def _share(rows, *, is_synthetic: bool) -> float:
    """Share of shrunk rows, mean over sources."""
    sources: dict[str, list[bool]] = {}
    for row in rows:
        if row.picture.is_synthetic == is_synthetic:
            sources.setdefault(row.picture.source, []).append(row.variant == "shrunk")
    return float(np.mean([np.mean(own) for own in sources.values()]))


def test_shrunk_rows_have_the_same_share_in_photos_and_generators(detectors):
    rows = _rows(detectors, "small", is_synthetic=True, n=60, n_shrunk=0)
    rows += _rows(detectors, "large", is_synthetic=True, n=20, n_shrunk=20)
    rows += _rows(detectors, "camera", is_synthetic=False, n=60, n_shrunk=60)
    rows += _rows(detectors, "shop", is_synthetic=False, n=90, n_shrunk=70)
    assert abs(_share(rows, is_synthetic=False) - _share(rows, is_synthetic=True)) > 0.2
    kept = detectors.with_one_history(rows)
    assert _share(kept, is_synthetic=False) == pytest.approx(_share(kept, is_synthetic=True))
    assert [row for row in kept if row.picture.is_synthetic] == rows[:100]


def _area(real, synthetic) -> float:
    return float(np.mean([(s > r) + 0.5 * (s == r) for s in synthetic for r in real]))


def _average_precision(real, synthetic) -> float:
    total = 0.0
    for score in synthetic:
        found, alarms = np.mean(synthetic >= score), np.mean(real >= score)
        total += found / (found + alarms) / len(synthetic)
    return float(total)


def _detected(real, synthetic) -> float:
    limits = [limit for limit in real if np.mean(real > limit) <= 0.05]
    return float(np.mean(synthetic > min(limits)))


@pytest.mark.parametrize(
    ("name", "slowly"),
    [("area", _area), ("average_precision", _average_precision), ("detected", _detected)],
)
def test_a_measure_of_a_replicate_is_that_of_the_pictures_drawn(tables, name, slowly):
    random = np.random.default_rng(3)
    real, synthetic = (
        np.round(random.normal(mean, 1.0, n), 1) for mean, n in ((0.0, 60), (1.0, 25))
    )
    times = tables.times_drawn(60, random)[:6], tables.times_drawn(25, random)[:6]
    found = getattr(tables, name)(real, synthetic, *times)
    for value, n_real, n_synthetic in zip(found, *times, strict=True):
        drawn = real.repeat(n_real.astype(int)), synthetic.repeat(n_synthetic.astype(int))
        assert value == pytest.approx(slowly(*drawn))


def test_a_control_of_photos_that_did_not_change_is_at_chance(tables):
    random = np.random.default_rng(4)
    names, scores = np.arange(40, dtype=np.uint64), random.normal(size=40)
    pair = {"d real": scores, "d shrunk": scores, "picture real": names, "picture shrunk": names}
    drawn = tables.control_draws([pair, pair], "d", "shrunk")
    # A photo is drawn with its variant, so that not even the draws leave chance.
    assert drawn == pytest.approx(np.full(len(drawn), 0.5))
