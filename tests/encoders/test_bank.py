"""Banks: exact neighbours in any company, densities as geometry has them, damage refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from madaudit.encoders import bank as module
from madaudit.encoders import bank_writing
from madaudit.encoders.bank import ITEMS, Bank, KnownSet, read_bank
from madaudit.encoders.bank_writing import measure_recall, write_bank
from madaudit.encoders.inverted import Inverted
from madaudit.encoders.space import FeatureSpace
from madaudit.errors import MissingExtraError, RequestError
from tests.encoders.encoder_fakes import Means


def _units(n: int, d: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _items(n: int, source: str = "a") -> pa.Table:
    columns = {
        "source": pa.array([source] * n).dictionary_encode(),
        "shard": ["s.tar"] * n,
        "ordinal": list(range(n)),
        "key": [f"k{number}" for number in range(n)],
    }
    return pa.table(columns).cast(ITEMS)


def _write(folder: Path, real: np.ndarray, synthetic: np.ndarray) -> str:
    sides = {"real": (real, _items(len(real))), "synthetic": (synthetic, _items(len(synthetic)))}
    write_bank(str(folder), FeatureSpace(Means()), sides, [])
    return str(folder)


def _arc(n: int, *, share: float, seed: int) -> np.ndarray:
    """Points on a part of a great circle."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi * share, n)
    return np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1).astype(np.float32)


# --- searching --------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 5, 40])
def test_the_nearest_are_those_of_a_sort_of_all(monkeypatch, k):
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 16)
    vectors, queries = _units(100, 6), _units(9, 6, seed=1)
    found = KnownSet(vectors, _items(100)).nearest(queries, k)
    products = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    np.testing.assert_array_equal(found.place, np.argsort(-products, axis=1)[:, :k])
    np.testing.assert_allclose(found.similarity, -np.sort(-products, axis=1)[:, :k], atol=1e-6)


def test_what_is_searched_beside_it_does_not_matter_to_the_last_bit():
    side = KnownSet(_units(3000, 64), _items(3000))
    queries = _units(50, 64, seed=1)
    together = side.nearest(queries, 5)
    for row in range(50):
        alone = side.nearest(queries[row : row + 1], 5)
        np.testing.assert_array_equal(alone.similarity[0], together.similarity[row])
        np.testing.assert_array_equal(alone.place[0], together.place[row])


def test_a_known_vector_finds_itself_at_similarity_one():
    vectors = _units(200, 16)
    found = KnownSet(vectors, _items(200)).nearest(vectors * 3, 1)
    assert found.place[:, 0].tolist() == list(range(200))
    np.testing.assert_allclose(found.similarity, 1.0, atol=1e-6)


# --- densities --------------------------------------------------------------------------------


def test_the_log_ratio_is_that_of_the_densities(tmp_path):
    # Real points on a whole circle, synthetic ones on half of it: twice as dense there.
    folder = _write(tmp_path, _arc(1000, share=1, seed=0), _arc(500, share=0.5, seed=1))
    bank = read_bank(folder)
    angle = np.linspace(0.2, np.pi - 0.2, 200)
    within = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1).astype(np.float32)
    assert bank.about["dimension"] == pytest.approx(1.0, abs=0.15)
    scores = bank.log_ratio(within, 20)
    assert scores.mean() == pytest.approx(np.log(2), abs=0.1)
    assert bank.log_ratio(-within, 20).max() < -1


def test_sizes_of_the_sides_do_not_move_the_log_ratio(tmp_path):
    alike = _write(tmp_path, _arc(1000, share=1, seed=0), _arc(300, share=1, seed=1))
    angle = np.linspace(0, 2 * np.pi, 300)
    around = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1).astype(np.float32)
    assert read_bank(alike).log_ratio(around, 20).mean() == pytest.approx(0.0, abs=0.1)


def test_more_neighbours_than_a_side_has_are_not_asked_for(tmp_path):
    folder = _write(tmp_path, _units(3, 3), _units(2, 3, seed=1))
    assert np.isfinite(read_bank(folder).log_ratio(_units(4, 3, seed=2), 50)).all()


# --- files ------------------------------------------------------------------------------------


def test_a_bank_is_read_as_it_was_written(tmp_path):
    real, synthetic = _units(7, 3), _units(5, 3, seed=1)
    bank = read_bank(_write(tmp_path, real, synthetic))
    assert isinstance(bank, Bank)
    np.testing.assert_array_equal(bank.real.vectors, real)
    np.testing.assert_array_equal(bank.synthetic.vectors, synthetic)
    assert bank.space == FeatureSpace(Means()).key
    assert bank.real.name(2) == "a: s.tar k2"


def test_a_bank_that_changed_is_read_again(tmp_path):
    first = read_bank(_write(tmp_path, _units(7, 3), _units(5, 3)))
    second = read_bank(_write(tmp_path, _units(8, 3), _units(5, 3)))
    assert (len(first.real), len(second.real)) == (7, 8)
    assert first.digest != second.digest


@pytest.mark.parametrize("name", ["real.npy", "synthetic.parquet"])
def test_a_flipped_bit_is_refused(tmp_path, name):
    folder = _write(tmp_path, _units(7, 3), _units(5, 3))
    data = bytearray((tmp_path / name).read_bytes())
    data[-20] ^= 1
    (tmp_path / name).write_bytes(bytes(data))
    with pytest.raises(RequestError, match=f"{name} has another digest"):
        read_bank(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "not of format 1"),
        ({"dimension": 0.0}, "intrinsic dimension"),
        ({"crops": {"n_crops": 3, "grid_px": 16}}, "cannot take 3 crops"),
        ({"real": {"n": 1, "files": {"../../x": ""}}}, "is no file of a bank"),
        ({"real": {"n": 10**12, "files": {}}}, "real.npy is float32"),
        ({"encoder": {}}, "KeyError"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(tmp_path, change, message):
    folder = _write(tmp_path, _units(7, 3), _units(5, 3))
    path = tmp_path / "bank.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(RequestError, match=message):
        read_bank(folder)


def test_pickled_vectors_are_refused(tmp_path):
    folder = _write(tmp_path, _units(7, 3), _units(5, 3))
    np.save(tmp_path / "real.npy", np.array([{}], dtype=object), allow_pickle=True)
    about = json.loads((tmp_path / "bank.json").read_text())
    about["real"]["files"] = {}
    (tmp_path / "bank.json").write_text(json.dumps(about))
    with pytest.raises(RequestError, match="cannot use the bank"):
        read_bank(folder)


def test_no_bank_is_told_with_the_command_that_makes_one(tmp_path):
    with pytest.raises(RequestError, match="build one with: madaudit bank build"):
        read_bank(str(tmp_path / "none"))


# --- inverted lists ---------------------------------------------------------------------------


def _in_groups(n: int, d: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    vectors = _units(40, d)[rng.integers(0, 40, n)] + 0.1 * rng.normal(size=(n, d))
    vectors = vectors.astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.slow
def test_inverted_lists_find_what_they_promise_and_are_read_back(tmp_path, monkeypatch):
    pytest.importorskip("faiss", reason="faiss is not installed (extra index)")
    for place in (module, bank_writing):
        monkeypatch.setattr(place, "EXACT_BELOW", 2000)
    real = _in_groups(3000, 3)
    bank = read_bank(_write(tmp_path, real, _units(5, 3)))
    own = bank.about["real"]
    assert (own["search"], bank.synthetic.lists) == ("inverted lists", None)
    assert own["recall"] >= 0.95
    measured = measure_recall(real, bank.real.lists)
    assert (measured.n_probes, measured.recall) == (own["n_probes"], own["recall"])
    near = bank.real.nearest(real[:50], 1)
    assert near.place[:, 0].tolist() == list(range(50))


@pytest.mark.slow
def test_cells_beyond_the_centroids_are_refused(tmp_path, monkeypatch):
    pytest.importorskip("faiss", reason="faiss is not installed (extra index)")
    for place in (module, bank_writing):
        monkeypatch.setattr(place, "EXACT_BELOW", 2000)
    folder = _write(tmp_path, _in_groups(3000, 3), _units(5, 3))
    cells = np.load(tmp_path / "real_cells.npy")
    np.save(tmp_path / "real_cells.npy", cells + 10**6)
    about = json.loads((tmp_path / "bank.json").read_text())
    del about["real"]["files"]["real_cells.npy"]
    (tmp_path / "bank.json").write_text(json.dumps(about))
    with pytest.raises(RequestError, match="names cells beyond"):
        read_bank(folder)


def test_without_faiss_a_million_vectors_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"run: pip install 'madaudit\[index\]'"):
        Inverted.train(_units(10, 3))


def test_a_bank_that_cannot_be_written_whole_leaves_the_old_one(tmp_path, monkeypatch):
    folder = _write(tmp_path, _units(7, 3), _units(5, 3))
    before = read_bank(folder).digest

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(bank_writing.pq, "write_table", full)
    with pytest.raises(OSError, match="no space left"):
        _write(tmp_path, _units(9, 3), _units(5, 3))
    assert read_bank(folder).digest == before
