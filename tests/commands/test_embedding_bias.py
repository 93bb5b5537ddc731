"""`madaudit risk --bias-from-embeddings`: λ from a store's own embeddings."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from madaudit.commands.calibration_files import write_calibration
from madaudit.commands.risk import risk
from tests.commands.invoking import invoke
from tests.commands.scored_stores import Rows, calibration_of, write_store

N = 3000


def embed(store, shard, ordinals, embeddings, number="0"):
    """Embeddings of a shard in clip-retrieval's layout."""
    folder = store / "embeddings"
    for part in ("img_emb", "metadata"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    np.save(folder / "img_emb" / f"img_emb_{number}.npy", embeddings.astype(np.float16))
    table = pa.table(
        {"shard": [shard] * len(ordinals), "ordinal": ordinals, "key": [str(k) for k in ordinals]}
    )
    pq.write_table(table, folder / "metadata" / f"metadata_{number}.parquet")


@pytest.fixture
def store(tmp_path):
    """A third is synthetic and marked, with .6 of the variance around the same two subjects."""
    generator = np.random.default_rng(3)
    is_synthetic = np.arange(N) % 3 == 0
    centers = 4.0 * np.eye(8)[generator.integers(0, 2, N)]
    scale = np.where(is_synthetic, np.sqrt(0.6), 1.0)[:, None]
    scores = generator.normal(0, 1, N) + 6.0 * is_synthetic
    marks = ["synthetic" if s else None for s in is_synthetic]
    url = write_store(tmp_path, {"a": Rows(scores, marks)})
    embed(tmp_path / "store", "a", np.arange(N), centers + scale * generator.normal(size=(N, 8)))
    return url


def test_lambda_is_found_with_an_interval_and_moves_the_risk(store):
    shown = invoke("risk", store, "--bias-from-embeddings", "--json").json
    measured = shown["sampling_bias"]
    assert measured["trace_ratio"]["low"] < 0.6 < measured["trace_ratio"]["high"]
    assert measured["selection_biased"] is False
    assert (measured["n_real"], measured["n_synthetic"]) == (2000, 1000)
    assert shown["phase"]["bias"]["low"] == measured["trace_ratio"]["low"]
    assert "λ measured on embeddings: 0." in invoke("risk", store, "--bias-from-embeddings").out


@pytest.mark.slow
def test_a_detectors_choice_is_marked(tmp_path, store):
    """The same store without its marks: sure posteriors stand in."""
    generator = np.random.default_rng(3)
    is_synthetic = np.arange(N) % 3 == 0
    generator.integers(0, 2, N)
    scores = generator.normal(0, 1, N) + 6.0 * is_synthetic
    bare = write_store(tmp_path / "bare", {"a": Rows(scores)})
    found = np.load(tmp_path / "store" / "embeddings" / "img_emb" / "img_emb_0.npy")
    embed(tmp_path / "bare" / "store", "a", np.arange(N), found)
    write_calibration(calibration_of(2000, shifts={"g": 6.0}), str(tmp_path / "cal"))
    measured = risk(
        bare, calibration=str(tmp_path / "cal"), bias_from_embeddings=True
    ).sampling_bias
    assert measured.is_selected
    assert measured.trace_ratio.low < 0.6 < measured.trace_ratio.high
    words = ("--bias-from-embeddings", "--calibration", tmp_path / "cal")
    assert "selection-biased" in invoke("risk", bare, *words).out


def test_rows_are_joined_by_ordinal_and_not_by_place(tmp_path, store):
    """Shuffled, with rows that no store has: the same λ."""
    path = tmp_path / "store" / "embeddings"
    found = np.load(path / "img_emb" / "img_emb_0.npy")
    before = risk(store, bias_from_embeddings=True).sampling_bias.trace_ratio
    order = np.random.default_rng(4).permutation(N)
    ordinals = np.append(order, [N + 5, N + 9])
    embed(tmp_path / "store", "a", ordinals, np.concatenate([found[order], 100 + 0 * found[:2]]))
    after = risk(store, bias_from_embeddings=True).sampling_bias.trace_ratio
    assert after.point == pytest.approx(before.point, abs=0.03)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ("none", "has no embeddings; scan with --keep-embeddings"),
        ("short", "2 rows, and its table has 3000"),
        ("object", "cannot read embeddings/img_emb/img_emb_0.npy"),
        ("table", "cannot read embeddings/metadata/metadata_0.parquet"),
        ("gone", "it is not there"),
        ("columns", "columns ['shard'], not ['shard', 'ordinal']"),
        ("width", "dimensions beside 8 in another file"),
    ],
)
def test_embeddings_that_cannot_be_used_are_refused_in_one_line(tmp_path, store, harm, message):
    folder = tmp_path / "store" / "embeddings"
    array, table = folder / "img_emb" / "img_emb_0.npy", folder / "metadata" / "metadata_0.parquet"
    if harm == "none":
        table.unlink()
    elif harm == "short":
        np.save(array, np.zeros((2, 8), np.float16))
    elif harm == "object":
        np.save(array, np.array([{}], dtype=object), allow_pickle=True)
    elif harm == "columns":
        pq.write_table(pa.table({"shard": ["a"] * N}), table)
    elif harm == "width":
        embed(tmp_path / "store", "a", np.arange(3), np.zeros((3, 5)), number="9")
    elif harm == "table":
        table.write_bytes(b"PAR1")
    else:
        array.unlink()
    run = invoke("risk", store, "--bias-from-embeddings")
    assert (run.code, run.out) == (2, "")
    assert message in run.err
    assert "Traceback" not in run.err


def test_embeddings_that_are_no_numbers_are_passed_over(tmp_path, store):
    path = tmp_path / "store" / "embeddings" / "img_emb" / "img_emb_0.npy"
    found = np.load(path)
    found[:30] = np.nan
    np.save(path, found)
    measured = risk(store, bias_from_embeddings=True).sampling_bias
    assert (measured.n_real, measured.n_synthetic) == (1980, 990)


def test_too_few_synthetic_samples_are_refused(tmp_path, store):
    embed(tmp_path / "store", "a", np.arange(60), np.zeros((60, 8)))
    run = invoke("risk", store, "--bias-from-embeddings")
    assert run.code == 2
    assert "20 samples are marked synthetic" in run.err


def test_lambda_given_and_measured_is_a_contradiction(store):
    run = invoke("risk", store, "--bias-from-embeddings", "--bias", "0.5")
    assert run.code == 2
    assert "--bias is 0.5 beside --bias-from-embeddings" in run.err
