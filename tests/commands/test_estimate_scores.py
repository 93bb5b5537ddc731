"""Estimates from stores with scores: tiers, strata, caches, posteriors and edge cases."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import madaudit
from madaudit.commands.calibration_files import write_calibration
from madaudit.commands.cluster_rows import write_clusters
from madaudit.errors import InputError
from madaudit.estimation.sketch import ScoreSketch
from madaudit.scanning.store import Store
from madaudit.types import Interval
from tests.commands.invoking import invoke
from tests.commands.scored_stores import (
    Rows,
    calibration_of,
    draw_scores,
    write_rows,
    write_store,
)
from tests.commands.store_building import edit_json

CALIBRATION = calibration_of(n=1500)
MEASURED = calibration_of(n=1500, least_detected=0.5, n_generators=19)


def shard(n=2000, pi=0.2, seed=0, **more):
    scores, _ = draw_scores(n, pi, np.random.default_rng(seed))
    return Rows(scores, **more)


def marked_shard(n=3000, pi=0.3, kept=0.4, seed=0):
    """A shard of whose synthetic samples a share kept its mark."""
    generator = np.random.default_rng(seed)
    scores, is_synthetic = draw_scores(n, pi, generator)
    has_mark = is_synthetic & (generator.random(n) < kept)
    return Rows(scores, ["synthetic" if mark else None for mark in has_mark]), is_synthetic.mean()


def posteriors(store, name="a.tar", calibration=CALIBRATION):
    folder = Path(store) / "posteriors" / calibration.fingerprint[:16]
    return pq.read_table(folder / f"{name}.parquet").to_pandas(), folder


def no_rows(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("rows were read")

    monkeypatch.setattr(Store, "row_batches", refuse)


# --- tiers ----------------------------------------------------------------------------------


def test_every_tier_tells_of_the_true_share(tmp_path):
    rows, truth = marked_shard()
    found = madaudit.estimate(write_store(tmp_path, {"a.tar": rows}), calibration=MEASURED)
    assert found.tier == "model_based"
    assert found.tiers.model_based.closed.low <= truth <= found.tiers.model_based.closed.high
    assert found.floor.all_marks.low < found.tiers.detectable.low < truth < found.prevalence.high
    assert (found.p.low, found.p.high) == (1 - found.prevalence.high, 1 - found.prevalence.low)


def test_without_a_measured_share_the_headline_is_the_lower_bound(tmp_path):
    found = madaudit.estimate(write_store(tmp_path, {"a.tar": shard()}), calibration=CALIBRATION)
    assert (found.tier, found.prevalence.point, found.prevalence.high) == ("detectable", None, 1)
    assert 0.05 < found.prevalence.low < 0.2


def test_json_has_the_interfaces_keys_and_is_what_python_returns(tmp_path):
    store = write_store(tmp_path, {"a.tar": shard(), "b.tar": shard(seed=1)})
    write_calibration(MEASURED, str(tmp_path / "calibration"))
    run = invoke(
        "estimate", store, "--calibration", str(tmp_path / "calibration"), "--by", "shard",
        "--json",
    )  # fmt: skip
    assert run.json == madaudit.estimate(store, calibration=MEASURED, by=["shard"]).to_dict()
    assert set(run.json["tiers"]) == {"floor", "detectable", "model_based", "adjudicated"}
    assert {"low", "point", "high", "level", "sensitivity"} <= set(
        run.json["tiers"]["model_based"]
    )
    assert {"by", "n", "floor", "p", "tier", "tiers", "shrunk"} == set(run.json["strata"][0])


def test_a_calibration_of_other_detectors_is_refused_by_name(tmp_path):
    store = write_store(tmp_path, {"a.tar": shard(n=10)})
    path = Path(store, "manifest.json")
    identities = json.loads(path.read_text())["identities"]
    edit_json(path, identities={**identities, "constant": "0" * 64})
    with pytest.raises(InputError, match="'constant'"):
        madaudit.estimate(store, calibration=CALIBRATION)


@pytest.mark.parametrize(("how", "truth"), [("real", 0.2), ("synthetic", 0.3), ("apart", 2 / 9)])
def test_composites_count_as_asked_in_every_tier(tmp_path, how, truth):
    scores, _ = draw_scores(4000, 2 / 9, np.random.default_rng(3))
    marks = ["composite" if k % 10 == 0 else None for k in range(4000)]
    # What a mark settles has no say by its score.
    scores[::10] = 9.0
    store = write_store(tmp_path, {"a.tar": Rows(scores, marks)})
    found = madaudit.estimate(store, calibration=CALIBRATION, composite=how)
    closed = found.tiers.model_based.closed
    assert closed.low - 0.01 <= truth <= closed.high + 0.01


@pytest.mark.slow
def test_weights_of_a_sampled_scan_are_honoured(tmp_path):
    generator = np.random.default_rng(2)
    scores, _ = draw_scores(6000, 0.5, generator)
    scores[3000:] = generator.normal(0, 1, 3000)
    weights = np.repeat([1.0, 9.0], 3000)
    census = write_store(tmp_path / "census", {"a.tar": Rows(scores)})
    sampled = write_store(
        tmp_path / "sampled", {"a.tar": Rows(scores, weights=weights)}, n_sample=6000
    )
    one, other = (
        madaudit.estimate(store, calibration=CALIBRATION).tiers.model_based.closed
        for store in (census, sampled)
    )
    assert one.point == pytest.approx(0.25, abs=0.03)
    assert other.point == pytest.approx(0.05, abs=0.03)


# --- strata ---------------------------------------------------------------------------------


def test_sketches_of_strata_sum_to_the_whole_and_to_one_pass(tmp_path):
    shards = {f"{name}.tar": shard(n=500, seed=k) for k, name in enumerate("abc")}
    store = write_store(tmp_path, shards)
    found = madaudit.estimate(store, calibration=CALIBRATION, by=["shard"])
    total = sum((s.sketch for s in found.strata[1:]), found.strata[0].sketch)
    scores = np.concatenate([rows.scores for rows in shards.values()]).astype(np.float32)
    ratios = CALIBRATION.combiner.log_ratio(scores.astype(float)[:, None])
    once = ScoreSketch.count(ratios, combiner=CALIBRATION.combiner.fingerprint)
    assert (total.counts == once.counts).all()
    assert (found.sketch.counts == once.counts).all()
    whole = madaudit.estimate(store, calibration=CALIBRATION)
    assert whole.tiers.to_dict() == found.tiers.to_dict()


def test_the_worst_stratum_is_named_and_its_bound_holds(tmp_path):
    shards = {f"{k}.tar": shard(n=1500, pi=0.4 if k == 3 else 0.02, seed=k) for k in range(6)}
    found = madaudit.estimate(write_store(tmp_path, shards), calibration=CALIBRATION, by=["shard"])
    worst = found.to_dict()["worst"]
    assert worst["strata"][0]["by"] == {"shard": "3.tar"}
    assert 0.1 < worst["strata"][0]["low"] < 0.4
    assert worst["n_above"] == 1


@pytest.mark.slow
def test_years_of_the_url_show_a_trend(tmp_path):
    shards = {}
    for k in range(5):
        urls = [f"https://a.example/{2018 + k}/0{1 + i % 9}/x.jpg" for i in range(3000)]
        shards[f"{k}.tar"] = shard(n=3000, pi=0.02 * 2.0**k, seed=k, columns={"url": urls})
    found = madaudit.estimate(write_store(tmp_path, shards), calibration=CALIBRATION, by=["year"])
    trend = found.to_dict()["trend"]
    assert [point["at"] for point in trend["rising"]] == [2018, 2019, 2020, 2021, 2022]
    assert (
        trend["log_odds_per_unit"]["low"] < np.log(2.1) < trend["log_odds_per_unit"]["high"] + 0.2
    )
    assert trend["p_value"] < 1e-3


# --- what is read, and how often ------------------------------------------------------------


def test_a_second_estimate_reads_no_rows(tmp_path, monkeypatch):
    store = write_store(tmp_path, {"a.tar": shard(), "b.tar": shard(seed=1)})
    first = madaudit.estimate(store, calibration=CALIBRATION, by=["format"])
    no_rows(monkeypatch)
    again = madaudit.estimate(store, calibration=CALIBRATION, by=["format"])
    assert again.to_dict() == first.to_dict()


def test_only_a_changed_shard_is_read_again(tmp_path, monkeypatch):
    store = write_store(tmp_path, {"a.tar": shard(), "b.tar": shard(seed=1)})
    madaudit.estimate(store, calibration=CALIBRATION, posteriors=False)
    write_rows(Path(store), "b.tar", shard(pi=0.9, seed=2))
    seen = []
    read = Store.row_batches
    monkeypatch.setattr(
        Store,
        "row_batches",
        lambda self, name, *rest, **more: seen.append(name) or read(self, name, *rest, **more),
    )
    found = madaudit.estimate(store, calibration=CALIBRATION, posteriors=False)
    assert seen == ["b.tar"]
    assert found.tiers.model_based.closed.point == pytest.approx(0.55, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 nothing", None])
def test_a_damaged_cache_is_counted_again(tmp_path, damage):
    store = write_store(tmp_path, {"a.tar": shard()})
    first = madaudit.estimate(store, calibration=CALIBRATION)
    for path in Path(store, "combined").rglob("*.npz"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(bytes(data) if damage is None else damage)
    assert madaudit.estimate(store, calibration=CALIBRATION).to_dict() == first.to_dict()


def test_posteriors_rise_with_the_evidence_and_marks_are_certain(tmp_path):
    rows, _ = marked_shard()
    rows.scores[:7] = np.nan
    store = write_store(tmp_path, {"a.tar": rows})
    madaudit.estimate(store, calibration=CALIBRATION)
    table, folder = posteriors(store)
    assert list(table.columns) == ["shard", "ordinal", "log_ratio", "p_synthetic"]
    is_marked = np.array([mark is not None for mark in rows.marks])
    assert np.isposinf(table.log_ratio[is_marked]).all()
    assert (table.p_synthetic[is_marked] == 1).all()
    is_missing = np.isnan(rows.scores) & ~is_marked
    assert (table.log_ratio.isna() == is_missing).all()
    assert (table.p_synthetic.isna() == is_missing).all()
    known = table.dropna().sort_values("log_ratio")
    assert (np.diff(known.p_synthetic) >= 0).all()
    about = json.loads((folder / "estimate.json").read_text())
    assert about["calibration"] == CALIBRATION.fingerprint
    assert about["estimate"]["tier"] == "detectable"


def test_posteriors_sum_to_what_the_model_estimates(tmp_path):
    store = write_store(tmp_path, {"a.tar": shard(n=20_000, pi=0.3)})
    found = madaudit.estimate(store, calibration=CALIBRATION)
    table, _ = posteriors(store)
    assert table.p_synthetic.mean() == pytest.approx(
        found.tiers.model_based.closed.point, abs=0.005
    )


def test_posteriors_are_written_again_where_the_data_changed(tmp_path):
    store = write_store(tmp_path, {"a.tar": shard(n=500)})
    madaudit.estimate(store, calibration=CALIBRATION)
    write_rows(Path(store), "a.tar", shard(n=700, seed=4))
    madaudit.estimate(store, calibration=CALIBRATION)
    assert len(posteriors(store)[0]) == 700


def test_nobody_finds_an_estimate_beside_half_written_posteriors(tmp_path, monkeypatch):
    store = write_store(tmp_path, {"a.tar": shard(n=50), "b.tar": shard(n=50)})
    madaudit.estimate(store, calibration=CALIBRATION)
    write_rows(Path(store), "b.tar", shard(n=60, seed=4))
    create = Store.create

    def fail(self, path):
        if path.startswith("posteriors") and "b.tar" in path:
            raise KeyboardInterrupt
        return create(self, path)

    monkeypatch.setattr(Store, "create", fail)
    with pytest.raises(KeyboardInterrupt):
        madaudit.estimate(store, calibration=CALIBRATION)
    assert not (posteriors(store)[1] / "estimate.json").exists()


# --- edge cases -----------------------------------------------------------------------------


def estimate_of(tmp_path, rows, calibration=CALIBRATION):
    return madaudit.estimate(write_store(tmp_path, {"a.tar": rows}), calibration=calibration)


def test_without_known_synthetic_samples_there_is_a_bound_and_no_point(tmp_path):
    found = estimate_of(tmp_path, shard(), calibration_of(n=1500, shifts={}))
    assert (found.tier, found.prevalence.point, found.prevalence.high) == ("detectable", None, 1)
    assert found.tiers.model_based is None
    assert 0 < found.prevalence.low < 0.2
    assert "no synthetic calibration" in found.flags


def test_without_known_real_samples_there_is_the_floor(tmp_path):
    rows, _ = marked_shard()
    full = calibration_of(n=1500)
    bare = calibration_of(n=1500)
    object.__setattr__(bare, "real", {})
    found = estimate_of(tmp_path, rows, bare)
    assert full.real_counts.n > bare.real_counts.n == 0
    marks = found.floor.all_marks
    assert (found.tier, found.prevalence) == ("floor", Interval(marks.low, None, 1.0))
    assert "no real calibration" in found.flags


def test_missing_scores_widen_the_interval_by_their_share(tmp_path):
    rows = shard(n=4000)
    bare = estimate_of(tmp_path / "all", rows).tiers.model_based.closed
    holes = rows.scores.copy()
    holes[::4] = np.nan
    found = estimate_of(tmp_path / "some", Rows(holes)).tiers.model_based.closed
    assert found.point is None
    assert found.high == pytest.approx(0.75 * bare.high + 0.25, abs=0.03)
    assert found.low == pytest.approx(0.75 * bare.low, abs=0.03)


def test_broken_images_are_missing_scores(tmp_path):
    broken = np.arange(2000) % 10 == 0
    rows = shard()
    rows.scores[broken] = np.nan
    found = estimate_of(tmp_path, Rows(rows.scores, broken=broken))
    assert any("has no score" in flag for flag in found.flags)
    assert found.tiers.model_based.closed.high > 0.25


@pytest.mark.parametrize(("pi", "end"), [(0.0, "low"), (1.0, "high")])
def test_a_target_of_one_class_reaches_its_edge_exactly(tmp_path, pi, end):
    closed = estimate_of(tmp_path, shard(n=5000, pi=pi, seed=8)).tiers.model_based.closed
    assert getattr(closed, end) == pi


def test_a_store_without_rows_is_not_bounded(tmp_path):
    found = estimate_of(tmp_path, Rows(np.zeros(0)))
    assert (found.prevalence.low, found.prevalence.high) == (0, 1)
    assert any("no scored samples" in flag for flag in found.flags)


def test_scores_in_one_bin_are_not_bounded(tmp_path):
    found = estimate_of(tmp_path, Rows(np.full(500, 0.25)))
    assert (found.prevalence.low, found.prevalence.high) == (0, 1)
    assert any("one bin" in flag for flag in found.flags)


def test_a_calibration_that_tells_nothing_apart_bounds_nothing(tmp_path):
    found = estimate_of(tmp_path, shard(pi=0.0), calibration_of(n=1500, shifts={"same": 0.0}))
    closed = found.tiers.model_based.closed
    assert closed.high - closed.low > 0.8


def test_a_tiny_target_has_a_wide_interval(tmp_path):
    closed = estimate_of(tmp_path, shard(n=20)).tiers.model_based.closed
    assert 0.2 < closed.high - closed.low < 0.9


# --- in words -------------------------------------------------------------------------------


def test_the_summary_says_p_and_where_every_number_comes_from(tmp_path):
    rows, _ = marked_shard()
    store = write_store(tmp_path, {"a.tar": rows, "b.tar": shard(seed=1)})
    write_calibration(MEASURED, str(tmp_path / "calibration"))
    run = invoke(
        "estimate", store, "--calibration", str(tmp_path / "calibration"), "--by", "shard"
    )
    assert run.code == 0
    assert run.out.startswith("p, the effective real fraction, is ")
    for text in ("floor", "detectable", "model-based", "if of an unknown one a share of 0.5"):
        assert text in run.out
    assert "shard b.tar: synthetic " in run.out


# --- near-duplicates ------------------------------------------------------------------------


def clustered_store(folder, n_clusters=1500, seed=0):
    """Shards whose clusters have one to forty samples of one class and one score each."""
    generator = np.random.default_rng(seed)
    scores, is_synthetic = draw_scores(n_clusters, 0.2, generator)
    # Synthetic samples are copied more.
    sizes = generator.integers(1, 41, n_clusters) * np.where(is_synthetic, 2, 1)
    clusters = np.repeat(np.arange(n_clusters), sizes)
    clusters = generator.permutation(clusters)
    half = len(clusters) // 2
    parts = {"a.tar": clusters[:half], "b.tar": clusters[half:]}
    store = write_store(folder, {name: Rows(scores[part]) for name, part in parts.items()})
    write_clusters(
        Store(store),
        [(name, np.arange(len(part)), part) for name, part in parts.items()],
        {"scan": Store(store).manifest()["fingerprint"]},
    )
    return store, is_synthetic[clusters].mean(), is_synthetic.mean()


@pytest.mark.slow
def test_duplicates_widen_p_and_p_distinct_counts_each_cluster_once(tmp_path):
    store, share, distinct = clustered_store(tmp_path)
    found = madaudit.estimate(store, calibration=MEASURED, by=["shard"])
    closed = found.tiers.model_based.closed
    assert closed.low <= share <= closed.high
    once = found.distinct.model_based.closed
    assert once.low <= distinct <= once.high
    assert found.to_dict()["p_distinct"] == found.p_distinct.to_dict()
    (Path(store) / "clusters" / "clusters.json").unlink()
    ignored = madaudit.estimate(store, calibration=MEASURED).tiers.model_based.closed
    assert closed.point == pytest.approx(ignored.point, abs=0.03)
    assert closed.high - closed.low > 1.5 * (ignored.high - ignored.low)


@pytest.mark.slow
def test_a_cached_estimate_knows_the_clusters_still(tmp_path, monkeypatch):
    store, *_ = clustered_store(tmp_path, 200)
    first = madaudit.estimate(store, calibration=CALIBRATION, by=["shard"]).to_dict()
    no_rows(monkeypatch)
    assert madaudit.estimate(store, calibration=CALIBRATION, by=["shard"]).to_dict() == first


def test_clusters_of_another_scan_are_flagged_and_left_out(tmp_path):
    store, *_ = clustered_store(tmp_path, 50)
    edit_json(Path(store, "clusters", "clusters.json"), scan="another")
    found = madaudit.estimate(store, calibration=CALIBRATION)
    assert found.distinct is None
    assert any("near-duplicates are not allowed for" in flag for flag in found.flags)
