"""How the detector is judged: one history for both classes, and nothing seen that is left out."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.detectors.forensics.pictures import photo_like

_SCRIPTS = Path(__file__).parents[3] / "scripts"


@pytest.fixture
def views(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(_SCRIPTS))
    return importlib.import_module("forensic_views")


@pytest.fixture
def judge(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(_SCRIPTS))
    return importlib.import_module("forensic_evaluation")


def _table(judge: ModuleType, rows: list[tuple[float, int, str, str, str]]):
    """Rows of (feature, label, source, family, photos); each its own image."""
    values, labels, sources, families, photos = zip(*rows, strict=True)
    tables = sys.modules["forensic_tables"]
    return tables.Table(
        np.array(values)[:, None],
        np.zeros((len(rows), 5)),
        np.array(labels),
        np.array(sources, dtype="U40"),
        np.array(families, dtype="U40"),
        np.array(photos, dtype="U40"),
        np.array([f"image {n}" for n in range(len(rows))]),
    )


@pytest.mark.parametrize("kind", ["native", "img2dataset", "shrunk", "cut_img2dataset"])
@pytest.mark.parametrize("item_format", ["png", "jpeg"])
@pytest.mark.parametrize("size", [(256, 256), (300, 400), (500, 700)])
def test_every_judged_view_has_the_same_size(views, kind, item_format, size):
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    sides = {
        views.VIEWS[kind](image, item_format, np.random.default_rng(seed)).rgb.shape
        for seed in range(3)
    }
    assert sides == {(views.VIEW_PX, views.VIEW_PX, 3)}


def test_a_native_view_is_not_resampled(views):
    """A checkerboard stays one, whatever the compression does to its contrast."""
    board = (np.indices((300, 300)).sum(axis=0) % 2 * 200 + 20).astype(np.uint8)
    rgb = np.repeat(board[..., None], 3, axis=2)
    view = views.native_view(rgb, "png", np.random.default_rng(0)).rgb.astype(int)
    assert np.abs(view[:, 1:] - view[:, :-1]).min() > 50


def test_quality_is_drawn_alike_for_files_that_were_lossless_and_that_were_not(views):
    rgb = photo_like(2)
    drawn = {
        item_format: [
            views.native_view(rgb, item_format, np.random.default_rng(seed)).stored
            for seed in range(60)
        ]
        for item_format in ("png", "jpeg")
    }
    png, jpeg = (np.array(drawn[item_format])[:, 3] for item_format in ("png", "jpeg"))
    spread = np.sqrt(png.var() / png.size + jpeg.var() / jpeg.size)
    assert abs(png.mean() - jpeg.mean()) < 4 * spread


def test_a_lossless_image_gets_a_jpegs_past_and_a_jpeg_keeps_its_own(views):
    rgb = photo_like(3, (300, 300))
    np.testing.assert_array_equal(views.with_history(rgb, "jpeg", np.random.default_rng(0)), rgb)
    assert not np.array_equal(views.with_history(rgb, "png", np.random.default_rng(0)), rgb)


_ROWS = [
    (0.0, 0, "azure", "", "azure"),
    (0.1, 0, "jetson", "", "jetson"),
    (1.0, 1, "sd1", "sd1", ""),
    (1.1, 1, "stylegan3", "stylegan", ""),
    (1.2, 1, "sd_metadata", "mixed", ""),
    (0.9, 1, "reconstructed_nearest_4", "reconstruction", "azure"),
    (0.8, 1, "reconstructed_nearest_4", "reconstruction", "jetson"),
]


def test_leaving_out_photos_leaves_out_their_reconstructions(judge):
    rest = judge.left_out(_table(judge, _ROWS), "stylegan", "azure")
    assert "azure" not in set(rest.photos)
    assert set(rest.sources) == {"jetson", "sd1", "sd_metadata", "reconstructed_nearest_4"}


def test_leaving_out_a_family_leaves_out_the_mixed_source_that_may_hold_it(judge):
    assert "mixed" not in set(judge.left_out(_table(judge, _ROWS), "sd1", "").families)
    assert "mixed" in set(judge.left_out(_table(judge, _ROWS), "stylegan", "").families)


def test_leaving_out_no_family_keeps_all_photos(judge):
    assert len(judge.left_out(_table(judge, _ROWS), "", "").labels) == len(_ROWS)


def test_no_model_that_judges_has_seen_what_it_judges(judge):
    seen = {}

    def fit(rows):
        key = (frozenset(rows.families), frozenset(rows.photos))
        seen[len(seen)] = key
        return lambda values: np.zeros(len(values))

    table = _table(judge, _ROWS)
    scorers = judge.held_out(table, fit, table, ["azure", "jetson"])
    for (family, photos), (families, contents) in zip(scorers, seen.values(), strict=True):
        assert family not in families
        assert photos not in contents


def test_the_area_counts_pairs_of_images_and_ties_by_half(judge):
    rows = [(1.0, 1, "g", "f", ""), (0.0, 1, "g", "f", ""), (0.0, 0, "p", "", "p")]
    table = _table(judge, rows)
    found = judge.wins(table.of("g"), table.of("p"), lambda values: values[:, 0])
    np.testing.assert_allclose(found, [[1.0], [0.5]])


def test_views_of_one_image_are_one_vote(judge):
    rows = [(1.0, 1, "g", "f", ""), (-1.0, 1, "g", "f", ""), (0.0, 0, "p", "", "p")]
    table = _table(judge, rows)._replace(items=np.array(["a", "a", "b"]))
    found = judge.wins(table.of("g"), table.of("p"), lambda values: values[:, 0])
    np.testing.assert_allclose(found, [[0.5]])


@pytest.mark.slow
def test_intervals_of_areas_cover_the_true_area(judge):
    """200 replicates at level .95: at least 174 by the binomial rule (false alarm 1e-4)."""
    rng = np.random.default_rng(5)
    truth, n_covered = 0.760, 0  # P(N(1, 1) > N(0, 1)) = Φ(1/√2)
    for _ in range(200):
        synthetic, real = rng.normal(1, 1, 40), rng.normal(0, 1, 60)
        area = judge.auc_of([(synthetic[:, None] > real[None]).astype(float)])
        n_covered += area.low <= truth <= area.high
    assert n_covered >= 174
